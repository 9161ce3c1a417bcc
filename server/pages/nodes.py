"""The nodes of a flow as a list, in the order in which they run: for a graph too large to draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rflow.compiler.notes import notes_of
from rflow.compiler.plan import Plan
from rflow.compiler.waves import sections, waves

LISTED_MAX = 1000
SECTIONS = {"main": "", "failure": "on failure", "finally": "finally"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A node. `wave` counts from 1 within its section: nodes of one wave do not wait for each
    other; `section` is "" for the main one."""

    id: str
    kind: str
    section: str
    wave: int
    notes: str


@dataclass(frozen=True, slots=True)
class Nodes:
    """The first of the nodes that were looked for (`find`), and how many there are."""

    listed: tuple[Listed, ...]
    count: int
    find: str


def nodes_of(plan: Plan, find: str = "") -> Nodes:
    """The nodes whose id, kind or notes hold a text."""
    wanted = find.strip().lower()
    found = [
        one
        for one in _all(plan)
        if wanted in f"{one.id} {one.kind} {one.section} {one.notes}".lower()
    ]
    return Nodes(tuple(found[:LISTED_MAX]), len(found), find.strip())


def _all(plan: Plan) -> Iterator[Listed]:
    for section in sections(plan):
        for number, wave in enumerate(waves(plan, section), 1):
            for node in wave:
                notes = " · ".join(notes_of(plan, node))
                yield Listed(node.id, node.kind, SECTIONS[section], number, notes)
