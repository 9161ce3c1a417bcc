"""Expressions of a plan: a small tree, its JSON form and its one evaluator.

One evaluator serves compiling, planning, running, testing and the editor. It is pure and total:
an expression gives a value or raises `EvalError`; it never loops, since there is nothing to loop
with but a filter over a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as Lit

from rflow.plugins.types import Json

Root = Lit[
    "arg",  # (name, …)               an argument of the run
    "secret",  # (name,)               a secret's value
    "trigger",  # (name, field, …)     what a trigger put out; `trigger` is the one that fired
    "node",  # (id, output, …)         an output of a node, in the same instance of shared loops
    "all",  # (id, output, …)          the same of all instances that ran, as a list
    "ran",  # (id,)                    whether the node ran (ended with success)
    "value",  # (binding, …)           a binding of the plan
    "run",  # (field,)                 id name description started status by …
    "flow",  # (field,)                name
    "stage",  # (field,)               name pipeline
    "each",  # (loop id, …)            the current element of a loop
    "done",  # (output, …)             in `undo`: the outputs of the node that is undone
    "it",  # (…)                       in a lambda: the element
]


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. Durations are seconds."""

    value: Json


@dataclass(frozen=True, slots=True)
class Get:
    """A value of the run: a root and a path; numbers index lists."""

    root: Root
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Format:
    """An interpolated string: the parts, scalars, as text, one after the other."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map."""

    entries: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator: `== != < <= > >= in matches and or not + - * /` and `neg`."""

    op: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Choose:
    """`if A then B else C`; only the chosen one is evaluated."""

    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Lambda:
    """A chain over `it`, as an argument of a filter."""

    body: Expr


@dataclass(frozen=True, slots=True)
class Pipe:
    """`subject | name(args)`. `default` and `required` accept a subject that is missing."""

    subject: Expr
    name: str
    args: tuple[Expr | Lambda, ...]


Expr = Literal | Get | Format | ListOf | MapOf | Apply | Choose | Pipe
