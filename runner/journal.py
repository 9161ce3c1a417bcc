"""The journal: what happened, in order, and the one place where that is decided.

Theory of operation. A run is the list of its events and nothing else; whoever folds it gets the
same state. A writer says how long it believes the run to be (`expected`); if somebody else has
written since, the journal refuses it (`Stale`) and nothing is written. That one rule makes
crashes and several runners safe: a process that slept through its own replacement cannot act.

`transact` is a unit of work. In one transaction it appends events, drops the facts that are no
longer news, takes and frees locks, and updates the run's line in the list of runs. When it
returns, all of it is on disk; when it raises, none of it is. An outcome counts once for
(run, node, attempt), and the journal repeats that rule.

Facts are what another process asks of a run (approve, cancel, rename): they are posted at any
time by anyone, and become events when whoever drives the run takes them up.

This module owns the interface and its values; `sqlite` and `memory` implement it and are driven
by one agreement test. It must never know what an event means beyond what `summary_changes` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from msgspec import Struct
from rflow.plugins.types import Json
from rflow.runner.chain import Stored
from rflow.runner.events import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Event,
    Intended,
    Record,
    RetryRequested,
    RunEnded,
    RunRenamed,
    RunResumed,
    RunStarted,
    UndoRequested,
)
from rflow.runner.problems import StateError

FactKind = Literal["decide", "cancel", "retry", "answer", "rename", "pass"]


class Stale(Exception):
    """Somebody else has written to the run: it has `actual` events, not `expected`."""

    def __init__(self, run: str, expected: int, actual: int) -> None:
        super().__init__(f"run {run} has {actual} events, not {expected}")
        self.run = run
        self.expected = expected
        self.actual = actual


class LockBusy(Exception):
    """Another node holds the lock."""

    def __init__(self, lock: str, holder_run: str, holder_node: str) -> None:
        super().__init__(f"lock {lock!r} is held by {holder_node} of run {holder_run}")
        self.lock = lock
        self.holder_run = holder_run
        self.holder_node = holder_node


class TwiceDecided(Exception):
    """A second outcome for the same attempt of a node."""

    def __init__(self, run: str, node: str, attempt: int) -> None:
        super().__init__(f"attempt {attempt} of {node} in run {run} already has an outcome")
        self.run = run
        self.node = node
        self.attempt = attempt


class JournalError(StateError):
    """The journal cannot be used, and what to do about it."""


class RunSummary(Struct, frozen=True):
    """A run's line in the list of runs. `queue` is the key it queues under, "" for none;
    `policy` the concurrency of its flow; `length` the number of its events."""

    run: str
    flow: str
    stage: str | None
    kind: str
    name: str
    description: str
    status: str
    concluded: bool
    created_at: float
    started_at: float | None
    ended_at: float | None
    by: str
    plan: str
    length: int
    queue: str
    policy: str


class Fact(Struct, frozen=True):
    """What somebody asks of a run; `id` is its number in the journal."""

    id: int
    run: str
    kind: FactKind
    body: dict[str, Json]
    at: float


ChangeState = Literal["open", "done", "undone"]


class Change(Struct, frozen=True):
    """A line of the ledger of effects: what a node of a run changed, or was about to.

    `state` is `open` from the intent until the node has ended well (a change in doubt, if the
    run is over), then `done`; `open` again while an undo has begun and not ended well, `undone`
    once the run has taken it back. `seq` orders all changes
    of the state folder. `stage` is the run's.
    """

    seq: int
    stage: str | None
    resource: str
    run: str
    node: str
    before: Json
    after: Json
    state: ChangeState
    at: float


class Move(Struct, frozen=True):
    """What an event changes in the ledger; see `moves`."""

    kind: Literal["intended", "done", "undoing", "undone", "ended"]
    node: str = ""
    resource: str = ""
    before: Json = None
    after: Json = None
    anew: bool = False


class Lock(Struct, frozen=True):
    """A lock that is held: by which node of which run, since when."""

    name: str
    run: str
    node: str
    since: float


class Claim(Protocol):
    """The right to act for a run; it ends with `release` or with the process."""

    def release(self) -> None:
        """Give it up. Doing so twice does nothing."""

    def __enter__(self) -> Claim: ...

    def __exit__(self, *error: object) -> None: ...


class Journal(Protocol):
    """See the module's theory of operation. One thread uses one journal object."""

    def put_plan(self, digest: str, data: bytes) -> None:
        """Keep a plan under its digest; putting it again does nothing."""

    def plan(self, digest: str) -> bytes:
        """The plan with this digest; KeyError if there is none."""

    def create(self, summary: RunSummary, events: Sequence[Event], at: float) -> list[Record]:
        """A new run with its first events. Stale if the run exists. The summary's `length` is
        not read; its other columns are, before the events' changes to them."""

    def read(self, run: str, after: int = 0) -> list[Record]:
        """The run's events with numbers above `after`; none for an unknown run."""

    def transact(
        self,
        run: str,
        expected: int,
        events: Sequence[Event],
        at: float,
        *,
        status: str | None = None,
        facts: Sequence[int] = (),
        take: Sequence[tuple[str, str]] = (),
        free: Sequence[tuple[str, str]] = (),
    ) -> list[Record]:
        """One unit of work, all or nothing. `take` and `free` are (lock, node); freeing comes
        first, freeing a lock that the node does not hold does nothing, taking one that it holds
        already does nothing. Raises Stale, LockBusy, TwiceDecided, JournalError; KeyError for an
        unknown run."""

    def latest(self, run: str, kind: type[Event]) -> Event | None:
        """The run's last event of a kind, without reading the others."""

    def head(self, run: str) -> str:
        """The head of the run's last event, see `runner.chain`; "" for an unknown run."""

    def stored(self, run: str) -> list[Stored]:
        """The run's events as they are stored, to be verified; none for an unknown run."""

    def summary(self, run: str) -> RunSummary | None:
        """The run's summary, None for an unknown run."""

    def runs(
        self,
        *,
        flow: str | None = None,
        stage: str | None = None,
        status: str | None = None,
        concluded: bool | None = None,
        kind: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[RunSummary]:
        """Runs, the newest first; `before` is a run's id and means those created before it."""

    def find(self, text: str) -> list[RunSummary]:
        """Runs whose id begins with the text or whose name is the text, the newest first."""

    def active(self, key: str) -> list[RunSummary]:
        """The runs under this queue key that are not concluded, in order of creation."""

    def post(self, run: str, kind: FactKind, body: dict[str, Json], at: float) -> Fact:
        """Ask something of a run; KeyError for an unknown run."""

    def facts(self, run: str) -> list[Fact]:
        """What has been asked of the run and not been taken up, in order."""

    def asked(self) -> set[str]:
        """The runs of which something has been asked that was not taken up."""

    def stages(self) -> list[str]:
        """The stages that runs were created for, by name."""

    def changed_since(self, run: str, resource: str) -> str | None:
        """The run that announced a change of the resource after this run's last one, if there is
        one whose change was not undone."""

    def ledger(self, stage: str, after: int = 0, upto: int | None = None) -> list[Change]:
        """All changes by runs of a stage with a `seq` above `after`, up to and with `upto`, in
        order."""

    def last_changes(
        self, stage: str, upto: int | None = None, *, sure: bool = False
    ) -> list[Change]:
        """Of each resource the last change that was not undone, or its first one where all were,
        up to and with `upto`, in order: as many as there are resources. `sure`: none in doubt."""

    def ended_at_change(self, run: str) -> int | None:
        """The `seq` of the last change, of any run, when the run ended; None before that."""

    def put_note(self, kind: str, key: str, body: dict[str, Json]) -> None:
        """Keep something said of the state as a whole: a freeze, a quarantine."""

    def notes(self, kind: str) -> dict[str, dict[str, Json]]:
        """What was said, by key."""

    def delete_note(self, kind: str, key: str) -> bool:
        """Forget it; whether there was one."""

    def locks(self) -> list[Lock]:
        """The locks that are held, by name."""

    def admit(self) -> AbstractContextManager[None]:
        """One exclusive transaction around any of the calls above. An exception that leaves it
        undoes all of them; it cannot be nested."""

    def version(self) -> int:
        """A number that changes when another process, or another journal object of this one, has
        committed, or something was said through this one: a fact, a note. Cheap."""

    def claim(self, run: str) -> Claim | None:
        """The sole right to act for the run, or None if somebody has it. It ends with the process
        that has it, however that ends."""

    def claimed(self, run: str) -> int | None:
        """The process that acts for the run, None if nobody does."""

    def settings(self, flow: str) -> dict[str, Json]:
        """The saved overrides of a flow's arguments."""

    def set_setting(self, flow: str, name: str, value: Json) -> None:
        """Save an override of an argument."""

    def delete_setting(self, flow: str, name: str) -> bool:
        """Forget an override; whether there was one."""

    def close(self) -> None:
        """Close it; claims that were not released stay until they are, or the process ends."""


def moves(events: Iterable[Event]) -> Iterator[Move]:
    """What these events change in the ledger, in order."""
    for event in events:
        match event:
            case Intended():
                said = (event.resource, event.before, event.after, event.anew)
                yield Move("intended", event.node, *said)
            case AttemptStarted() if event.node.startswith("undo:"):
                yield Move("undoing", event.node.removeprefix("undo:"))
            case AttemptSucceeded() if event.node.startswith("undo:"):
                yield Move("undone", event.node.removeprefix("undo:"))
            case AttemptSucceeded():
                yield Move("done", event.node)
            case RunEnded():
                yield Move("ended")
            case _:
                pass


def outcome_of(event: Event) -> tuple[str, int] | tuple[None, None]:
    """(node, attempt) of an event that is an attempt's outcome."""
    if isinstance(event, AttemptSucceeded | AttemptFailed):
        return event.node, event.attempt
    return None, None


def outcomes(events: Iterable[Event]) -> Iterator[tuple[str, int]]:
    """(node, attempt) of the events that are an attempt's outcome."""
    for event in events:
        node, attempt = outcome_of(event)
        if node is not None and attempt is not None:
            yield node, attempt


def summary_changes(events: Iterable[Event], at: float, status: str | None) -> dict[str, Json]:
    """What these events change in the run's summary, but for its length: column → value.

    `started_at` counts only for a run that has none. An explicit `status` wins.
    """
    changes: dict[str, Json] = {}
    for event in events:
        match event:
            case RunStarted() | RunResumed():
                # One that was cancelled before it began, and is retried, begins by being resumed.
                changes.setdefault("started_at", at)
                changes["status"] = "running"
            case RunRenamed():
                changes["name"] = event.name
                changes["description"] = event.description
            case RetryRequested() | UndoRequested():
                changes["concluded"] = False
                changes["ended_at"] = None
                changes["status"] = "running"
            case RunEnded():
                changes["concluded"] = True
                changes["ended_at"] = at
                changes["status"] = event.status
            case _:
                pass
    if status is not None:
        changes["status"] = status
    return changes
