"""The order of a plan's nodes, in waves, and what of it can be taken back.

This module owns both summaries as values; `render_text` prints them. It needs no networkx, since
nodes stand in topological order in a plan, so that showing a plan before a run stays quick.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rflow.compiler.plan import Node, Plan, Section


def waves(plan: Plan, section: Section = "main") -> list[list[Node]]:
    """The nodes of a section, each in the first wave behind all that it comes after.

    Nodes of one wave do not wait for each other. Joins, which do nothing, take no wave.
    """
    depths: dict[str, int] = {}
    found: list[list[Node]] = []
    for node in plan.nodes:
        if node.section != section:
            continue
        depth = max((depths[id] for id in node.after if id in depths), default=0)
        if node.kind == "join":
            depths[node.id] = depth
            continue
        depths[node.id] = depth + 1
        if len(found) <= depth:
            found.append([])
        found[depth].append(node)
    return found


def sections(plan: Plan) -> list[Section]:
    """The sections that have nodes, in the order in which they run."""
    present = {node.section for node in plan.nodes}
    order: tuple[Section, ...] = ("main", "failure", "finally")
    return [section for section in order if section in present]


class Coverage(Struct, frozen=True):
    """Which effects of a plan can be taken back; ids of nodes, with reasons where there are any."""

    taken_back: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    irreversible: tuple[tuple[str, str], ...]
    silent: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many nodes have an effect."""
        return sum(map(len, (self.taken_back, self.kept, self.irreversible, self.silent)))

    def lines(self) -> list[str]:
        """The coverage in words, a line for each sort of effect."""
        if not self.total:
            return ["nothing here changes anything outside the run"]
        names = f": {listed(self.taken_back)}" if self.taken_back else ""
        lines = [f"{len(self.taken_back)} of {self.total} effects can be taken back{names}"]
        for ids, reason in _by_reason(self.kept):
            lines.append(f"{listed(ids)} {'is' if len(ids) == 1 else 'are'} kept: {reason}")
        for ids, reason in _by_reason(self.irreversible):
            lines.append(f"{listed(ids)} cannot be undone: {reason}")
        if self.silent:
            verb = "does" if len(self.silent) == 1 else "do"
            lines.append(f"{listed(self.silent)} {verb} not say what rolling back means")
        return lines


LISTED_MAX = 12


def listed(ids: Sequence[str]) -> str:
    """The ids as people list them; of many, the first few and how many more."""
    if len(ids) > LISTED_MAX:
        return f"{', '.join(ids[:LISTED_MAX])} and {len(ids) - LISTED_MAX} more"
    return " and ".join(part for part in (", ".join(ids[:-1]), *ids[-1:]) if part)


def _by_reason(found: tuple[tuple[str, str], ...]) -> list[tuple[list[str], str]]:
    by_reason: dict[str, list[str]] = {}
    for id, reason in found:
        by_reason.setdefault(reason, []).append(id)
    return [(ids, reason) for reason, ids in by_reason.items()]


def coverage(plan: Plan) -> Coverage:
    """What rolling back means for the effects of the plan."""
    effects = [
        node for node in plan.nodes if node.effect is not None and node.contract.type != "pure"
    ]

    def of(*types: str) -> list[Node]:
        return [node for node in effects if node.contract.type in types]

    return Coverage(
        tuple(node.id for node in of("self", "undo")),
        tuple((node.id, node.contract.reason) for node in of("keep")),
        tuple((node.id, node.contract.reason) for node in of("irreversible")),
        tuple(node.id for node in of("none")),
    )
