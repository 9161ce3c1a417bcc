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
import re
import traceback
import types
from typing import Any

from rflow.compiler.plan import Json
from rflow.compiler.types import storable
from rflow.plugins import derive
from rflow.plugins.context import NodeError, Parked
from rflow.plugins.node import PluginError
from rflow.runner.bench import Bench
from rflow.runner.command import Command, Failed, NotDone, Outcome, ParkedAt, Stopped, Succeeded
from rflow.runner.context import Announce, AttemptContext
from rflow.runner.events import Reason
from rflow.runner.gate import Gate
from rflow.runner.inputs import done_of, inputs_of, variables_of
from rflow.runner.logs import Log
from rflow.runner.problems import StateError
from rflow.runner.results import WrongOutputs, succeeded
from rflow.runner.state_dir import file_name
from rflow.runner.stop import Stop, Stopping

MESSAGE_MAX = 4000
_FAULTS = (PluginError, WrongOutputs)


def run_attempt(
    bench: Bench, command: Command, stop: Stop, announce: Announce, gate: Gate | None = None
) -> Outcome:
    """Carry a command out; the outcome. Never raises but for bugs of the runner's own. Nothing
    is done that can be seen before `gate` is open."""
    path = f"{bench.folder}/logs/{file_name(command.node)}.{command.attempt}.log"
    log = Log(path, bench.scrubber)
    context: AttemptContext | None = None
    try:
        context = AttemptContext(bench, command, log, stop, announce, gate)
        return _carry_out(bench, command, context, stop)
    except BaseException as raised:
        return _told(bench, command, log, stop, raised)
    finally:
        if context is not None:
            context.leave()
        log.close()
        stop.close()
        if gate is not None:
            gate.close()


def _carry_out(bench: Bench, command: Command, context: AttemptContext, stop: Stop) -> Outcome:
    if stop.requested():
        raise Stopping
    try:
        kind = bench.kinds(command.kind)
    except KeyError:
        raise NodeError(f"no plugin provides the kind `{command.kind}`", retry=False) from None
    context.set_variables(variables_of(bench, command))
    node = derive.build(kind, inputs_of(bench, command))
    match command.mode:
        case "run":
            result = node.run(context)
        case "recover":
            result = node.recover(context)
        case "restore":
            for resource, now, value in command.effects:
                context.intend(resource, now, value)
                result = node.restore(context, resource, value)
                if isinstance(result, types.CoroutineType):
                    result = _wait(result, stop)
            return Succeeded({}, {})
        case "undo":
            result = node.undo(context, derive.outputs_object(kind, done_of(bench, command)))
    if isinstance(result, types.CoroutineType):
        result = _wait(result, stop)
    if command.mode == "undo" or command.from_contract:
        return Succeeded({}, {})
    if command.mode == "recover" and result is None:
        return NotDone()
    return succeeded(bench, command, derive.outputs_json(result))


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
