"""An expression with the value of each of its parts, for `rflow why`.

This module owns the telling, not the meaning: every value comes from `evaluate`. What was not
looked at (the right side of an `or` that its left side decided) is marked so, since that too is
why. Secrets are masked by the scope, and stay so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from msgspec import Struct
from rflow.compiler.durations import show_duration
from rflow.compiler.evaluate import Filters, Scope, evaluate
from rflow.compiler.operate import EvalError, Masked
from rflow.compiler.tree import (
    NO_NAMES,
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
    show_get,
)
from rflow.plugins.types import Json


class Explained(Struct, frozen=True):
    """An expression: its text, its value or the error that it has instead, and its parts.

    `looked_at` is False where the value was not needed; then there is neither. Literals are no
    parts: their value is in the text.
    """

    text: str
    value: Json = None
    error: str = ""
    looked_at: bool = True
    parts: tuple[Explained, ...] = ()

    @property
    def shown(self) -> str:
        """The value for a person: JSON, `missing`, the error, or that nobody looked."""
        if not self.looked_at:
            return "not looked at"
        if self.error:
            return self.error
        if self.value is None:
            return "missing"
        if isinstance(self.value, Masked):
            return str(self.value)
        return json.dumps(self.value, ensure_ascii=False)


def explain(
    expr: Expr, scope: Scope, filters: Filters, loops: Mapping[str, str] = NO_NAMES
) -> Explained:
    """The expression with the values of its parts. An error is told, never raised.

    `loops` has the names of loops by their ids, for the texts.
    """
    try:
        return _Explaining(scope, filters, loops).whole(expr)
    except RecursionError:
        return Explained("…", error="the expression is nested too deeply")


class _Explaining(Struct, frozen=True):
    scope: Scope
    filters: Filters
    loops: Mapping[str, str]

    def whole(self, expr: Expr) -> Explained:
        parts = tuple(part for part in self.parts(expr) if not _plain(part))
        text = show_expr(expr, self.loops)
        try:
            value = evaluate(expr, self.scope, self.filters)
        except EvalError as error:
            return Explained(text, error=error.message, parts=parts)
        return Explained(text, value, parts=parts)

    def skipped(self, expr: Expr) -> Explained:
        return Explained(show_expr(expr, self.loops), looked_at=False)

    def parts(self, expr: Expr) -> Iterator[Explained]:
        match expr:
            case Apply(op, args) if op in ("and", "or"):
                decided = False
                for arg in args:
                    found = self.skipped(arg) if decided else self.whole(arg)
                    yield found
                    decided = decided or found.value is (op == "or") or bool(found.error)
            case Choose(condition, then, otherwise):
                decides = self.whole(condition)
                yield decides
                for branch, taken in ((then, True), (otherwise, False)):
                    yield self.whole(branch) if decides.value is taken else self.skipped(branch)
            case _:
                for part in _below(expr):
                    yield self.whole(part)


def _plain(part: Explained) -> bool:
    """Whether the text says all there is to say: a literal."""
    return part.looked_at and not part.parts and not part.error and part.text == part.shown


def _below(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Apply(_, args):
            return args
        case Format(parts) | ListOf(parts):
            return tuple(part for part in parts if not isinstance(part, Literal))
        case MapOf(entries):
            return tuple(part for _, part in entries)
        case Pipe(subject, _, args):
            return (subject, *(arg for arg in args if not isinstance(arg, Lambda)))
        case _:
            return ()


# -- the text of an expression -----------------------------------------------------------------

_RANK = {"or": 1, "and": 2, "not": 3, "+": 5, "-": 5, "*": 6, "/": 6, "neg": 7}


def show_expr(expr: Expr, loops: Mapping[str, str] = NO_NAMES) -> str:
    """The expression as one would write it in a flow, on one line."""
    return _Showing(loops).show(expr, 0)


class _Showing(Struct, frozen=True):
    loops: Mapping[str, str]

    def show(self, expr: Expr, around: int) -> str:
        match expr:
            case Literal(value):
                return json.dumps(value, ensure_ascii=False)
            case Get() | Pipe():
                return f"$<{self.path(expr)}>"
            case Format(parts):
                return f'"{"".join(map(self.part, parts))}"'
            case ListOf(items):
                return f"[{', '.join(self.show(item, 0) for item in items)}]"
            case MapOf(entries):
                inner = ", ".join(f"{_key(key)} = {self.show(item, 0)}" for key, item in entries)
                return f"{{ {inner} }}" if inner else "{}"
            case Choose(condition, then, otherwise):
                decides, yes, no = (self.show(e, 0) for e in (condition, then, otherwise))
                text = f"if {decides} then {yes} else {no}"
                return f"({text})" if around else text
            case Apply(op, args):
                return self.operator(op, args, around)

    def operator(self, op: str, args: tuple[Expr, ...], around: int) -> str:
        if op == "duration":
            only = args[0]
            if isinstance(only, Literal) and isinstance(only.value, int | float):
                return show_duration(only.value)
            return self.show(only, around)
        rank = _RANK.get(op, 4)
        if op in ("not", "neg"):
            text = f"{'not ' if op == 'not' else '-'}{self.show(args[0], rank)}"
        else:
            # Comparisons do not associate; the right side of the others needs brackets when equal.
            left = rank if rank != 4 else 5
            shown = [self.show(args[0], left), *(self.show(arg, rank + 1) for arg in args[1:])]
            text = f" {op} ".join(shown)
        return f"({text})" if rank < around else text

    def part(self, part: Expr) -> str:
        """A part of a string: its text, or a reference."""
        if isinstance(part, Literal) and isinstance(part.value, str):
            return json.dumps(part.value, ensure_ascii=False)[1:-1]
        return f"$<{self.path(part)}>"

    def path(self, expr: Expr | Lambda) -> str:
        match expr:
            case Get():
                return show_get(expr, self.loops)
            case Pipe(subject, name, args):
                shown = f"({', '.join(self.path(arg) for arg in args)})" if args else ""
                return f"{self.path(subject)} | {name}{shown}"
            case Lambda(body):
                return self.path(body)
            case Apply("duration", args):
                return self.path(args[0])
            case _:
                return self.show(expr, 0)


def _key(key: str) -> str:
    return key if key.isidentifier() else json.dumps(key, ensure_ascii=False)
