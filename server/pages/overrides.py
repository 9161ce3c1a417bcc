"""Inputs of nodes that are set for one run: rows of a form, each a name and a value.

A name is `NODE.INPUT`, also of one turn of a loop (`web[eu].artifact`). What is filled in is text,
read by the runner by the input's type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct
from rflow.compiler.plan import Plan
from rflow.plugins.host import Host
from rflow.plugins.notation import show_type
from rflow.plugins.types import Json
from rflow.runner.problems import StateError
from rflow.runner.refusals import BAD_OVERRIDE
from rflow.server.pages.forms import Form

NAME, VALUE = "set", "to"
EMPTY = 3
"""So many rows are there to be filled in, and more where scripts run."""
OFFERED_MAX = 1000
_TICKED = re.compile(r"`([^`]+)`")


class Row(Struct, frozen=True):
    """What stands in a row."""

    name: str
    value: str

    @property
    def parts(self) -> tuple[str, str]:
        """The node and the input; "" for what is missing."""
        node, dot, input = self.name.rpartition(".")
        return (node, input) if dot else ("", "")


def rows_of(form: Form) -> list[Row]:
    """The rows that were filled in."""
    pairs = zip(form.texts(NAME), form.texts(VALUE), strict=False)
    return [Row(name.strip(), value.strip()) for name, value in pairs if name.strip() or value]


def given(rows: Iterable[Row]) -> tuple[dict[str, dict[str, Json]], dict[int, StateError]]:
    """What the rows set, node → input → value; and what is wrong with a row, by its number."""
    found: dict[str, dict[str, Json]] = {}
    wrong: dict[int, StateError] = {}
    for number, row in enumerate(rows):
        node, input = row.parts
        if not node or not input:
            message = f"`{row.name}` is not of the form NODE.INPUT"
            wrong[number] = StateError(BAD_OVERRIDE, message, "")
        elif input in found.setdefault(node, {}):
            wrong[number] = StateError(BAD_OVERRIDE, f"`{row.name}` is set above already", "")
        else:
            found[node][input] = row.value
    return found, wrong


def row_of(problem: StateError, rows: list[Row]) -> int | None:
    """The number of the row that a refusal is about."""
    if problem.problem != BAD_OVERRIDE:
        return None
    said = set(_TICKED.findall(problem.message))
    about = [({row.name} & said, {*row.parts} <= said, row.parts[0] in said) for row in rows]
    for sure in zip(*about, strict=True):
        if any(sure):
            return [*map(bool, sure)].index(True)
    return None


def offered(host: Host, plan: Plan) -> Iterator[tuple[str, str]]:
    """What can be set: `node.input`, and its type with the node's kind."""
    specs = host.specs().nodes
    for node in plan.nodes:
        if node.kind in specs:
            for one in specs[node.kind].inputs:
                yield f"{node.id}.{one.name}", f"{show_type(one.type)} · {node.kind}"
