"""The reading half of the journal in SQLite, and its opening.

Every call is one statement, or two in an order in which what others write in between does no harm;
none holds a transaction open. What was written by a newer rflow, or is not as it was written, is
told and never guessed at.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from msgspec import structs
from rflow.plugins.types import Json
from rflow.runner import sqlite_file, sqlite_record
from rflow.runner.artifacts import VALUE_MARK, ArtifactStore, grow
from rflow.runner.artifacts_shared import artifact_store
from rflow.runner.chain import Stored
from rflow.runner.claims import FileClaim, claim, claimed
from rflow.runner.events import (
    EVENT_VERSION,
    AttemptSucceeded,
    Event,
    Record,
    decode,
    decode_all,
)
from rflow.runner.journal import Change, Fact, JournalError, Lock, RunSummary
from rflow.runner.pause import no_garbage
from rflow.runner.problems import CORRUPT, NEWER
from rflow.runner.sqlite_file import BUSY_TIMEOUT_S, Guarded
from rflow.runner.state_dir import StateDir

COLUMNS = tuple(RunSummary.__struct_fields__)
_CONCLUDED = COLUMNS.index("concluded")
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM runs "  # noqa: S608 - constant text
ALL = 2**62
"""No change has a higher `seq`."""
TOGETHER = 64
"""So many events are decoded at once."""

_LEDGER = (
    "SELECT seq, stage, resource, run, node, before, after, state, at FROM changes "
    "WHERE stage = ? AND seq > ? AND seq <= ? ORDER BY seq"
)
_LATEST = (
    "SELECT number, kind, version, body FROM events WHERE run = ? AND kind = ? "
    "ORDER BY number DESC LIMIT 1"
)
_LAST_CHANGES = (
    "SELECT seq, stage, resource, run, node, before, after, state, at FROM changes WHERE seq IN ("
    "SELECT coalesce(max(CASE WHEN state <> 'undone' THEN seq END), min(seq)) FROM changes "
    "WHERE stage = ? AND seq <= ? AND state <> ? GROUP BY resource) ORDER BY seq"
)
_CHANGED = (
    "SELECT run FROM changes WHERE resource = ? AND run <> ? AND state <> 'undone' AND seq > "
    "(SELECT coalesce(max(seq), 0) FROM changes WHERE run = ? AND resource = ?) "
    "ORDER BY seq DESC LIMIT 1"
)


class SqliteReading:
    """What can be asked of the journal; see `runner.journal.Journal`."""

    def __init__(self, state: StateDir, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Open the journal of a state folder, making both where there is none."""
        self._state = state
        state.make()
        self._guarded = Guarded(state.database)
        self._db = sqlite_file.open_database(state.database, busy_timeout_s)
        self._said = 0
        self._artifacts = artifact_store(state)
        self._admitting = False
        self._last: tuple[str, int, str] | None = None
        """The run last written to through this, its length then, and its last event's head."""

    @property
    def path(self) -> Path:
        """The file."""
        return self._state.database

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._guarded:
            return self._db.execute(sql, values).fetchall()

    def plan(self, digest: str) -> bytes:
        for (data,) in self._all("SELECT data FROM plans WHERE digest = ?", (digest,)):
            return bytes(data)
        raise KeyError(digest)

    def read(self, run: str, after: int = 0) -> list[Record]:
        with no_garbage():
            return self._read(run, after)

    def latest(self, run: str, kind: type[Event]) -> Event | None:
        for number, name, version, body in self._all(_LATEST, (run, kind.__name__)):
            return self._event(run, number, name, version, body)
        return None

    def _read(self, run: str, after: int) -> list[Record]:
        # The length is read first: what others append in between makes only more events of it.
        length = self._all("SELECT length FROM runs WHERE run = ?", (run,))
        rows = self._all(
            "SELECT number, at, kind, version, body FROM events WHERE run = ? AND number > ? "
            "ORDER BY number",
            (run, after),
        )
        records: list[Record] = []
        for start in range(0, len(rows), TOGETHER):
            records += self._records(run, after + start, rows[start : start + TOGETHER])
        if length and after + len(rows) < length[0][0] > after:
            raise _corrupt(self.path, f"run {run} has no event {after + len(records) + 1}")
        return records

    def _records(self, run: str, before: int, rows: list[Any]) -> list[Record]:
        """The records of these rows, which must be those behind the first `before`."""
        numbers, ats, kinds, versions, bodies = zip(*rows, strict=True)
        for expected, number in enumerate(numbers, before + 1):
            if number != expected:
                raise _corrupt(self.path, f"run {run} has no event {expected}")
        events: Iterable[Event] | None = None
        if max(versions) <= EVENT_VERSION and not any(VALUE_MARK in body for body in bodies):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                events = decode_all(kinds, bodies)
        if events is None:
            events = map(self._event, repeat(run), numbers, kinds, versions, bodies)
        return [*map(Record, numbers, ats, events)]

    def _event(self, run: str, number: int, kind: str, version: int, body: str) -> Event:
        if version > EVENT_VERSION:
            raise _newer(self.path, f"event {number} of run {run}")
        try:
            event = decode(kind, body)
        except (ValueError, TypeError, KeyError) as error:
            raise _corrupt(self.path, f"event {number} of run {run}: {error}") from error
        if VALUE_MARK in body and isinstance(event, AttemptSucceeded):
            return each_output(event, grow, self._artifacts)
        return event

    def head(self, run: str) -> str:
        with self._guarded:
            return sqlite_record.last_head(self._db, run)

    def stored(self, run: str) -> list[Stored]:
        with self._guarded:
            return sqlite_record.stored(self._db, run)

    def summary(self, run: str) -> RunSummary | None:
        found = self._summaries("WHERE run = ?", (run,))
        return found[0] if found else None

    def _summaries(self, where: str, values: Sequence[Any]) -> list[RunSummary]:
        summaries: list[RunSummary] = []
        for row in self._all(_SELECT + where, values):
            columns = list(row)
            columns[_CONCLUDED] = bool(columns[_CONCLUDED])
            summaries.append(RunSummary(*columns))
        return summaries

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
        given = {"flow": flow, "stage": stage, "status": status, "kind": kind}
        given |= {"concluded": concluded}  # type: ignore[dict-item]
        wanted = {name: value for name, value in given.items() if value is not None}
        tests = [f"{name} = ?" for name in wanted]
        values: list[Any] = list(wanted.values())
        if before is not None:
            tests.append("seq < (SELECT seq FROM runs WHERE run = ?)")
            values.append(before)
        where = f"WHERE {' AND '.join(tests)} " if tests else ""
        return self._summaries(where + "ORDER BY seq DESC LIMIT ?", [*values, limit])

    def find(self, text: str) -> list[RunSummary]:
        return self._summaries(
            "WHERE substr(run, 1, length(?1)) = ?1 OR name = ?1 ORDER BY seq DESC", (text,)
        )

    def active(self, key: str) -> list[RunSummary]:
        return self._summaries("WHERE concluded = 0 AND queue = ? ORDER BY seq", (key,))

    def facts(self, run: str) -> list[Fact]:
        rows = self._all(
            "SELECT id, run, kind, body, at FROM facts WHERE run = ? ORDER BY id", (run,)
        )
        return [Fact(id_, run, kind, json.loads(body), at) for id_, run, kind, body, at in rows]

    def asked(self) -> set[str]:
        return {run for (run,) in self._all("SELECT DISTINCT run FROM facts")}

    def stages(self) -> list[str]:
        sql = "SELECT DISTINCT stage FROM runs WHERE stage IS NOT NULL ORDER BY stage"
        return [stage for (stage,) in self._all(sql)]

    def changed_since(self, run: str, resource: str) -> str | None:
        rows = self._all(_CHANGED, (resource, run, run, resource))
        return rows[0][0] if rows else None

    def ledger(self, stage: str, after: int = 0, upto: int | None = None) -> list[Change]:
        return self._changes(_LEDGER, (stage, after, ALL if upto is None else upto))

    def last_changes(
        self, stage: str, upto: int | None = None, *, sure: bool = False
    ) -> list[Change]:
        end = ALL if upto is None else upto
        return self._changes(_LAST_CHANGES, (stage, end, "open" if sure else ""))

    def _changes(self, sql: str, values: tuple[object, ...]) -> list[Change]:
        return [
            Change(seq, of, resource, run, node, json.loads(before), json.loads(after), state, at)
            for seq, of, resource, run, node, before, after, state, at in self._all(sql, values)
        ]

    def ended_at_change(self, run: str) -> int | None:
        rows = self._all("SELECT seq FROM ends WHERE run = ?", (run,))
        return rows[0][0] if rows else None

    def notes(self, kind: str) -> dict[str, dict[str, Json]]:
        rows = self._all("SELECT key, body FROM notes WHERE kind = ? ORDER BY key", (kind,))
        return {key: json.loads(body) for key, body in rows}

    def locks(self) -> list[Lock]:
        rows = self._all("SELECT name, run, node, since FROM locks ORDER BY name")
        return [Lock(*row) for row in rows]

    def version(self) -> int:
        with self._guarded:
            found: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return found + self._said

    def settings(self, flow: str) -> dict[str, Json]:
        rows = self._all("SELECT name, value FROM settings WHERE flow = ? ORDER BY name", (flow,))
        return {name: json.loads(value) for name, value in rows}

    # -- whose run it is -----------------------------------------------------------------------

    def claim(self, run: str) -> FileClaim | None:
        return claim(self._state.lock(run))

    def claimed(self, run: str) -> int | None:
        return claimed(self._state.lock(run))

    def close(self) -> None:
        # Closing the last connection copies the log into the file; where that fails (a full
        # disk) the log stays and is read at the next start.
        with contextlib.suppress(sqlite3.Error):
            self._db.close()


def each_output(
    event: AttemptSucceeded,
    change: Callable[[Json, ArtifactStore], Json],
    store: ArtifactStore,
) -> AttemptSucceeded:
    """The event with its outputs as they are kept, or as they were."""
    outputs = {name: change(value, store) for name, value in event.outputs.items()}
    return structs.replace(event, outputs=outputs)


def _newer(path: Path, what: str) -> JournalError:
    return JournalError(
        NEWER,
        f"{what} in `{path}` was written by a newer version of rflow",
        "update rflow; the file was not changed",
    )


def _corrupt(path: Path, what: str) -> JournalError:
    return JournalError(
        CORRUPT, f"`{path}` is damaged: {what}", sqlite_file.restore_advice(path.parent)
    )
