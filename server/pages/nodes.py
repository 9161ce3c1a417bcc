"""The nodes of a flow as a list, in the order in which they run; one of them; finding one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from rflow.compiler.notes import notes_of
from rflow.compiler.plan import Plan
from rflow.compiler.waves import sections, waves
from rflow.runner import view

LISTED_MAX = 1000
FOUND_MAX = 30
SECTIONS = {"main": "", "failure": "on failure", "finally": "finally"}


class Listed(Struct, frozen=True):
    """A node. `wave` counts from 1 within its section: nodes of one wave do not wait for each
    other; `section` is "" for the main one."""

    id: str
    kind: str
    section: str
    wave: int
    notes: str


class Nodes(Struct, frozen=True):
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


class Shown(Struct, frozen=True):
    """A node of a flow: its own source, where that stands, and what it comes after."""

    id: str
    kind: str
    notes: str
    code: str
    place: str
    after: tuple[str, ...]


def shown(plan: Plan, id: str) -> Shown | None:
    """A node of a plan; None if there is none of this name."""
    node = next((node for node in plan.nodes if node.id == id and node.kind != "join"), None)
    if node is None:
        return None
    joins = {other.id: other.after for other in plan.nodes if other.kind == "join"}
    after = tuple(dict.fromkeys(before for one in node.after for before in joins.get(one, (one,))))
    code, place = view.code(plan, node.place), view.where(plan, node.place)
    return Shown(id, node.kind, " · ".join(notes_of(plan, node)), code, place, after)


class Found(Struct, frozen=True):
    """What was found under a text: (id, status) of the first nodes, and how many there are. `only`
    is the one that must have been meant, "" if there is no such one."""

    find: str
    nodes: tuple[tuple[str, str], ...]
    count: int
    only: str


def found(nodes: Iterable[tuple[str, str]], find: str) -> Found:
    """The nodes, given as (id, status), whose id holds a text; those that begin with it first."""
    find = find.strip()
    wanted = find.lower()
    among = [(id.lower(), id, status) for id, status in nodes if wanted in id.lower()]
    among.sort(key=lambda one: (one[0] != wanted, not one[0].startswith(wanted)))
    is_only = len(among) == 1 or (among and among[0][0] == wanted)
    first = tuple((id, status) for _, id, status in among[:FOUND_MAX])
    return Found(find, first, len(among), among[0][1] if is_only else "")
