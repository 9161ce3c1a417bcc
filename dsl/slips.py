"""All the checks for a token that the grammar refuses, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable

from rflow.dsl import slips_entry as entry
from rflow.dsl import slips_header as header
from rflow.dsl import slips_value as value
from rflow.dsl.situation import Situation, Slip

Check = Callable[[Situation], Slip | None]

INSIDE: tuple[Check, ...] = (
    value.list_item,
    value.comparison,
    value.named_comparison,
    value.conditional,
    value.inner_conditional,
    value.broken_conditional,
    value.outside_filter,
    value.missing_comma,
    value.unclosed_bracket,
    value.duration,
    value.bare_word,
    value.missing_value,
    header.dependency,
    entry.colon,
    entry.missing_equal,
    header.value_in_header,
    header.missing_kind,
    header.clause,
    header.quoted_name,
    header.missing_block,
)
"""What may be wrong within an entry."""

BETWEEN: tuple[Check, ...] = (
    entry.closing_brace,
    entry.unclosed,
    header.dependency,
    value.list_item,
    entry.colon,
    entry.valued_keyword,
    entry.foreign,
    entry.misplaced,
    entry.block_or_value,
    entry.unknown_word,
)
"""What may be wrong where an entry begins."""


def find(situation: Situation, *, between: bool) -> Slip | None:
    """What the first check says that has something to say."""
    for check in BETWEEN if between else INSIDE:
        slip = check(situation)
        if slip is not None:
            return slip
    return None
