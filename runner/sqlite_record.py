"""The chain of a run's events in the journal's SQLite file: writing heads, reading what is stored.

The head of an event is stored in its row, in the transaction that stores the event. Reading is
for verifying: nothing is interpreted, one event that cannot be read does not hide the others, and
what has another type than rflow gives it is told.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from rflow.runner.chain import START, Stored, link

Row = tuple[str, int, float, str, int, str | None, int | None, str]
"""An event as it is stored: run, number, time, kind, version, node, attempt, body."""

_INSERT = (
    "INSERT INTO events (run, number, at, kind, version, node, attempt, body, head) "
    "VALUES (?,?,?,?,?,?,?,?,?)"
)
_HEAD = "SELECT head FROM events WHERE run = ? AND number = ?"
_LAST = "SELECT head FROM events WHERE run = ? ORDER BY number DESC LIMIT 1"
_NUMBERS = "SELECT number FROM events WHERE run = ? ORDER BY number"
_STORED = (
    "SELECT at, kind, version, node, attempt, body, head, typeof(at) || typeof(kind) || "
    "typeof(version) || typeof(node) || typeof(attempt) || typeof(body) || typeof(head) "
    "FROM events WHERE run = ? AND number = ?"
)
_TYPES = frozenset({f"realtextinteger{outcome}texttext" for outcome in ("nullnull", "textinteger")})


def insert(
    db: sqlite3.Connection, run: str, expected: int, rows: Sequence[Row], head: str | None = None
) -> str | None:
    """Insert events behind the first `expected` of a run, each with its head; the last one's.
    `head` is that of the event before them, None if it is not known."""
    if not rows:
        return head
    if head is None:
        head = START
        if expected:
            (found,) = db.execute(_HEAD, (run, expected)).fetchone() or (None,)
            head = found or START
    chained: list[tuple[object, ...]] = []
    for row in rows:
        _, number, at, kind, version, node, attempt, body = row
        head = link(head, run, number, float(at), kind, version, node, attempt, body.encode())
        chained.append((*row, head))
    if len(chained) == 1:
        db.execute(_INSERT, chained[0])
    else:
        db.executemany(_INSERT, chained)
    return head


def last_head(db: sqlite3.Connection, run: str) -> str:
    """The head of the run's last event; "" if it has none."""
    (found,) = db.execute(_LAST, (run,)).fetchone() or (None,)
    return found or START


def stored(db: sqlite3.Connection, run: str) -> list[Stored]:
    """The events of a run as they are stored, in order."""
    numbers = [number for (number,) in db.execute(_NUMBERS, (run,))]
    factory = db.text_factory
    db.text_factory = bytes
    try:
        return [_one(db, run, number) for number in numbers if isinstance(number, int)]
    finally:
        db.text_factory = factory


def _one(db: sqlite3.Connection, run: str, number: int) -> Stored:
    try:
        row = db.execute(_STORED, (run, number)).fetchone()
    except sqlite3.DatabaseError as error:
        return Stored(number, trouble=f"it cannot be read: {error}")
    if row is None:
        return Stored(number, trouble="it cannot be found by its number")
    at, kind, version, node, attempt, body, head, types = row
    trouble = "" if types.decode() in _TYPES else "its columns have types that rflow does not write"
    return Stored(
        number,
        None if isinstance(at, bytes) else at,
        _text(kind),
        None if isinstance(version, bytes) else version,
        None if node is None else _text(node),
        None if isinstance(attempt, bytes) else attempt,
        body if isinstance(body, bytes) else str(body).encode(),
        _text(head or b""),
        trouble,
    )


def _text(value: object) -> str:
    """The text of a column; bytes that are no UTF-8 stay what they are."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
