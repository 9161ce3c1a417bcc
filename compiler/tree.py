"""Expressions of a plan, as a small tree.

This module owns the shape of expressions; `evaluate` gives them a meaning, `codec` writes them.
Others import them from `expr`. What is typed and when is the compiler's affair: the tree holds no
types, durations in it are numbers of seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal as Lit

from msgspec import Struct
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


class Literal(Struct, frozen=True):
    """A constant. Durations are seconds."""

    value: Json


class Get(Struct, frozen=True):
    """A value of the run: a root and a path; numbers index lists."""

    root: Root
    path: tuple[str | int, ...]


class Format(Struct, frozen=True):
    """An interpolated string: the parts, scalars, as text, one after the other."""

    parts: tuple[Expr, ...]


class ListOf(Struct, frozen=True):
    """A list."""

    items: tuple[Expr, ...]


class MapOf(Struct, frozen=True):
    """A map."""

    entries: tuple[tuple[str, Expr], ...]


class Apply(Struct, frozen=True):
    """An operator: `== != < <= > >= in matches and or not + - * /`, `neg`, and `duration`, which
    makes the text of a number of seconds (`1h30m`), for a part of a string."""

    op: str
    args: tuple[Expr, ...]


class Choose(Struct, frozen=True):
    """`if A then B else C`; only the chosen one is evaluated."""

    condition: Expr
    then: Expr
    otherwise: Expr


class Lambda(Struct, frozen=True):
    """A chain over `it`, as an argument of a filter."""

    body: Expr


class Pipe(Struct, frozen=True):
    """`subject | name(args)`. `default` and `required` accept a subject that is missing."""

    subject: Expr
    name: str
    args: tuple[Expr | Lambda, ...]


Expr = Literal | Get | Format | ListOf | MapOf | Apply | Choose | Pipe

NO_NAMES: Mapping[str, str] = {}
_NAMES: dict[Root, str] = {
    "arg": "args",
    "secret": "secrets",
    "trigger": "refs",
    "node": "refs",
    "all": "refs",
    "ran": "refs",
    "run": "run",
    "flow": "flow",
    "stage": "stage",
    "each": "each",
    "done": "done",
    "it": "it",
}


def show_get(get: Get, loops: Mapping[str, str] = NO_NAMES) -> str:
    """The path as it is written in a flow, as far as it is known: `args.note`.

    `loops` has the names of loops by their ids: `each.site` is the name, `each.web` the id.
    """
    path = [str(part) for part in get.path]
    if get.root == "ran":
        path.append("ran")
    elif get.root == "each":
        path[0] = loops.get(path[0], path[0])
    elif get.root == "value":
        own = path[0].split(".")
        output = "let" not in own[:-1] and "args" not in own[:-1]
        return ".".join(("refs", *path) if output else path)
    return ".".join((_NAMES[get.root], *path))
