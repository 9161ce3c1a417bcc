"""What goes into an attempt: its inputs and its scripts' variables, secrets and all.

A command carries what was worked out without secrets. What reads one is worked out here, in the
attempt's thread, and nowhere else. Text that is made from a secret by filters (`$<secrets.x |
upper>`) is a secret too: it is masked from now on. This module must never let such a value into an
error's text.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from rflow.compiler.expr import (
    Apply,
    Choose,
    EvalError,
    Expr,
    Format,
    Get,
    ListOf,
    Literal,
    MapOf,
    Pipe,
    Root,
    scalar_text,
)
from rflow.compiler.plan import Json
from rflow.plugins.context import NodeError
from rflow.runner.bench import Bench
from rflow.runner.command import Command
from rflow.runner.context import texts
from rflow.runner.scope import LateScope
from rflow.runner.secrets import open_output


def inputs_of(bench: Bench, command: Command) -> dict[str, Json]:
    """The inputs of the node, or of what its contract says."""
    inputs = dict(command.inputs)
    if command.late:
        node = bench.nodes[command.plan_node]
        exprs: Mapping[str, Expr] = (
            dict(node.contract.inputs) if command.from_contract else node.inputs or {}
        )
        for name in command.late:
            inputs[name] = _late(bench, command, exprs[name])
    return inputs


def variables_of(bench: Bench, command: Command) -> dict[str, str]:
    """The variables to which the references in its scripts expand."""
    values = dict(command.program)
    if command.late_program:
        node = bench.nodes[command.plan_node]
        exprs: dict[str, Expr] = {}
        if command.from_contract:
            exprs.update(node.contract.program)
        else:
            for variables in (node.program or {}).values():
                exprs.update(variables)
        for name in command.late_program:
            values[name] = _late(bench, command, exprs[name])
    return {name: _text(value) for name, value in values.items()}


def done_of(bench: Bench, command: Command) -> dict[str, Json] | None:
    """The outputs of the node that is undone, secret ones opened."""
    if command.done is None:
        return None
    undone = command.node.removeprefix("undo:")
    sealed = command.sealed_done or {}
    opened = {
        name: open_output(bench.key, command.run, undone, name, text)
        for name, text in sealed.items()
    }
    return {**command.done, **opened}


def _text(value: Json) -> str:
    return "" if value is None else scalar_text(value)


def _late(bench: Bench, command: Command, expr: Expr) -> Json:
    scope = _Revealing(bench, command)
    _mask_made(bench, scope, expr)
    try:
        return scope.value(expr)
    except EvalError as error:
        raise NodeError(error.message, retry=False) from error


class _Revealing(LateScope):
    """A scope that notes whether a secret was read."""

    def __init__(self, bench: Bench, command: Command) -> None:
        self.read = False
        self._bench, self._command = bench, command
        values: dict[tuple[Root, tuple[str | int, ...]], Json] = {
            (root, path): value  # type: ignore[misc]
            for root, path, value in command.values
        }
        super().__init__(bench.plan, bench.filters, values, self._reveal)

    def _reveal(self, root: Root, path: tuple[str | int, ...]) -> Json:
        self.read = True
        return self._bench.reveal(self._command, root, path)


def _mask_made(bench: Bench, scope: _Revealing, expr: Expr) -> None:
    """Mask from now on what filters make of secrets within the expression."""
    match expr:
        case Pipe():
            scope.read = False
            with contextlib.suppress(EvalError):
                value = scope.value(expr)
                if scope.read:
                    bench.scrubber.add(*texts(value))
        case Get("value", path):
            _mask_made(bench, scope, bench.plan.values[str(path[0])])
        case Format(parts) | ListOf(parts) | Apply(_, parts):
            for part in parts:
                _mask_made(bench, scope, part)
        case MapOf(entries):
            for _, part in entries:
                _mask_made(bench, scope, part)
        case Choose(_, then, otherwise):
            _mask_made(bench, scope, then)
            _mask_made(bench, scope, otherwise)
        case Get() | Literal():
            pass
