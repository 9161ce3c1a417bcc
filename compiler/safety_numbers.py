"""Numbers for the expressions of two plans: equal ones for equal expressions, of whichever plan.

What the nodes of one plan are called in the other is known only bit by bit; a `Numbering` is told
and can begin anew. Nothing here recurses: bindings may lie deep in one another.
"""

from __future__ import annotations

from collections.abc import Mapping

from rflow.compiler.tree import (
    Apply,
    Choose,
    Expr,
    Format,
    Get,
    Lambda,
    ListOf,
    Literal,
    MapOf,
    Pipe,
    Root,
)
from rflow.plugins.types import Json


class Numbers:
    """Numbers for expressions: equal ones for equal expressions."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], int] = {}

    def number(self, shape: tuple[object, ...]) -> int:
        """The number of a shape, whose parts are numbers already."""
        return self._known.setdefault(shape, len(self._known))


class Numbering:
    """The numbers of one plan's expressions. `names` says what nodes, and triggers as
    `trigger NAME`, are called in the other plan; those it does not have are nobody's."""

    def __init__(self, numbers: Numbers, names: Mapping[str, str] | None) -> None:
        self._numbers = numbers
        self._names = names
        self._seen: dict[int, int] = {}
        self._kept: list[Expr | Lambda] = []  # what was numbered by its id must not go away

    def of(self, expr: Expr | Lambda | None) -> int:
        """The number of an expression. Does not recurse: bindings may lie deep in one another."""
        if expr is None:
            return -1
        stack = [expr]
        while stack:
            top = stack[-1]
            left = [part for part in _parts(top) if id(part) not in self._seen]
            if left and id(top) not in self._seen:
                stack += left
                continue
            stack.pop()
            if id(top) not in self._seen:
                self._seen[id(top)] = self._numbers.number(self._shape(top))
                self._kept.append(top)
        return self._seen[id(expr)]

    def forget(self) -> None:
        """Begin anew, after `names` has changed."""
        self._seen.clear()
        self._kept.clear()

    def _shape(self, expr: Expr | Lambda) -> tuple[object, ...]:
        parts = tuple(self._seen[id(part)] for part in _parts(expr))
        match expr:
            case Literal(value):
                return ("lit", type(value).__name__, _frozen(value))
            case Get(root, path):
                return ("get", root, *self._path(root, path))
            case MapOf(entries):
                return ("map", *(name for name, _ in entries), *parts)
            case Apply(op):
                return ("op", op, *parts)
            case Pipe(_, name):
                return ("pipe", name, *parts)
            case _:
                return (type(expr).__name__, *parts)

    def _path(self, root: Root, path: tuple[str | int, ...]) -> tuple[object, ...]:
        if self._names is None or root not in ("node", "all", "ran", "trigger") or not path:
            return path
        name = f"trigger {path[0]}" if root == "trigger" else str(path[0])
        known = self._names.get(name)
        if known is None:
            return ("new", *path)
        return (known.removeprefix("trigger "), *path[1:])


def _parts(expr: Expr | Lambda) -> tuple[Expr | Lambda, ...]:
    match expr:
        case Format(parts) | ListOf(parts) | Apply(_, parts):
            return parts
        case MapOf(entries):
            return tuple(part for _, part in entries)
        case Choose(condition, then, otherwise):
            return (condition, then, otherwise)
        case Pipe(subject, _, args):
            return (subject, *args)
        case Lambda(body):
            return (body,)
        case _:
            return ()


def _frozen(value: Json) -> object:
    if isinstance(value, list):
        return tuple((type(item).__name__, _frozen(item)) for item in value)
    if isinstance(value, dict):
        return tuple(sorted((k, type(v).__name__, _frozen(v)) for k, v in value.items()))
    return value
