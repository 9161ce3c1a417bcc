"""What a kind is given while it runs: the runner's implementation of `rflow.plugins.Context`.

A context belongs to one attempt and to its thread; `log`, `process`, `cancelled` and `intend` may
be called from others, too. It owns nothing: what it gives is the bench's and the attempt's. It
must never hand out more of the runner's environment than the small list in `runner.process`, nor
let a secret's value into an intent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rflow.compiler.types import parse_type, read_text, storable
from rflow.plugins.context import (
    Artifacts,
    Completed,
    Context,
    Deployed,
    Effect,
    NodeError,
    Parked,
)
from rflow.plugins.types import Json
from rflow.runner import process
from rflow.runner.artifacts import ArtifactStore
from rflow.runner.gate import Gate
from rflow.runner.guard import VARIABLE
from rflow.runner.logs import Log
from rflow.runner.problems import StateError
from rflow.runner.stop import Stop, Stopping

if TYPE_CHECKING:
    from rflow.runner.bench import Bench
    from rflow.runner.command import Command

Announce = Callable[[str, Json, Json], None]
"""Puts an intent (resource, before, after) on disk; raises NodeError if that is refused."""

type_of = lru_cache(maxsize=1024)(parse_type)
"""The type that a plan writes as text."""


class AttemptContext(Context):
    """See `rflow.plugins.Context`."""

    def __init__(
        self,
        bench: Bench,
        command: Command,
        log: Log,
        stop: Stop,
        announce: Announce,
        gate: Gate | None = None,
    ) -> None:
        self._bench = bench
        self._log = log
        self._stop = stop
        self._announce = announce
        self._gate = gate
        self._woke = frozenset(command.woke)
        self._variables: dict[str, str] = {}
        self._guard = ""
        self._scratch: Path | None = None
        self._left_running = False
        self._declared = bench.declared(command)
        plan = bench.plan
        self.run_id = command.run
        self.run_name = bench.run_name
        self.flow = plan.flow
        self.node = command.node
        self.attempt = command.attempt
        self.key = command.key
        self.stage = plan.stage.name if plan.stage is not None else None
        self.directory = bench.directory
        self.workspace = bench.workspace
        self.artifacts = KeptArtifacts(bench.artifacts)
        self.effects = tuple(Effect(*effect) for effect in command.effects)

    @property
    def scratch(self) -> Path:  # type: ignore[override]
        """The attempt's own folder; taken when it is first asked for."""
        if self._scratch is None:
            self._scratch = self._bench.scratch.take()
        return self._scratch

    def set_variables(self, variables: Mapping[str, str]) -> None:
        """The values to which references in the node's scripts expand."""
        self._variables = dict(variables)

    def log(self, line: str) -> None:
        self._log.line("log", line)

    def cancelled(self) -> bool:
        return self._stop.requested()

    def process(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | str | None = None,
        env: Mapping[str, str] | None = None,
        input: str | bytes | None = None,
        capture: bool = False,
        timeout_s: float | None = None,
    ) -> Completed:
        given = dict(self.environment() if env is None else env)
        given[VARIABLE] = self._guarded()
        stream: Literal["out", "err"] = "err" if capture else "out"
        try:
            return process.run_program(
                argv,
                cwd=self.directory if cwd is None else cwd,
                env=given,
                stop=self._stop,
                output=self._log.write,
                note=self._note,
                input=input.encode() if isinstance(input, str) else input,
                capture=capture,
                timeout_s=timeout_s,
                grace_s=self._bench.grace_s,
                gate=self._gate,
                meanwhile=self._bench.scratch.tidy,
            )
        except BaseException:
            self._left_running = True
            raise
        finally:
            self._log.end(stream)

    def _note(self, text: str) -> None:
        self._left_running = True  # the only thing that there is to say of a program
        self._log.line("note", text)

    def environment(self) -> dict[str, str]:
        found = dict(self._bench.environment)
        found.update(
            RFLOW_RUN=self.run_id,
            RFLOW_RUN_NAME=self.run_name,
            RFLOW_FLOW=self.flow,
            RFLOW_STAGE=self.stage or "",
            RFLOW_NODE=self.node,
            RFLOW_ATTEMPT=str(self.attempt),
            RFLOW_KEY=self.key,
            RFLOW_WORKSPACE=str(self.workspace),
            RFLOW_SCRATCH=str(self.scratch),
        )
        found.update(self._variables)
        found[VARIABLE] = self._guarded()
        return found

    def _guarded(self) -> str:
        if not self._guard:
            self._guard = self._bench.guard.enter(self._bench.mark)
        return self._guard

    def leave(self) -> None:
        """The attempt has ended, or is parked: what it left running lives on, its scratch folder
        does not, since a kind may have written a secret there."""
        if self._guard:
            self._bench.guard.leave(self._guard)
        if self._scratch is not None:
            self._bench.scratch.leave(self._scratch, not self._left_running)

    def read_output(self, name: str, text: str) -> Json:
        wanted = self._declared.get(name)
        if wanted is None:
            known = ", ".join(sorted(self._declared)) or "none"
            raise NodeError(
                f"there is no output `{name}`; the outputs declared are: {known}", retry=False
            )
        try:
            return read_text(text, type_of(wanted))
        except ValueError as error:
            raise NodeError(f"the output `{name}`: {error}", retry=False) from None

    def intend(self, resource: str, before: Json, after: Json) -> None:
        self._wait_for_gate()
        for what, value in (("resource", resource), ("value", before), ("value", after)):
            if not is_json(value):
                raise TypeError(f"the {what} of an effect is no JSON: {type(value).__name__}")
            if any(self._bench.scrubber.holds(text) for text in texts(value)):
                raise NodeError(f"the {what} of an effect holds a secret's value", retry=False)
        self._announce(resource, before, after)
        if self._stop.requested():
            raise Stopping

    def _wait_for_gate(self) -> None:
        if self._gate is not None:
            self._gate.wait(self._stop)
        elif self._stop.requested():
            raise Stopping

    async def wait_for(
        self, name: str, *, until: float | None = None, delay_s: float | None = None
    ) -> None:
        if (until is None) == (delay_s is None):
            raise TypeError("wait_for takes either `until` or `delay_s`")
        if name in self._woke:
            return
        due = until if until is not None else time.time() + (delay_s or 0.0)
        raise Parked(name, due)

    def start_run(self, flow: str, args: Mapping[str, Json], key: str) -> str:
        self._wait_for_gate()
        return self._bench.start_run(flow, dict(args), key)

    def run_status(self, run_id: str) -> str:
        return self._bench.run_status(run_id)

    def deployed(self, service: str) -> Deployed:
        return self._bench.deployed(service)


class KeptArtifacts(Artifacts):
    """The artifact store as kinds see it: its problems are NodeErrors."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def put_file(self, path: Path) -> str:
        try:
            return self._store.put_file(path)
        except OSError as error:
            raise NodeError(f"cannot read `{path}`: {error.strerror}") from error

    def put_bytes(self, data: bytes) -> str:
        return self._store.put_bytes(data)

    def path(self, digest: str) -> Path:
        try:
            return self._store.path(digest)
        except ValueError:
            raise NodeError("this is no digest of an artifact", retry=False) from None
        except StateError as error:
            raise NodeError(f"{error.message}; {error.help}", retry=False) from error


def texts(value: Json) -> list[str]:
    """All texts in a value, the keys of maps included."""
    found: list[str] = []
    left = [value]
    while left:
        match left.pop():
            case str() as text:
                found.append(text)
            case list() as items:
                left.extend(items)
            case dict() as entries:
                found.extend(entries)
                left.extend(entries.values())
            case _:
                pass
    return found


def is_json(value: object) -> bool:
    """Whether it is a value that the journal can hold."""
    match value:
        case None | bool() | int():
            return True
        case float():
            return value - value == 0  # neither infinite nor NaN
        case str():
            return storable(value)
        case list():
            return all(is_json(item) for item in value)
        case dict():
            return all(isinstance(k, str) and storable(k) and is_json(v) for k, v in value.items())
        case _:
            return False
