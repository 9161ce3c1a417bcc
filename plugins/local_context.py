"""A context for the tests of kinds: real folders, real processes, no runner.

Everything a kind does through it can be looked at afterwards: `lines` of the log, `announced`
effects, `waits`. Time does not pass: a durable wait is over as soon as the node is run again.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rflow.plugins.context import (
    Artifacts,
    Completed,
    Context,
    Deployed,
    Effect,
    NodeError,
    Parked,
)
from rflow.plugins.node import Node
from rflow.plugins.notation import parse_type
from rflow.plugins.types import Json, Scalar

_KEPT = ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR")


class LocalArtifacts(Artifacts):
    """A folder with files by digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put_file(self, path: Path) -> str:
        return self.put_bytes(path.read_bytes())

    def put_bytes(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        (self._folder / name).write_bytes(data)
        return f"sha256:{name}"

    def path(self, digest: str) -> Path:
        found = self._folder / digest.removeprefix("sha256:")
        if not found.is_file():
            raise NodeError(f"the artifact {digest} is not kept", retry=False)
        return found


class LocalContext(Context):
    """An attempt of a node of a run, with real folders under `root`.

    `declared` are the outputs that the node's body declares, name to type as text; `variables`
    are added to the environment of its programs, as the references of scripts are; `runs` gives,
    for each run that the node starts, its statuses one after the other; `before` is what is
    deployed on the stage before, by the service's name.
    """

    def __init__(
        self,
        root: Path,
        *,
        run: str = "run-1",
        node: str = "node",
        stage: str | None = "production",
        attempt: int = 1,
        declared: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        runs: Sequence[str] = ("success",),
        before: Mapping[str, Deployed] | None = None,
        effects: tuple[Effect, ...] = (),
        waited: frozenset[str] = frozenset(),
    ) -> None:
        self.root = root
        self.run_id = run
        self.run_name = run
        self.flow = "release"
        self.node = node
        self.attempt = attempt
        self.key = f"{run}/{node}/{attempt}"
        self.stage = stage
        self.directory = root / "flow"
        self.workspace = root / run / "workspace"
        self.scratch = root / run / "scratch" / f"{attempt}"
        self.artifacts = LocalArtifacts(root / "artifacts")
        self.effects = effects
        self.declared = dict(declared or {})
        self.variables = dict(variables or {})
        self.lines: list[str] = []
        self.announced: list[Effect] = []
        self.waits: list[tuple[str, float | None, float | None]] = []
        self.started: list[tuple[str, dict[str, Json], str]] = []
        self._runs = list(runs)
        self.before = dict(before or {})
        self._waited = waited
        self._ended = threading.Event()
        for folder in (self.directory, self.workspace, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)

    def cancel(self) -> None:
        """Ends the attempt, as a person who cancels the run does."""
        self._ended.set()

    def next(self, attempt: int | None = None) -> LocalContext:
        """The context of the next attempt, or of what follows this one: `undo` and `recover`,
        with the effects that were announced here."""
        return LocalContext(
            self.root,
            run=self.run_id,
            node=self.node,
            stage=self.stage,
            attempt=self.attempt + 1 if attempt is None else attempt,
            declared=self.declared,
            variables=self.variables,
            runs=self._runs,
            before=self.before,
            effects=tuple(self.announced) or self.effects,
        )

    def log(self, line: str) -> None:
        self.lines.append(line)

    def cancelled(self) -> bool:
        return self._ended.is_set()

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "RFLOW_RUN": self.run_id, "RFLOW_NODE": self.node, **self.variables}

    def read_output(self, name: str, text: str) -> Json:
        if name not in self.declared:
            known = ", ".join(sorted(self.declared)) or "none"
            raise NodeError(f"the node declares no output `{name}`; it declares {known}", False)
        declared = parse_type(self.declared[name])
        if declared == Scalar("string"):
            return text
        try:
            value: Json = json.loads(text)
        except ValueError:
            raise NodeError(f"the output `{name}` is no {self.declared[name]}", False) from None
        return value

    def intend(self, resource: str, before: Json, after: Json) -> None:
        self.announced.append(Effect(resource, before, after))

    async def wait_for(
        self, name: str, *, until: float | None = None, delay_s: float | None = None
    ) -> None:
        if name not in self._waited:
            self.waits.append((name, until, delay_s))
            self._waited |= {name}
            raise Parked(name, until if until is not None else delay_s or 0.0)

    def start_run(self, flow: str, args: Mapping[str, Json], key: str) -> str:
        for number, (_, _, known) in enumerate(self.started):
            if known == key:
                return f"run-{number + 2}"
        self.started.append((flow, dict(args), key))
        return f"run-{len(self.started) + 1}"

    def run_status(self, run_id: str) -> str:
        return self._runs.pop(0) if len(self._runs) > 1 else self._runs[0]

    def deployed(self, service: str) -> Deployed:
        if service not in self.before:
            raise NodeError(f"nothing is deployed of `{service}`", retry=False)
        return self.before[service]

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
        folder = cwd or self.directory
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=folder,
                env=dict(self.environment() if env is None else env),
                stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = str(error) if os.path.isdir(folder) else f"there is no folder `{folder}`"
            raise NodeError(f"cannot start `{argv[0]}`: {why}", retry=False) from None
        out: list[str] = []
        with child:
            readers = [
                threading.Thread(target=self._drain, args=(child.stdout, out if capture else None)),
                threading.Thread(target=self._drain, args=(child.stderr, None)),
            ]
            for reader in readers:
                reader.start()
            if child.stdin is not None:
                given = input.encode() if isinstance(input, str) else input or b""
                child.stdin.write(given)
                child.stdin.close()
            self._await(child, timeout_s)
            for reader in readers:
                reader.join()
        return Completed(child.returncode, "".join(out))

    def _await(self, child: subprocess.Popen[bytes], timeout_s: float | None) -> None:
        left = timeout_s
        while True:
            step = 0.1 if left is None else min(left, 0.1)
            try:
                child.wait(step)
                return
            except subprocess.TimeoutExpired:
                left = None if left is None else left - step
                if self.cancelled() or (left is not None and left <= 0):
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
                    if left is not None and left <= 0:
                        raise NodeError(f"it did not end within {timeout_s} s") from None

    def _drain(self, stream: IO[bytes] | None, kept: list[str] | None) -> None:
        for raw in stream or ():
            line = raw.decode("utf-8", "replace")
            if kept is None:
                self.log(line.removesuffix("\n"))
            else:
                kept.append(line)


def perform(call: Callable[..., Any], *args: Any) -> Any:
    """What a plain or `async` method of a kind gives."""
    found = call(*args)
    return asyncio.run(found) if inspect.iscoroutine(found) else found


def run_node(node: Node, ctx: LocalContext) -> Any:
    """Runs a node to its end, through its durable waits; the outputs."""
    for _ in range(10_000):
        try:
            return perform(node.run, ctx)
        except Parked:
            continue
    raise AssertionError("it waits for ever")
