"""Expressions with other values in the places where they read something."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace
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
)


def rewrite(expr: Expr, change: Callable[[Get], Expr]) -> Expr:
    """The expression with each `Get` replaced by what `change` gives for it. The depth of the
    recursion is that of the text it was written as, which is bounded."""
    match expr:
        case Literal():
            return expr
        case Get():
            return change(expr)
        case Format(parts):
            return Format(tuple(rewrite(part, change) for part in parts))
        case ListOf(items):
            return ListOf(tuple(rewrite(item, change) for item in items))
        case MapOf(entries):
            return MapOf(tuple((name, rewrite(value, change)) for name, value in entries))
        case Apply(op, args):
            return Apply(op, tuple(rewrite(arg, change) for arg in args))
        case Choose(condition, then, otherwise):
            return Choose(
                rewrite(condition, change), rewrite(then, change), rewrite(otherwise, change)
            )
        case Pipe(subject, _, args):
            return replace(
                expr,
                subject=rewrite(subject, change),
                args=tuple(
                    Lambda(rewrite(arg.body, change))
                    if isinstance(arg, Lambda)
                    else rewrite(arg, change)
                    for arg in args
                ),
            )
