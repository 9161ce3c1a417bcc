"""What comes out of an attempt that ended well: its outputs, checked, secret ones sealed.

An output that is not what its declaration says, or that holds a secret's value without being
declared secret, makes the attempt fail. Nothing of it is put anywhere before it is checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rflow.compiler.types import check_value
from rflow.plugins.context import NodeError
from rflow.runner.bench import Bench
from rflow.runner.command import Command, Succeeded
from rflow.runner.context import is_json, texts, type_of
from rflow.runner.secrets import seal_output

SEALED_MAX = 32 * 1024
"""A secret output is kept in the journal, sealed; this is as long as it may be there."""


class WrongOutputs(Exception):
    """What a kind returned is not what it declares; the message is for people."""


def succeeded(bench: Bench, command: Command, outputs: dict[str, Any]) -> Succeeded:
    node = bench.nodes[command.plan_node]
    declared = bench.declared(command)
    if not outputs and not declared:
        return Succeeded({}, {})
    clean = {name: _plain(value) for name, value in outputs.items()}
    if unknown := sorted(set(clean) - set(declared)):
        raise WrongOutputs(f"it put out `{unknown[0]}`, which is not among its outputs")
    for name, wanted in declared.items():
        wrong = check_value(clean.get(name), type_of(wanted))
        if wrong is not None:
            raise NodeError(f"the output `{name}`: {wrong}", retry=False)
        if not is_json(clean.get(name)):
            raise NodeError(f"the output `{name}` holds what no text can (NUL)", retry=False)
    secret = {name: clean.pop(name) for name in node.secret_outputs if name in clean}
    for name, value in clean.items():
        if any(bench.scrubber.holds(text) for text in texts(value)):
            raise NodeError(
                f"the output `{name}` holds a secret's value; an output that may must be "
                "declared `secret`",
                retry=False,
            )
    for value in secret.values():
        bench.scrubber.add(*texts(value))
    sealed = {
        name: seal_output(bench.key, command.run, command.node, name, value)
        for name, value in secret.items()
    }
    for name, text in sealed.items():
        if len(text) > SEALED_MAX:
            raise NodeError(f"the secret output `{name}` is longer than 32 KiB", retry=False)
    return Succeeded(clean, sealed)


def _plain(value: Any) -> Any:
    """Tuples as lists and paths as text; what is no JSON either stays, to be found out."""
    match value:
        case tuple() | list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case Path():
            return str(value)
        case _:
            return value
