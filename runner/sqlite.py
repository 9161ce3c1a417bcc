"""The journal in one SQLite file: WAL, synced to disk at every commit.

Theory of operation. The file is made aside and linked into place, so that it is never half made.
Every writing transaction is IMMEDIATE: it takes the write lock at once and so never fails half
way for want of it. The check of the expected length is the WHERE of the statement that sets the
new one. Rows are encoded before the transaction begins, to hold the lock only as long as needed.
Outputs that are long are kept as artifacts, and come back as they were when they are read.

This module owns the file's schema and the translation of SQLite's errors into problems with a
next step; sqlite3's exceptions must never leave it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rflow.plugins.types import Json
from rflow.runner import sqlite_file, sqlite_record
from rflow.runner.artifacts import INLINE_MAX, VALUE_MARK, ArtifactStore, grow, shrink
from rflow.runner.chain import Stored
from rflow.runner.claims import FileClaim, claim, claimed
from rflow.runner.events import (
    EVENT_VERSION,
    AttemptSucceeded,
    Event,
    Record,
    decode,
    encode,
)
from rflow.runner.journal import (
    Change,
    Fact,
    FactKind,
    JournalError,
    Lock,
    LockBusy,
    Move,
    RunSummary,
    Stale,
    TwiceDecided,
    moves,
    outcomes,
    summary_changes,
)
from rflow.runner.problems import CORRUPT, NEWER
from rflow.runner.sqlite_file import BUSY_TIMEOUT_S, Guarded
from rflow.runner.state_dir import StateDir

_COLUMNS = tuple(field.name for field in dataclasses.fields(RunSummary))
_CONCLUDED = _COLUMNS.index("concluded")
_LENGTH = _COLUMNS.index("length")
_CREATE = f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM runs "  # noqa: S608 - constant text
_GROW = "UPDATE runs SET length = ? WHERE run = ? AND length = ?"

_OUTCOME = "SELECT 1 FROM events WHERE run = ? AND node = ? AND attempt = ? AND number < ?"

_AGAIN = (
    "UPDATE changes SET after = ?, at = ? WHERE run = ? AND node = ? AND resource = ? "
    "AND state = 'open'"
)
_INTENDED = (
    "INSERT INTO changes (stage, resource, run, node, before, after, state, at) "
    "SELECT stage, ?, ?, ?, ?, ?, 'open', ? FROM runs WHERE run = ?"
)
_DONE = "UPDATE changes SET state = ? WHERE run = ? AND node = ? AND state = ?"
_ENDED = (
    "INSERT OR REPLACE INTO ends (run, seq) SELECT ?, coalesce((SELECT max(seq) FROM changes), 0)"
)
_LEDGER = (
    "SELECT seq, stage, resource, run, node, before, after, state, at FROM changes "
    "WHERE stage = ? ORDER BY seq"
)
_CHANGED = (
    "SELECT run FROM changes WHERE resource = ? AND run <> ? AND state <> 'undone' AND seq > "
    "(SELECT coalesce(max(seq), 0) FROM changes WHERE run = ? AND resource = ?) "
    "ORDER BY seq DESC LIMIT 1"
)


class SqliteJournal:
    """See `runner.journal.Journal`. For one thread; other threads open their own."""

    def __init__(self, state: StateDir, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Open the journal of a state folder, making both where there is none."""
        self._state = state
        state.make()
        self._guarded = Guarded(state.database)
        self._db = sqlite_file.open_database(state.database, busy_timeout_s)
        self._artifacts = ArtifactStore(state.artifacts)
        self._admitting = False

    @property
    def path(self) -> Path:
        """The file."""
        return self._state.database

    # -- writing -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        db = self._db
        begin, end, undo = ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
        if self._admitting:
            begin, end, undo = ("SAVEPOINT unit", "RELEASE unit", "ROLLBACK TO unit")
        with self._guarded:
            db.execute(begin)
            try:
                yield db
                db.execute(end)
            except BaseException:
                # A full disk makes SQLite roll back by itself; then there is nothing to undo.
                if db.in_transaction:
                    db.execute(undo)
                raise

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        if self._admitting:
            raise RuntimeError("admit cannot be nested")
        with self._write():
            self._admitting = True
            try:
                yield
            finally:
                self._admitting = False

    def put_plan(self, digest: str, data: bytes) -> None:
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO plans (digest, data) VALUES (?,?)", (digest, data))

    def create(self, summary: RunSummary, events: Sequence[Event], at: float) -> list[Record]:
        records, rows = self._rows(summary.run, 0, events, at)
        columns = summary_changes(events, at, None)
        with self._write() as db:
            known = db.execute("SELECT length FROM runs WHERE run = ?", (summary.run,)).fetchone()
            if known is not None:
                raise Stale(summary.run, 0, known[0])
            row = [getattr(summary, name) for name in _COLUMNS]
            row[_LENGTH] = len(rows)
            db.execute(_CREATE, row)
            if columns:
                _update(db, summary.run, columns)
            self._insert(db, summary.run, 0, rows)
        return records

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
        records, rows = self._rows(run, expected, events, at)
        columns = summary_changes(events, at, status)
        announced = [*moves(events)]
        with self._write() as db:
            if db.execute(_GROW, (expected + len(rows), run, expected)).rowcount == 0:
                found = db.execute("SELECT length FROM runs WHERE run = ?", (run,)).fetchone()
                if found is None:
                    raise KeyError(run)
                raise Stale(run, expected, found[0])
            self._insert(db, run, expected, rows)
            for move in announced:
                _move(db, run, move, at)
            if columns:
                _update(db, run, columns)
            for fact in facts:
                db.execute("DELETE FROM facts WHERE id = ? AND run = ?", (fact, run))
            for lock, node in free:
                db.execute(
                    "DELETE FROM locks WHERE name = ? AND run = ? AND node = ?", (lock, run, node)
                )
            for lock, node in take:
                _take(db, lock, run, node, at)
        return records

    def _rows(
        self, run: str, expected: int, events: Sequence[Event], at: float
    ) -> tuple[list[Record], list[sqlite_record.Row]]:
        records: list[Record] = []
        rows: list[sqlite_record.Row] = []
        number = expected
        for event in events:
            number += 1
            kind, outcome = type(event).__name__, next(outcomes((event,)), (None, None))
            text = encode(event)
            if isinstance(event, AttemptSucceeded) and (
                len(text) > INLINE_MAX or VALUE_MARK in text
            ):
                text = encode(self._each_output(event, shrink))
            rows.append((run, number, at, kind, EVENT_VERSION, *outcome, text))
            records.append(Record(number, at, event))
        return records, rows

    def _each_output(
        self, event: AttemptSucceeded, change: Callable[[Json, ArtifactStore], Json]
    ) -> AttemptSucceeded:
        """The event with its outputs as they are kept, or as they were."""
        outputs = {name: change(value, self._artifacts) for name, value in event.outputs.items()}
        return dataclasses.replace(event, outputs=outputs)

    def _insert(
        self, db: sqlite3.Connection, run: str, expected: int, rows: list[sqlite_record.Row]
    ) -> None:
        try:
            sqlite_record.insert(db, run, expected, rows)
        except sqlite3.IntegrityError as error:
            decided: set[tuple[str, int]] = set()
            for _, _, _, _, _, node, attempt, _ in rows:
                if node is None or attempt is None:
                    continue
                known = db.execute(_OUTCOME, (run, node, attempt, rows[0][1])).fetchone()
                if known is not None or (node, attempt) in decided:
                    raise TwiceDecided(run, node, attempt) from error
                decided.add((node, attempt))
            raise

    def post(self, run: str, kind: FactKind, body: dict[str, Json], at: float) -> Fact:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        with self._write() as db:
            if db.execute("SELECT 1 FROM runs WHERE run = ?", (run,)).fetchone() is None:
                raise KeyError(run)
            cursor = db.execute(
                "INSERT INTO facts (run, kind, body, at) VALUES (?,?,?,?)", (run, kind, text, at)
            )
        number = cursor.lastrowid
        assert number is not None
        return Fact(number, run, kind, body, at)

    def set_setting(self, flow: str, name: str, value: Json) -> None:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        with self._write() as db:
            db.execute(
                "INSERT INTO settings (flow, name, value) VALUES (?,?,?) "
                "ON CONFLICT (flow, name) DO UPDATE SET value = excluded.value",
                (flow, name, text),
            )

    def delete_setting(self, flow: str, name: str) -> bool:
        with self._write() as db:
            sql = "DELETE FROM settings WHERE flow = ? AND name = ?"
            return db.execute(sql, (flow, name)).rowcount > 0

    # -- reading -------------------------------------------------------------------------------

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._guarded:
            return self._db.execute(sql, values).fetchall()

    def plan(self, digest: str) -> bytes:
        for (data,) in self._all("SELECT data FROM plans WHERE digest = ?", (digest,)):
            return bytes(data)
        raise KeyError(digest)

    def read(self, run: str, after: int = 0) -> list[Record]:
        # The length is read first: what others append in between makes only more events of it.
        length = self._all("SELECT length FROM runs WHERE run = ?", (run,))
        rows = self._all(
            "SELECT number, at, kind, version, body FROM events WHERE run = ? AND number > ? "
            "ORDER BY number",
            (run, after),
        )
        number = after
        records: list[Record] = []
        for number, at, kind, version, body in rows:
            if number != after + len(records) + 1:
                break
            if version > EVENT_VERSION:
                raise _newer(self.path, f"event {number} of run {run}")
            try:
                event = decode(kind, body)
            except (ValueError, TypeError, KeyError) as error:
                raise _corrupt(self.path, f"event {number} of run {run}: {error}") from error
            if VALUE_MARK in body and isinstance(event, AttemptSucceeded):
                event = self._each_output(event, grow)
            records.append(Record(number, at, event))
        if len(records) != len(rows) or (length and after + len(rows) < length[0][0] > after):
            raise _corrupt(self.path, f"run {run} has no event {after + len(records) + 1}")
        return records

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
        limit: int = 50,
        before: str | None = None,
    ) -> list[RunSummary]:
        given = {"flow": flow, "stage": stage, "status": status, "concluded": concluded}
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

    def stages(self) -> list[str]:
        sql = "SELECT DISTINCT stage FROM runs WHERE stage IS NOT NULL ORDER BY stage"
        return [stage for (stage,) in self._all(sql)]

    def changed_since(self, run: str, resource: str) -> str | None:
        rows = self._all(_CHANGED, (resource, run, run, resource))
        return rows[0][0] if rows else None

    def ledger(self, stage: str) -> list[Change]:
        return [
            Change(seq, of, resource, run, node, json.loads(before), json.loads(after), state, at)
            for seq, of, resource, run, node, before, after, state, at in self._all(
                _LEDGER, (stage,)
            )
        ]

    def ended_at_change(self, run: str) -> int | None:
        rows = self._all("SELECT seq FROM ends WHERE run = ?", (run,))
        return rows[0][0] if rows else None

    def put_note(self, kind: str, key: str, body: dict[str, Json]) -> None:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?,?,?)", (kind, key, text))

    def notes(self, kind: str) -> dict[str, dict[str, Json]]:
        rows = self._all("SELECT key, body FROM notes WHERE kind = ? ORDER BY key", (kind,))
        return {key: json.loads(body) for key, body in rows}

    def delete_note(self, kind: str, key: str) -> bool:
        with self._write() as db:
            sql = "DELETE FROM notes WHERE kind = ? AND key = ?"
            return db.execute(sql, (kind, key)).rowcount > 0

    def locks(self) -> list[Lock]:
        rows = self._all("SELECT name, run, node, since FROM locks ORDER BY name")
        return [Lock(*row) for row in rows]

    def version(self) -> int:
        with self._guarded:
            found: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return found

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


def _move(db: sqlite3.Connection, run: str, move: Move, at: float) -> None:
    match move.kind:
        case "intended":
            before, after = json.dumps(move.before), json.dumps(move.after)
            same = (run, move.node, move.resource)
            if db.execute(_AGAIN, (after, at, *same)).rowcount == 0:
                db.execute(_INTENDED, (move.resource, run, move.node, before, after, at, run))
        case "done":
            db.execute(_DONE, ("done", run, move.node, "open"))
        case "undone":
            db.execute(_DONE, ("undone", run, move.node, "open"))
            db.execute(_DONE, ("undone", run, move.node, "done"))
        case "ended":
            db.execute(_ENDED, (run,))


def _update(db: sqlite3.Connection, run: str, changes: dict[str, Json]) -> None:
    sets = ", ".join(
        "started_at = coalesce(started_at, ?)" if column == "started_at" else f"{column} = ?"
        for column in changes
    )
    db.execute(f"UPDATE runs SET {sets} WHERE run = ?", (*changes.values(), run))  # noqa: S608


def _take(db: sqlite3.Connection, lock: str, run: str, node: str, at: float) -> None:
    taken = db.execute(
        "INSERT OR IGNORE INTO locks (name, run, node, since) VALUES (?,?,?,?)",
        (lock, run, node, at),
    )
    if taken.rowcount == 0:
        holder = db.execute("SELECT run, node FROM locks WHERE name = ?", (lock,)).fetchone()
        if tuple(holder) != (run, node):
            raise LockBusy(lock, *holder)


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
