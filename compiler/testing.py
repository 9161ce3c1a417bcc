"""Tests of flows, checked: what is to happen in a rehearsal, and what is expected of it.

This module owns the values that the tester plays, and no rule: `testing_check` makes them of
`test` blocks, `runner.rehearse` plays them. Nodes are named by their ids in the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rflow.compiler.expr import Expr
from rflow.compiler.plan import Place

Span = tuple[int, int]
"""Start and end in the text of the test's file, as in the tree."""

STARTER = "test"
"""Who starts the run of a test that does not say."""
AT = "2030-01-01 10:00"
"""When the run of a test starts that does not say: a Tuesday, in UTC."""
FAULT = "the test lets it fail"


@dataclass(frozen=True, slots=True)
class Aim:
    """What a clause is about: the plan's nodes it names. `turn` is the text with its brackets
    (`web[eu]`) where one turn of a loop is meant."""

    text: str
    nodes: tuple[str, ...]
    turn: str | None = None


@dataclass(frozen=True, slots=True)
class Mock:
    """What the attempts of a node put out, and how long they take."""

    aim: Aim
    values: dict[str, Expr]
    takes_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """Who decides on a gate, and how long after it asked."""

    aim: Aim
    decision: Literal["approve", "reject"]
    by: tuple[str, ...]
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Attempts that fail; `last` is None where all do. `halfway`: after the change was made."""

    aim: Aim
    first: int
    last: int | None
    undo: bool = False
    halfway: bool = False
    message: str = FAULT


@dataclass(frozen=True, slots=True)
class Cancelled:
    """When the run is cancelled: so long after its start, or when a node's attempt begins."""

    after_s: float | None
    at: Aim | None
    rollback: bool = False


@dataclass(frozen=True, slots=True)
class RunIs:
    """`expect run failed`."""

    status: str
    span: Span


@dataclass(frozen=True, slots=True)
class RunWithin:
    """`expect run within 2h`."""

    limit_s: float
    span: Span


@dataclass(frozen=True, slots=True)
class NodeIs:
    """`expect web skipped`."""

    aim: Aim
    status: str
    span: Span


@dataclass(frozen=True, slots=True)
class Attempts:
    """`expect web attempts 2`."""

    aim: Aim
    count: int
    span: Span


@dataclass(frozen=True, slots=True)
class Before:
    """`expect backup before migrate`."""

    first: Aim
    then: Aim
    span: Span


@dataclass(frozen=True, slots=True)
class Changed:
    """`expect undone web`, `expect kept migrate`, `expect effect web`."""

    which: Literal["undone", "kept", "effect"]
    aim: Aim
    span: Span


@dataclass(frozen=True, slots=True)
class OutputIs:
    """`expect output version == "1.2"`."""

    name: str
    op: str
    value: Expr
    span: Span


Expected = RunIs | RunWithin | NodeIs | Attempts | Before | Changed | OutputIs


@dataclass(frozen=True, slots=True)
class Test:
    """A test of a flow."""

    __test__ = False

    name: str
    place: Place
    flow: str
    by: str = STARTER
    at: str = AT
    args: dict[str, Expr] = field(default_factory=dict)
    triggers: dict[str, dict[str, Expr]] = field(default_factory=dict)
    mocks: tuple[Mock, ...] = ()
    answers: tuple[Answered, ...] = ()
    faults: tuple[Fault, ...] = ()
    cancels: tuple[Cancelled, ...] = ()
    expected: tuple[Expected, ...] = ()
