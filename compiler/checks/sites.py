"""Where an expression stands, and what is known there.

This module owns sites and facts: which roots may be read at a place, which loops are around it,
which conditions hold there. It resolves no path.
"""

from __future__ import annotations

from msgspec import Struct, field
from rflow.compiler.expr import Expr, Literal
from rflow.compiler.names import conjuncts
from rflow.compiler.scope import BOUND, LATE, UNTRUSTED, Flow, Loop, Member, Section, Value
from rflow.compiler.types import FLOAT, STRING, Constant, Optional, Type, Union
from rflow.dsl import ast
from rflow.dsl.ast import Span

Typed = tuple[Expr, Type | None, int]
"""A lowered expression, its type (None: a mistake in it was reported), its labels."""

FAILED: Typed = (Literal(None), None, 0)

_STATUSES = Union(tuple(Constant(s) for s in ("running", "success", "failed", "cancelled")))
FIELDS: dict[str, dict[str, Value]] = {
    "run": {
        "id": Value(STRING, BOUND),
        "name": Value(STRING, BOUND | UNTRUSTED),
        "description": Value(STRING, BOUND | UNTRUSTED),
        "started": Value(FLOAT, BOUND),
        "status": Value(_STATUSES, BOUND | LATE),
        "by": Value(STRING, BOUND | UNTRUSTED),
        "url": Value(Optional(STRING), BOUND),
    },
    "flow": {"name": Value(STRING)},
    "stage": {"name": Value(STRING), "pipeline": Value(STRING)},
}

ROOTS = ("args", "secrets", "refs", "let", "run", "flow", "stage", "each", "done")
RANK: dict[Section, int] = {"main": 0, "failure": 1, "finally": 2}


class Facts(Struct, eq=False):
    """What holds where an expression stands: nodes that ran, conditions that were met."""

    ran: set[str] = field(default_factory=set)
    conditions: set[ast.Expr] = field(default_factory=set)


class Site(Struct, eq=False):
    """Where an expression stands.

    `roots` are those that may be read there, None for all; `where` says it in words: "in a
    trigger". `reads` gathers the members whose values are read. `undo` is the node
    whose `undo` this is, `done` the outputs of it that the `undo` sees.
    """

    section: Section = "main"
    loops: tuple[Loop, ...] = ()
    facts: Facts | None = None
    reads: dict[Member, Span] | None = field(default_factory=dict)
    roots: tuple[str, ...] | None = None
    where: str = ""
    done: dict[str, Value] | None = None
    undo: Member | None = None


def facts_of(
    conditions: tuple[ast.Expr, ...] | list[ast.Expr], flow: Flow, base: Facts | None = None
) -> Facts | None:
    """What is known where these conditions hold, beside what was known before."""
    if not conditions:
        return base
    facts = Facts(set(base.ran), set(base.conditions)) if base is not None else Facts()
    stack = [part for condition in conditions for part in conjuncts(condition)]
    while stack:
        part = stack.pop()
        if part in facts.conditions:
            continue
        facts.conditions.add(part)
        if isinstance(part, ast.Ref) and not part.filters and isinstance(part.head, ast.Path):
            parts = part.head.parts
            if len(parts) == 3 and parts[0] == "refs" and parts[2] == "ran":
                facts.ran.add(str(parts[1]))
                member = flow.members.get(str(parts[1]))
                if member is not None and not member.loops:
                    stack.extend(member.conditions)
    return facts
