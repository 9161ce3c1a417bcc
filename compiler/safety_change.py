"""A change of a flow and what it means for safety, as a value; and the comparison it comes from.

Levels: a *risk* takes away a protection that was there, a *caution* opens something that somebody
should look at, a *note* is a change that a reviewer wants to know of. What only moves, renames or
writes out is no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, field
from rflow.compiler.explain import show_expr
from rflow.compiler.plan import Node, Place, Plan
from rflow.compiler.safety_codes import CODES, LEVELS, Level
from rflow.compiler.safety_facts import Facts
from rflow.compiler.safety_match import Pairs, moved_secrets
from rflow.compiler.safety_normal import Normal, Part
from rflow.compiler.tree import Expr
from rflow.compiler.waves import listed
from rflow.plugins.types import Specs

SHOWN_MAX = 72


class Where(Struct, frozen=True):
    """A place in one of the two plans: the path of the file and the line, from 1."""

    side: Literal["old", "new"]
    path: str
    line: int


class Change(Struct, frozen=True):
    """What changed, in words. `code` is one of `safety_codes`, `subjects` are the nodes or other
    things that it is about."""

    level: Level
    code: str
    subjects: tuple[str, ...]
    message: str
    where: Where | None = None

    def __post_init__(self) -> None:
        if self.level not in CODES[self.code].levels:
            raise ValueError(f"`{self.code}` is no {self.level}: see `safety_codes`")


class Comparison(Struct):
    """Two plans, what of one is what of the other, and the changes found so far."""

    old: Plan
    new: Plan
    specs: Specs
    pairs: Pairs
    before: Facts
    now: Facts
    changes: list[Change] = field(default_factory=list)

    @classmethod
    def of(cls, old: Plan, new: Plan, specs: Specs) -> Comparison:
        """The comparison of two plans, without any changes yet."""
        aliases = moved_secrets(old, new)
        one, two = Normal.of(old), Normal.of(new, aliases)
        before, now = Facts(one, specs), Facts(two, specs)
        return cls(old, new, specs, Pairs(one, two), before, now)

    def add(
        self,
        level: Level,
        code: str,
        subjects: str | Iterable[str],
        message: str,
        place: Place | None = None,
        *,
        gone: bool = False,
    ) -> None:
        """Add a change; `gone` says that the place is one of the old plan."""
        names = (subjects,) if isinstance(subjects, str) else tuple(subjects)
        plan = self.old if gone else self.new
        at = None
        if place is not None:
            source = plan.sources[place.source]
            line = source.text.count("\n", 0, place.start) + 1
            at = Where("old" if gone else "new", source.path, line)
        self.changes.append(Change(level, code, names, message, at))

    def both(self) -> list[tuple[Part, Part]]:
        """The nodes that are in both plans, gates left out."""
        return [(o, n) for o, n in self.pairs.pairs() if n.node.approval is None]

    def shown(self, expr: Expr | None, part: Part, *, old: bool = False) -> str:
        """An expression of a node, as it is written or in its normal form, in one short line."""
        if expr is None:
            return "nothing"
        names = {loop.id: loop.name for loop in (self.old if old else self.new).loops}
        names |= {str(depth): names[id] for depth, id in enumerate(part.node.loops)}
        try:
            text = show_expr(expr, names)
        except (RecursionError, KeyError, IndexError, TypeError):
            text = "…"
        return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


def named(ids: Sequence[str]) -> str:
    """``a`, `b` and `c``."""
    return listed([f"`{id}`" for id in ids])


def verb(ids: Sequence[object], one: str, many: str) -> str:
    """The form of a verb for one subject or many."""
    return one if len(ids) == 1 else many


def people(node: Node) -> str:
    """Who may approve at a gate, in words."""
    approval = node.approval
    assert approval is not None
    return listed(approval.by) if approval.by else "anyone"


__all__ = ["LEVELS", "Change", "Comparison", "Level", "Where", "named", "people", "verb"]
