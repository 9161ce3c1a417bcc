"""Tests of flows, checked: what is to happen in a rehearsal, and what is expected of it.

This module owns the values that the tester plays, and no rule: `testing_check` makes them of
`test` blocks, `runner.rehearse` plays them. Nodes are named by their ids in the plan.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field
from rflow.compiler.expr import Expr
from rflow.compiler.plan import Place

Span = tuple[int, int]
"""Start and end in the text of the test's file, as in the tree."""

STARTER = "test"
"""Who starts the run of a test that does not say."""
AT = "2030-01-01 10:00"
"""When the run of a test starts that does not say: a Tuesday, in UTC."""
FAULT = "the test lets it fail"


class Aim(Struct, frozen=True):
    """What a clause is about: the plan's nodes it names. `turn` is the text with its brackets
    (`web[eu]`) where one turn of a loop is meant."""

    text: str
    nodes: tuple[str, ...]
    turn: str | None = None


class Mock(Struct, frozen=True):
    """What the attempts of a node put out, and how long they take."""

    aim: Aim
    values: dict[str, Expr]
    takes_s: float | None = None


class Answered(Struct, frozen=True):
    """Who decides on a gate, and how long after it asked."""

    aim: Aim
    decision: Literal["approve", "reject"]
    by: tuple[str, ...]
    after_s: float = 0.0


class Fault(Struct, frozen=True):
    """Attempts that fail; `last` is None where all do. `halfway`: after the change was made."""

    aim: Aim
    first: int
    last: int | None
    undo: bool = False
    halfway: bool = False
    message: str = FAULT


class Cancelled(Struct, frozen=True):
    """When the run is cancelled: so long after its start, or when a node's attempt begins."""

    after_s: float | None
    at: Aim | None
    rollback: bool = False


class RunIs(Struct, frozen=True):
    """`expect run failed`."""

    status: str
    span: Span


class RunWithin(Struct, frozen=True):
    """`expect run within 2h`."""

    limit_s: float
    span: Span


class NodeIs(Struct, frozen=True):
    """`expect web skipped`."""

    aim: Aim
    status: str
    span: Span


class Attempts(Struct, frozen=True):
    """`expect web attempts 2`."""

    aim: Aim
    count: int
    span: Span


class Before(Struct, frozen=True):
    """`expect backup before migrate`."""

    first: Aim
    then: Aim
    span: Span


class Changed(Struct, frozen=True):
    """`expect undone web`, `expect kept migrate`, `expect effect web`."""

    which: Literal["undone", "kept", "effect"]
    aim: Aim
    span: Span


class OutputIs(Struct, frozen=True):
    """`expect output version == "1.2"`."""

    name: str
    op: str
    value: Expr
    span: Span


Expected = RunIs | RunWithin | NodeIs | Attempts | Before | Changed | OutputIs


class Test(Struct, frozen=True):
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
