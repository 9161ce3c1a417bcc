"""An expression with the value of each of its parts, for `rflow why`.

This module owns the telling, not the meaning: every value comes from `evaluate`. What was not
looked at (the right side of an `or` that its left side decided) is marked so, since that too is
why. Secrets are masked by the scope, and stay so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from rflow.compiler.durations import show_duration
from rflow.compiler.evaluate import Filters, Scope, evaluate
from rflow.compiler.operate import EvalError, Masked
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
    show_get,
)
from rflow.plugins.types import Json


@dataclass(frozen=True, slots=True)
class Explained:
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


def explain(expr: Expr, scope: Scope, filters: Filters) -> Explained:
    """The expression with the values of its parts. An error is told, never raised."""
    try:
        return _explain(expr, scope, filters)
    except RecursionError:
        return Explained("…", error="the expression is nested too deeply")


def _explain(expr: Expr, scope: Scope, filters: Filters) -> Explained:
    parts = tuple(_parts(expr, scope, filters))
    try:
        value = evaluate(expr, scope, filters)
    except EvalError as error:
        return Explained(show_expr(expr), error=error.message, parts=parts)
    return Explained(show_expr(expr), value, parts=parts)


def _parts(expr: Expr, scope: Scope, filters: Filters) -> list[Explained]:
    found: list[Explained] = []
    match expr:
        case Apply(op, args) if op in ("and", "or"):
            decided = False
            for arg in args:
                if decided:
                    found.append(Explained(show_expr(arg), looked_at=False))
                    continue
                found.append(_explain(arg, scope, filters))
                decided = found[-1].value is (op == "or") or bool(found[-1].error)
        case Choose(condition, then, otherwise):
            found.append(_explain(condition, scope, filters))
            for branch, taken in ((then, True), (otherwise, False)):
                if found[0].value is taken:
                    found.append(_explain(branch, scope, filters))
                else:
                    found.append(Explained(show_expr(branch), looked_at=False))
        case _:
            found += (_explain(part, scope, filters) for part in _below(expr))
    return [part for part in found if not _plain(part)]


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


def show_expr(expr: Expr) -> str:
    """The expression as one would write it in a flow, on one line."""
    return _show(expr, 0)


def _show(expr: Expr, around: int) -> str:
    match expr:
        case Literal(value):
            return json.dumps(value, ensure_ascii=False)
        case Get() | Pipe():
            return f"$<{_path(expr)}>"
        case Format(parts):
            inner = "".join(
                json.dumps(part.value, ensure_ascii=False)[1:-1]
                if isinstance(part, Literal) and isinstance(part.value, str)
                else _reference(part)
                for part in parts
            )
            return f'"{inner}"'
        case ListOf(items):
            return f"[{', '.join(_show(item, 0) for item in items)}]"
        case MapOf(entries):
            inner = ", ".join(f"{_key(key)} = {_show(item, 0)}" for key, item in entries)
            return f"{{ {inner} }}" if inner else "{}"
        case Choose(condition, then, otherwise):
            text = f"if {_show(condition, 0)} then {_show(then, 0)} else {_show(otherwise, 0)}"
            return f"({text})" if around else text
        case Apply(op, args):
            return _operator(op, args, around)


def _operator(op: str, args: tuple[Expr, ...], around: int) -> str:
    if op == "duration":
        only = args[0]
        if isinstance(only, Literal) and isinstance(only.value, int | float):
            return show_duration(only.value)
        return _show(only, around)
    rank = _RANK.get(op, 4)
    if op in ("not", "neg"):
        text = f"{'not ' if op == 'not' else '-'}{_show(args[0], rank)}"
    else:
        # Comparisons do not associate; the right side of the others needs brackets when equal.
        left = rank if rank != 4 else 5
        shown = [_show(args[0], left), *(_show(arg, rank + 1) for arg in args[1:])]
        text = f" {op} ".join(shown)
    return f"({text})" if rank < around else text


def _reference(part: Expr) -> str:
    inner = part
    while isinstance(inner, Apply) and inner.op == "duration":
        inner = inner.args[0]
    return f"$<{_path(inner)}>"


def _path(expr: Expr | Lambda) -> str:
    match expr:
        case Get():
            return show_get(expr)
        case Pipe(subject, name, args):
            shown = f"({', '.join(_path(arg) for arg in args)})" if args else ""
            return f"{_path(subject)} | {name}{shown}"
        case Lambda(body):
            return _path(body)
        case Apply("duration", args):
            return _path(args[0])
        case _:
            return show_expr(expr)


def _key(key: str) -> str:
    return key if key.isidentifier() else json.dumps(key, ensure_ascii=False)
