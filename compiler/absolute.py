"""The expressions of a flow, as they stand in the plan of one that uses it.

This module owns the change of names that inlining brings: what a used flow calls `args.url` is
the binding `check.args.url` of the plan, its node `ping` is `check.ping`.
"""

from __future__ import annotations

from dataclasses import replace

from rflow.compiler.expr import (
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
from rflow.compiler.inline import Context

_PREFIXED = ("secret", "node", "all", "ran", "value", "each")


def absolute(expr: Expr, context: Context) -> Expr:
    """The expression of a flow as it reads in this context. The depth is that of the text."""
    if not context.prefix:
        return expr
    return _absolute(expr, context.prefix)


def _absolute(expr: Expr, prefix: str) -> Expr:
    match expr:
        case Literal():
            return expr
        case Get(root, path):
            if root == "arg":
                return Get("value", (f"{prefix}args.{path[0]}", *path[1:]))
            if root in _PREFIXED:
                return Get(root, (f"{prefix}{path[0]}", *path[1:]))
            return expr
        case Format(parts):
            return Format(tuple(_absolute(part, prefix) for part in parts))
        case ListOf(items):
            return ListOf(tuple(_absolute(item, prefix) for item in items))
        case MapOf(entries):
            return MapOf(tuple((name, _absolute(value, prefix)) for name, value in entries))
        case Apply(op, args):
            return Apply(op, tuple(_absolute(arg, prefix) for arg in args))
        case Choose(condition, then, otherwise):
            return Choose(
                _absolute(condition, prefix), _absolute(then, prefix), _absolute(otherwise, prefix)
            )
        case Pipe(subject, _, args):
            return replace(
                expr,
                subject=_absolute(subject, prefix),
                args=tuple(
                    Lambda(_absolute(arg.body, prefix))
                    if isinstance(arg, Lambda)
                    else _absolute(arg, prefix)
                    for arg in args
                ),
            )
