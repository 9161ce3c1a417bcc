"""One step of a run: what is gathered before it is put on disk as one.

A step takes news (outcomes, facts, times that have come), applies the events that follow to the
state at once, and collects what is to happen when those events are on disk: commands to carry
out, attempts to stop, intents to answer. It does none of that itself; `drive` commits the step
first. A step that cannot be committed is thrown away, together with its state.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field
from rflow.plugins.types import Json
from rflow.runner.command import Command, Reply
from rflow.runner.events import Event, Reason, Record
from rflow.runner.journal import Lock
from rflow.runner.scope import Filters
from rflow.runner.state import RunState


class Step(Struct):
    """See the module. `held_locks` are all locks as the step found them, by name; `windows` says
    when the stage opens next, None if it is open."""

    state: RunState
    filters: Filters
    now: float
    held_locks: dict[str, Lock]
    changed_since: Callable[[str], str | None] = lambda resource: None
    """Which run has changed a resource since this run did."""
    freeze: Callable[[], dict[str, Json] | None] = lambda: None
    """The freeze of the run's stage: `until`, `reason`, `by`."""
    quarantined: Callable[[Json], str | None] = lambda value: None
    """Why a value may not be brought to the run's stage, None if it may."""
    events: list[Record] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    replies: list[tuple[Reply, str | None]] = field(default_factory=list)
    facts: list[int] = field(default_factory=list)
    take: list[tuple[str, str]] = field(default_factory=list)
    free: list[tuple[str, str]] = field(default_factory=list)
    timers: list[tuple[float, str]] = field(default_factory=list)
    stopping: dict[str, Reason] = field(default_factory=dict)
    """Nodes whose attempts were asked to end, and why; kept from step to step."""
    again: dict[str, Reason] = field(default_factory=dict)
    """Nodes whose next attempt is due and which wait for room; kept from step to step."""

    def emit(self, event: Event) -> None:
        """Let this be so: apply it now, write it when the step is committed."""
        record = Record(self.state.length + 1, self.now, event)
        self.state.apply(record)
        self.events.append(record)

    def holder(self, lock: str) -> Lock | None:
        """Who holds a lock, other than this step's own takings and givings."""
        return self.held_locks.get(lock)

    def take_lock(self, lock: str, node: str) -> None:
        """Have the lock with this step's commit."""
        self.take.append((lock, node))
        self.held_locks[lock] = Lock(lock, self.state.created.run, node, self.now)

    def free_locks(self, node: str) -> None:
        """Give up what the node holds."""
        run = self.state.created.run
        for name, lock in [*self.held_locks.items()]:
            if lock.run == run and lock.node == node:
                del self.held_locks[name]
                self.free.append((name, node))
