"""What an output of a `use` is made from."""

from __future__ import annotations

from rflow.compiler.expr import Get
from rflow.compiler.scope import Member


def node_behind(member: Member, output: str) -> tuple[str | int, ...] | None:
    """The path to the node's output that an output of a `use` is, None if it is computed."""
    prefix = ""
    rest: tuple[str | int, ...] = ()
    at: Member | None = member
    while at is not None and at.used is not None:
        prefix = f"{prefix}{at.name}."
        expr = at.used.outputs[output].expr
        if not isinstance(expr, Get):
            return None
        rest = (*expr.path[1:], *rest)
        if expr.root == "node":
            return (f"{prefix}{expr.path[0]}", *rest)
        name, _, output = str(expr.path[0]).partition(".")
        at = at.used.members.get(name) if expr.root == "value" else None
        if at is not None and at.kind != "use":
            return None
    return None
