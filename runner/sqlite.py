"""The journal in one SQLite file: WAL, synced to disk at every commit.

Theory of operation. The file is made aside and linked into place, so that it is never half made.
Every writing transaction is IMMEDIATE: it takes the write lock at once and so never fails half
way for want of it. The check of the expected length is the WHERE of the statement that sets the
new one. Rows are encoded before the transaction begins, to hold the lock only as long as needed.
Outputs that are long are kept as artifacts, and come back as they were when they are read.

This module owns what is written; `sqlite_reading` reads and opens, `sqlite_file` has the schema and
translates SQLite's errors into problems with a next step: sqlite3's exceptions never leave here.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence

from rflow.plugins.types import Json
from rflow.runner import sqlite_record
from rflow.runner.artifacts import INLINE_MAX, VALUE_MARK, shrink
from rflow.runner.events import EVENT_VERSION, AttemptSucceeded, Event, Record, encode
from rflow.runner.journal import (
    Fact,
    FactKind,
    LockBusy,
    Move,
    RunSummary,
    Stale,
    TwiceDecided,
    moves,
    outcome_of,
    summary_changes,
)
from rflow.runner.sqlite_reading import COLUMNS, SqliteReading, each_output

_LENGTH = COLUMNS.index("length")
_CREATE = f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
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


class SqliteJournal(SqliteReading):
    """See `runner.journal.Journal`. For one thread at a time: those that do not take turns open
    their own."""

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
            row = [getattr(summary, name) for name in COLUMNS]
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
        # Nobody has written since if the length is as expected: then neither is the head another.
        (known, self._last) = (self._last, None)
        head = known[2] if known is not None and known[:2] == (run, expected) else None
        with self._write() as db:
            if db.execute(_GROW, (expected + len(rows), run, expected)).rowcount == 0:
                found = db.execute("SELECT length FROM runs WHERE run = ?", (run,)).fetchone()
                if found is None:
                    raise KeyError(run)
                raise Stale(run, expected, found[0])
            head = self._insert(db, run, expected, rows, head)
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
        if head is not None and not self._admitting:
            self._last = (run, expected + len(rows), head)
        return records

    def _rows(
        self, run: str, expected: int, events: Sequence[Event], at: float
    ) -> tuple[list[Record], list[sqlite_record.Row]]:
        records: list[Record] = []
        rows: list[sqlite_record.Row] = []
        number = expected
        for event in events:
            number += 1
            kind, outcome = type(event).__name__, outcome_of(event)
            text = encode(event)
            if isinstance(event, AttemptSucceeded) and (
                len(text) > INLINE_MAX or VALUE_MARK in text
            ):
                text = encode(each_output(event, shrink, self._artifacts))
            rows.append((run, number, at, kind, EVENT_VERSION, *outcome, text))
            records.append(Record(number, at, event))
        return records, rows

    def _insert(
        self,
        db: sqlite3.Connection,
        run: str,
        expected: int,
        rows: list[sqlite_record.Row],
        head: str | None = None,
    ) -> str | None:
        try:
            return sqlite_record.insert(db, run, expected, rows, head)
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
        self._said += 1
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

    def put_note(self, kind: str, key: str, body: dict[str, Json]) -> None:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?,?,?)", (kind, key, text))
        self._said += 1

    def delete_note(self, kind: str, key: str) -> bool:
        with self._write() as db:
            sql = "DELETE FROM notes WHERE kind = ? AND key = ?"
            there = db.execute(sql, (kind, key)).rowcount > 0
        self._said += 1
        return there


def _move(db: sqlite3.Connection, run: str, move: Move, at: float) -> None:
    match move.kind:
        case "intended":
            before, after = json.dumps(move.before), json.dumps(move.after)
            same = (run, move.node, move.resource)
            if move.anew or db.execute(_AGAIN, (after, at, *same)).rowcount == 0:
                db.execute(_INTENDED, (move.resource, run, move.node, before, after, at, run))
        case "done":
            db.execute(_DONE, ("done", run, move.node, "open"))
        case "undoing":
            db.execute(_DONE, ("open", run, move.node, "done"))
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
