"""Slips in literals that the lexer lets through: escapes, numbers, durations, references.

The codes of literals stand in `slips_text` and `slips_value`; this module says which problem that
`strings` and the builder name is which code, and what to do about it.
"""

from __future__ import annotations

from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import Code
from rflow.dsl.slips_depth import RF129, RF130, RF135
from rflow.dsl.slips_text import RF104, RF126, RF127, RF128, RF134
from rflow.dsl.tokens import Report

PROBLEMS: dict[str, tuple[Code, str, str]] = {
    "escape": (RF126, "`{}` is not an escape", "write `\\\\` for a backslash, or use `'…'`"),
    "code_point": (RF126, "`{}` is not a character", "write up to six hexadecimal digits"),
    "leading_zero": (RF127, "the number `{}` begins with 0", 'write "{}" if it is text'),
    "too_large": (RF127, "the number `{}` is too large", "the largest is 9223372036854775807"),
    "units_order": (
        RF128,
        "the units of `{}` do not get smaller",
        "write the largest unit first, each once: `1h30m`",
    ),
    "index": (RF104, "`{}` has a part that is neither a name nor a number", "name the output"),
    "reference": (
        RF104,
        "`{}` is not a reference",
        'write a path, then filters: `$<refs.image.version | default("none")>`',
    ),
    "nested_reference": (
        RF134,
        "a string inside a reference cannot hold another reference",
        "give the inner one a name with `let`",
    ),
    "key_reference": (
        RF134,
        "the name of a map's entry cannot hold a reference",
        "write the name itself",
    ),
    "type_reference": (RF134, "a type cannot hold a reference", "write the text itself"),
    "chained_comparison": (
        RF130,
        "comparisons cannot be chained: `{}` compares what a comparison gave",
        "join two comparisons with `and`",
    ),
    "too_deep_expression": (
        RF129,
        "the expression is nested too deeply, or has too many operators",
        "give its parts names with `let`",
    ),
    "optional_twice": (RF135, "the type is optional already", "delete the second `?`"),
}
"""For each problem: the code, the message, the next step; `{}` is the text in question."""


def report_literal(report: Report, text: str, problem: str, span: Span) -> None:
    """Report a problem that `strings` or the builder named."""
    code, message, step = PROBLEMS[problem]
    word = text[span[0] : span[1]]
    if len(word) > 40:
        word = word[:39] + "…"
    report(code, span, message.replace("{}", word), help=step.replace("{}", word))
