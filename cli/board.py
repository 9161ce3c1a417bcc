"""What somebody who watches a run knows of it: a row for each node, kept up by its records.

`Board.apply` costs the same however large the run is, since it is called for each record while
the run goes on. What it says is for showing only; the state that decides is the runner's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct, field
from rflow.plugins.types import Json
from rflow.runner import events as ev
from rflow.runner.events import Record

LIVE = ("running", "retrying", "waiting")
DONE = ("success", "failed", "skipped", "cancelled")
UNDO = "undo:"


class Row(Struct):
    """A node of the run. `waits` says what for, `note` why it ended as it did; of a gate,
    `needed` is how many must approve and `by` who may."""

    id: str
    kind: str = ""
    group: str | None = None
    section: str = "main"
    status: str = "pending"
    attempt: int = 0
    attempts_max: int = 1
    started_at: float | None = None
    ended_at: float | None = None
    needed: int = 1
    by: str = ""
    waits: str = ""
    answer: str = ""
    note: str = ""
    approvals: list[str] = field(default_factory=list)


class GroupRow(Struct, frozen=True):
    """A group of the run: an instance of a `sequence`, a `parallel` or a `use`."""

    id: str
    parent: str | None
    order: str = ""


class Board:
    """The rows of a run, in the order in which they are shown."""

    def __init__(
        self,
        run: str,
        flow: str,
        name: str,
        rows: Iterable[Row],
        groups: Iterable[GroupRow] = (),
        status: str = "pending",
    ) -> None:
        self.run = run
        self.flow = flow
        self.name = name
        self.status = status
        self.phase = "main"
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.held = ""
        self.warnings: tuple[str, ...] = ()
        self.outputs: dict[str, Json] = {}
        self.rows = {row.id: row for row in rows}
        self.groups = {group.id: group for group in groups}
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.live: dict[str, Row] = {}
        for row in self.rows.values():
            self.counts[row.status] += 1
            if row.status in LIVE:
                self.live[row.id] = row

    def row(self, id: str) -> Row:
        """The row of a node; that of an undo appears when it is first spoken of."""
        row = self.rows.get(id)
        if row is None:
            row = Row(id, section="undo" if id.startswith(UNDO) else "main")
            if (undone := self.rows.get(id.removeprefix(UNDO))) is not None:
                row.kind, row.group = undone.kind, None
            self.rows[id] = row
            self.counts[row.status] += 1
        return row

    def _set(self, id: str, status: str, at: float) -> Row:
        row = self.row(id)
        self.counts[row.status] -= 1
        row.status = status
        self.counts[status] += 1
        row.waits = row.answer = ""
        if status in LIVE:
            row.ended_at = None
            self.live[id] = row
        else:
            row.ended_at = at if status in DONE else None
            self.live.pop(id, None)
        return row

    def apply(self, record: Record) -> None:
        """Take in what a record says."""
        at, event = record.at, record.event
        match event:
            case ev.AttemptStarted():
                row = self._set(event.node, "running", at)
                row.attempt = event.attempt
                if row.started_at is None or row.attempt == 1:
                    row.started_at = at
            case ev.AttemptSucceeded():
                self._set(event.node, "success", at)
            case ev.AttemptFailed():
                self.row(event.node).note = str(event.error.get("message", ""))
            case ev.NodeFailed():
                self._set(event.node, "failed", at)
            case ev.NodeSkipped():
                self._set(event.node, "skipped", at)
            case ev.NodeCancelled():
                self._set(event.node, "cancelled", at)
            case _:
                self._apply_wait(event, at)

    def _apply_wait(self, event: ev.Event, at: float) -> None:
        from rflow.cli import narration, times

        match event:
            case ev.RetryScheduled():
                row = self._set(event.node, "retrying", at)
                row.waits = f"again at {times.clock(event.due)}"
            case ev.Parked():
                row = self._set(event.node, "waiting", at)
                row.waits = narration.until(f"waits for {event.wait}", event.due)
            case ev.Woke():
                self._set(event.node, "running", at)
            case ev.NodeHeld():
                row = self._set(event.node, "waiting", at)
                row.waits = narration.reason(event.reason)
            case ev.ApprovalAsked():
                row = self._set(event.node, "waiting", at)
                row.started_at = row.started_at or at
                row.approvals = []
                asked = f"waits for approval by {row.by}" if row.by else "waits for approval"
                row.waits = narration.until(asked, event.due)
                row.answer = f"rflow approve {self.run} {event.node} --as NAME"
            case ev.Decided():
                row = self.row(event.node)
                row.approvals.append(event.by)
                row.note = f"{event.decision}d by {event.by}".replace("rejectd", "rejected")
            case ev.PersonAsked():
                row = self._set(event.node, "waiting", at)
                row.waits = "was cut off by a crash; somebody must say what it did"
                row.answer = f"rflow resume {self.run} --redo|--done|--fail {event.node}"
            case ev.PersonAnswered():
                self._set(event.node, "running", at)
            case _:
                self._apply_run(event, at)

    def _apply_run(self, event: ev.Event, at: float) -> None:
        from rflow.cli import narration

        match event:
            case ev.RunHeld():
                self.held = narration.reason(event.reason)
            case ev.RunStarted() | ev.RunResumed():
                self.status, self.held = "running", ""
                self.started_at = self.started_at or at
            case ev.RunRenamed():
                self.name = event.name
            case ev.PhaseStarted():
                self.phase = event.phase
            case ev.RetryRequested():
                self.status, self.ended_at, self.phase = "running", None, "main"
            case ev.UndoRequested():
                self.status, self.ended_at, self.phase = "running", None, "undo"
            case ev.RunEnded():
                self.status, self.ended_at = event.status, at
                self.warnings, self.outputs = event.warnings, event.outputs
            case _:
                pass

    def count(self, *statuses: str) -> int:
        """How many nodes have one of these statuses."""
        return sum(self.counts.get(status, 0) for status in statuses)

    def failed(self) -> list[Row]:
        """The nodes that failed."""
        return [row for row in self.rows.values() if row.status == "failed"]
