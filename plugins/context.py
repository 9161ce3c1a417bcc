"""What a node is given while it runs: the border between kinds and the runner.

The runner implements `Context`; the conformance kit has one for tests. A kind reaches the run
through it alone: it never opens the runner's state and never reads the runner's environment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from rflow.plugins.types import Json


class NodeError(Exception):
    """An expected failure, told to people as it is. With `retry=False` trying again is useless."""

    def __init__(self, message: str, retry: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.retry = retry


class Parked(BaseException):
    """Raised by `Context.wait_for`: the node waits without a worker. Kinds never catch it."""

    def __init__(self, name: str, due: float) -> None:
        super().__init__(name)
        self.name = name
        self.due = due


class Completed(Struct, frozen=True):
    """A process that ended. `returncode` is negative if a signal ended it. `stdout` is empty
    unless it was captured."""

    returncode: int
    stdout: str = ""


class Effect(Struct, frozen=True):
    """A change to the world that an attempt announced: `resource` from `before` to `after`.

    None is a resource that is absent.
    """

    resource: str
    before: Json
    after: Json


class Deployed(Struct, frozen=True):
    """What is deployed of a service on another stage: `resource` (`web@staging`) has `value`, None
    if it is absent, since `since` (seconds since 1970).

    `run` gave it that value, "" if it is from before all that is known; `status` is that run's,
    `version` what it released, "" if it did not say. `doubt`: the change was cut off or still goes
    on, so that the value is not certain.
    """

    resource: str
    value: Json
    run: str
    status: str
    version: str
    since: float
    doubt: bool


class Artifacts(ABC):
    """The run's store of files, each known by its digest `sha256:…`."""

    @abstractmethod
    def put_file(self, path: Path) -> str:
        """Keeps a copy of the file; its digest."""

    @abstractmethod
    def put_bytes(self, data: bytes) -> str:
        """Keeps these bytes; their digest."""

    @abstractmethod
    def path(self, digest: str) -> Path:
        """A file with the artifact's bytes, to be read only; NodeError if it is not kept."""


class Context(ABC):
    """One attempt of one node.

    `key` is the idempotency key: the same when an attempt that was cut off is started again.
    `directory` is the folder of the flow's file, to which relative paths in inputs refer;
    `workspace` is shared by the nodes of the run, `scratch` is this attempt's own, both absolute.
    `stage` is `production`, None for a flow without a stage. `effects` holds what the node has
    announced in this run so far: for each resource the value before its first attempt, and the
    one announced last.
    """

    run_id: str
    run_name: str
    flow: str
    node: str
    attempt: int
    key: str
    stage: str | None
    directory: Path
    workspace: Path
    scratch: Path
    artifacts: Artifacts
    effects: tuple[Effect, ...] = ()

    @abstractmethod
    def log(self, line: str) -> None:
        """Adds a line to the run's log at once. Secrets are masked."""

    @abstractmethod
    def cancelled(self) -> bool:
        """Whether the attempt is to end: it was cancelled, or its time is over."""

    @abstractmethod
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
        """Runs a program in a process group of its own, which ends as a whole.

        Blocks; an `async` kind calls it by `asyncio.to_thread`. `env` is the whole environment,
        `environment()` if None; `cwd` is `directory` if None. Output goes to the log as it comes;
        with `capture` stdout is returned instead. NodeError if the program cannot be started or
        `timeout_s` is over.
        """

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The small environment of a node's programs: PATH, HOME and the like, `RFLOW_*`, and
        the values to which references in the node's own scripts expand."""

    @abstractmethod
    def read_output(self, name: str, text: str) -> Json:
        """The value that a text means for an output that the node's body declares; NodeError
        names the outputs there are, or what its type accepts."""

    @abstractmethod
    def intend(self, resource: str, before: Json, after: Json) -> None:
        """Announces a change. It is in the journal, on disk, when this returns: act then."""

    @abstractmethod
    async def wait_for(
        self, name: str, *, until: float | None = None, delay_s: float | None = None
    ) -> None:
        """Waits until a time (seconds since 1970) or for a delay, without holding a worker.

        The first call of a name parks the node by raising `Parked`; when it is due, `run` is
        called again from its top, and the same call returns at once.
        """

    @abstractmethod
    def start_run(self, flow: str, args: Mapping[str, Json], key: str) -> str:
        """Starts a run of a flow; its id. The same `key` gives the same run again."""

    @abstractmethod
    def run_status(self, run_id: str) -> str:
        """Its status: `pending`, `running`, `waiting`, `success`, `failed` or `cancelled`."""

    @abstractmethod
    def deployed(self, service: str) -> Deployed:
        """What is deployed of a service on the stage before this run's in the pipeline; NodeError
        if there is no such stage, or nothing of that name was ever deployed there."""
