"""The expressions of a flow, as they stand in the plan of one that uses it.

This module owns the change of names that inlining brings: what a used flow calls `args.url` is
the binding `check.args.url` of the plan, its node `ping` is `check.ping`.
"""

from __future__ import annotations

from rflow.compiler.expr import Expr, Get
from rflow.compiler.inline import Context
from rflow.compiler.rewrite import rewrite

_PREFIXED = ("secret", "node", "all", "ran", "value", "each")


def absolute(expr: Expr, context: Context) -> Expr:
    """The expression of a flow as it reads in this context. The depth is that of the text."""
    if not context.prefix:
        return expr
    prefix = context.prefix

    def renamed(get: Get) -> Expr:
        if get.root == "arg":
            return Get("value", (f"{prefix}args.{get.path[0]}", *get.path[1:]))
        if get.root in _PREFIXED:
            return Get(get.root, (f"{prefix}{get.path[0]}", *get.path[1:]))
        return get

    return rewrite(expr, renamed)
