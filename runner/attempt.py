"""One attempt: a command goes in, an outcome comes out, whatever the kind does in between.

Theory of operation. `run_attempt` is called in a thread that is the attempt's for as long as it
goes on. It works out the inputs that read secrets, builds the author's object, calls `run`, `undo`
or `recover`, and makes an outcome of what that returns or raises. What a kind raises on purpose is
a failure told to people as it is; anything else is a bug of its plugin, reported with the plugin's
name, its traceback in the log alone.

No secret's value leaves here: outputs that hold one are refused unless they are declared secret
(then they are sealed), messages are masked. This module must never write to the journal: intents
are handed to the driving thread.
"""

from __future__ import annotations

import contextlib
import json
import re
import traceback
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from rflow.compiler.expr import Root
from rflow.compiler.plan import Expr, Json, Node, Plan
from rflow.compiler.types import check_value, storable
from rflow.plugins import derive
from rflow.plugins import node as author
from rflow.plugins.context import NodeError, Parked
from rflow.runner.artifacts import ArtifactStore, grow, shrink
from rflow.runner.command import Command, Failed, NotDone, Outcome, ParkedAt, Stopped, Succeeded
from rflow.runner.context import Announce, AttemptContext, is_json, texts, type_of
from rflow.runner.events import Reason
from rflow.runner.guard import Guard
from rflow.runner.guard_process import GRACE_S
from rflow.runner.logs import Line, Log
from rflow.runner.problems import StateError
from rflow.runner.process import Stop, Stopping
from rflow.runner.scrub import Scrubber
from rflow.runner.secrets import Key, open_output, seal_output
from rflow.runner.state_dir import StateDir

MESSAGE_MAX = 4000
SEALED_MAX = 32 * 1024


StartRun = Callable[[str, dict[str, Json], str], str]
"""Starts a run of a flow with arguments and an idempotency key, in any thread; the run's id."""


def _no_runs(*_: object) -> str:
    raise NodeError("runs cannot be started from here", retry=False)


@dataclass
class Bench:
    """What all attempts of one run work with.

    `kinds` is `Host.node`. `reveal` gives the value of a secret that a command's late inputs read,
    by root and path. `environment` is `process.base_environment`. `mark` is the guard's for this
    start of the run. `tell` is told of new log lines, in the attempts' threads.
    """

    run: str
    run_name: str
    plan: Plan
    directory: Path
    state: StateDir
    kinds: Callable[[str], type[author.Node]]
    filters: Mapping[str, Callable[..., Json]]
    reveal: Callable[[Command, Root, tuple[str | int, ...]], Json]
    environment: Mapping[str, str]
    guard: Guard
    mark: str
    scrubber: Scrubber = field(default_factory=Scrubber)
    start_run: StartRun = _no_runs
    run_status: Callable[[str], str] = _no_runs
    tell: Callable[[str, int, list[Line]], None] | None = None
    grace_s: float = GRACE_S

    @cached_property
    def key(self) -> Key:
        """The key of the state folder."""
        return Key(self.state.key)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The artifact store of the state folder."""
        return ArtifactStore(self.state.artifacts)

    @cached_property
    def workspace(self) -> Path:
        """The run's workspace; made when it is first asked for."""
        self.state.make_run(self.run)
        return self.state.workspace(self.run)

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes of the plan by id."""
        return {node.id: node for node in self.plan.nodes}

    def declared(self, command: Command) -> dict[str, str]:
        """The types of the outputs that the attempt is to give."""
        if command.mode == "undo" or command.from_contract:
            return {}
        return self.nodes[command.plan_node].outputs or {}


def run_attempt(bench: Bench, command: Command, stop: Stop, announce: Announce) -> Outcome:
    """Carry a command out; the outcome. Never raises but for bugs of the runner's own."""
    tell = bench.tell
    log = Log(
        bench.state.log(command.run, command.node, command.attempt),
        bench.scrubber,
        tell=None if tell is None else lambda new: tell(command.node, command.attempt, new),
    )
    context: AttemptContext | None = None
    try:
        context = AttemptContext(bench, command, log, stop, announce)
        return _carry_out(bench, command, context, stop)
    except BaseException as raised:
        return _told(bench, command, log, stop, raised)
    finally:
        if context is not None:
            context.leave()
        log.close()
        stop.close()


def _carry_out(bench: Bench, command: Command, context: AttemptContext, stop: Stop) -> Outcome:
    if stop.requested():
        raise Stopping
    try:
        kind = bench.kinds(command.kind)
    except KeyError:
        raise NodeError(f"no plugin provides the kind `{command.kind}`", retry=False) from None
    context.set_variables(_variables(bench, command))
    node = derive.build(kind, _inputs(bench, command))
    match command.mode:
        case "run":
            result = node.run(context)
        case "recover":
            result = node.recover(context)
        case "undo":
            result = node.undo(context, derive.outputs_object(kind, _done(bench, command)))
    if isinstance(result, types.CoroutineType):
        result = _wait(result, stop)
    if command.mode == "undo" or command.from_contract:
        return Succeeded({}, {})
    if command.mode == "recover" and result is None:
        return NotDone()
    return _outputs(bench, command, derive.outputs_json(result))


# -- what goes in ------------------------------------------------------------------------------


def _inputs(bench: Bench, command: Command) -> dict[str, Json]:
    inputs = {name: grow(value, bench.artifacts) for name, value in command.inputs.items()}
    if command.late:
        node = bench.nodes[command.plan_node]
        exprs: Mapping[str, Expr] = (
            dict(node.contract.inputs) if command.from_contract else node.inputs or {}
        )
        for name in command.late:
            inputs[name] = _late(bench, command, exprs[name])
    return inputs


def _variables(bench: Bench, command: Command) -> dict[str, str]:
    values = {name: grow(value, bench.artifacts) for name, value in command.program.items()}
    if command.late_program:
        programs = bench.nodes[command.plan_node].program or {}
        exprs = {name: expr for variables in programs.values() for name, expr in variables}
        for name in command.late_program:
            values[name] = _late(bench, command, exprs[name])
    return {name: _text(value) for name, value in values.items()}


def _late(bench: Bench, command: Command, expr: Expr) -> Json:
    """Work out what reads a secret: here, where the secrets are, and nowhere else."""
    from rflow.compiler.expr import EvalError, evaluate
    from rflow.runner.scope import LateScope

    values: dict[tuple[Root, tuple[str | int, ...]], Json] = {
        (cast(Root, root), path): grow(value, bench.artifacts)
        for root, path, value in command.values
    }
    scope = LateScope(
        bench.plan,
        bench.filters,
        values,
        lambda root, path: bench.reveal(command, root, path),
    )
    try:
        return evaluate(expr, scope, bench.filters)
    except EvalError as error:
        raise NodeError(str(error), retry=False) from error


def _text(value: Json) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def _done(bench: Bench, command: Command) -> dict[str, Json] | None:
    if command.done is None:
        return None
    done = {name: grow(value, bench.artifacts) for name, value in command.done.items()}
    undone = command.node.removeprefix("undo:")
    for name, sealed in (command.sealed_done or {}).items():
        done[name] = open_output(bench.key, command.run, undone, name, sealed)
    return done


# -- doing it ----------------------------------------------------------------------------------


def _wait(coroutine: types.CoroutineType[Any, Any, Any], stop: Stop) -> Any:
    """Run an async kind to its end in this thread, cancelled when the attempt is stopped."""
    import asyncio

    async def main() -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
                loop.call_soon_threadsafe(task.cancel)

        stop.call(cancel)
        return await coroutine

    return asyncio.run(main())


# -- what comes out ----------------------------------------------------------------------------


class _Wrong(Exception):
    """What a kind returned is not what it declares; the message is for people."""


_FAULTS = (author.PluginError, _Wrong)


def _outputs(bench: Bench, command: Command, outputs: dict[str, Any]) -> Outcome:
    node = bench.nodes[command.plan_node]
    declared = bench.declared(command)
    clean = {name: _plain(value) for name, value in outputs.items()}
    if unknown := sorted(set(clean) - set(declared)):
        raise _Wrong(f"it put out `{unknown[0]}`, which is not among its outputs")
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
    return Succeeded({name: shrink(v, bench.artifacts) for name, v in clean.items()}, sealed)


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


def _told(bench: Bench, command: Command, log: Log, stop: Stop, raised: BaseException) -> Outcome:
    """The outcome that an exception amounts to."""
    if isinstance(raised, Parked):
        values: dict[str, Json] = {"for": raised.name, "until": raised.due}
        return ParkedAt(raised.name, raised.due, Reason("wait", values))
    if isinstance(raised, KeyboardInterrupt):
        stop.request("cancelled")
    if stop.why == "timeout":
        return Failed(f"it took longer than {command.timeout_s:g} s and was ended", code="timeout")
    if stop.why is not None:
        return Stopped()
    if isinstance(raised, NodeError):
        return Failed(_said(bench, raised.message), raised.retry)
    if isinstance(raised, StateError):
        return Failed(_said(bench, f"{raised.message}; {raised.help}"), code=raised.code)
    log.line("note", "".join(traceback.format_exception(raised)))
    plugin = bench.plan.kinds.get(command.kind, "")
    named = f"the plugin `{plugin}`" if plugin else f"the kind `{command.kind}`"
    if isinstance(raised, _FAULTS):
        return Failed(_said(bench, f"{named} is at fault: {raised}"), False, "plugin")
    said = f"{type(raised).__name__}: {raised}" if str(raised) else type(raised).__name__
    return Failed(_said(bench, f"{named} failed: {said}"), code="plugin")


def _said(bench: Bench, message: str) -> str:
    """A message as it may be kept and shown: masked, and without what no text can hold."""
    text = bench.scrubber.mask_text(message)
    if not storable(text):
        text = re.sub("[\x00\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= MESSAGE_MAX else f"{text[:MESSAGE_MAX]}…"
