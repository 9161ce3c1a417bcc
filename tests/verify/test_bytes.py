"""A byte of a record is flipped, wherever it is stored: the record that differs is named."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from records import RUN, Recorded, record
from rflow.runner.problems import StateError
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir
from rflow.runner.verdict import Verdict
from rflow.runner.verify import verify

EVENTS = 13
TEXTS = ("kind", "node", "body", "head")


def connection(of: Recorded) -> sqlite3.Connection:
    """The journal's own: what it does not commit, only it sees."""
    db: sqlite3.Connection = of.journal._db
    return db


@contextmanager
def edited(of: Recorded, sql: str, *values: object) -> Iterator[None]:
    """With a statement done that is taken back afterwards."""
    db = connection(of)
    db.execute("BEGIN")
    try:
        db.execute(sql, values)
        yield
    finally:
        db.execute("ROLLBACK")


def verdict(of: Recorded, head: str = "") -> Verdict:
    return verify(of.journal, of.state, RUN, head)


def records(found: Verdict) -> list[str]:
    return [finding.record.split(" (")[0] for finding in found.findings]


def flipped(data: bytes, at: int, bits: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


def test_a_record_as_it_was_written(shared: Recorded) -> None:
    found = verdict(shared, shared.journal.head(RUN))

    assert found.ok
    assert (found.events, found.at, found.artifacts) == (EVENTS, EVENTS, 2)
    assert found.head == "sha256:" + shared.journal.head(RUN)


@given(
    number=st.integers(1, EVENTS),
    column=st.sampled_from(TEXTS),
    at=st.integers(0, 5000),
    bits=st.integers(1, 255),
)
def test_a_byte_of_a_text(shared: Recorded, number: int, column: str, at: int, bits: int) -> None:
    (value,) = (
        connection(shared)
        .execute(f"SELECT CAST({column} AS BLOB) FROM events WHERE number = ?", (number,))
        .fetchone()
    )
    assume(value)
    other = flipped(value, at, bits)

    with edited(
        shared, f"UPDATE events SET {column} = CAST(? AS TEXT) WHERE number = ?", other, number
    ):
        found = verdict(shared)

    assert f"event {number}" in records(found)
    code = "head-changed" if column == "head" else "changed"
    assert next(f.code for f in found.findings if f.record.startswith(f"event {number}")) == code
    others = [name for name in records(found) if name.startswith("event ")]
    assert others == [f"event {number}"]


@given(number=st.integers(1, EVENTS), at=st.integers(0, 7), bits=st.integers(1, 255))
def test_a_byte_of_a_time(shared: Recorded, number: int, at: int, bits: int) -> None:
    (value,) = (
        connection(shared).execute("SELECT at FROM events WHERE number = ?", (number,)).fetchone()
    )
    (other,) = struct.unpack(">d", flipped(struct.pack(">d", value), at, bits))
    assume(other == other)  # SQLite has no NaN

    with edited(shared, "UPDATE events SET at = ? WHERE number = ?", other, number):
        assert records(verdict(shared))[0] == f"event {number}"


@given(
    number=st.integers(1, EVENTS),
    column=st.sampled_from(("version", "attempt")),
    bits=st.integers(1, 1 << 40),
)
def test_a_number(shared: Recorded, number: int, column: str, bits: int) -> None:
    (value,) = (
        connection(shared)
        .execute(f"SELECT {column} FROM events WHERE number = ?", (number,))
        .fetchone()
    )
    assume(value is not None)

    with edited(shared, f"UPDATE events SET {column} = ? WHERE number = ?", value ^ bits, number):
        assert records(verdict(shared)) == [f"event {number}"]


@pytest.mark.parametrize("column", ["number", "run"])
@pytest.mark.parametrize("number", range(1, EVENTS + 1))
def test_an_event_under_another_key(shared: Recorded, column: str, number: int) -> None:
    with edited(shared, f"UPDATE events SET {column} = ? WHERE number = ?", 99, number):
        assert f"event {number}" in records(verdict(shared))


@given(at=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_a_byte_of_the_plan(shared: Recorded, at: int, bits: int) -> None:
    ((digest, data),) = connection(shared).execute("SELECT digest, data FROM plans").fetchall()

    with edited(shared, "UPDATE plans SET data = ?", flipped(data, at, bits)):
        assert records(verdict(shared)) == [f"plan {digest}"]


@given(
    which=st.sampled_from(("artifact", "value")),
    at=st.integers(0, 60_000),
    bits=st.integers(1, 255),
)
def test_a_byte_of_an_artifact(shared: Recorded, which: str, at: int, bits: int) -> None:
    digest = getattr(shared, which)
    path = shared.file(digest)
    data = path.read_bytes()
    path.chmod(0o600)
    try:
        path.write_bytes(flipped(data, at, bits))
        assert records(verdict(shared)) == [f"artifact {digest}"]
    finally:
        path.write_bytes(data)


@given(
    column=st.sampled_from(
        ("flow", "stage", "kind", "name", "description", "status", "by", "plan")
    ),
    at=st.integers(0, 80),
    bits=st.integers(1, 127),
)
def test_a_byte_of_the_list_of_runs(shared: Recorded, column: str, at: int, bits: int) -> None:
    (value,) = connection(shared).execute(f"SELECT {column} FROM runs").fetchone()
    other = flipped(value.encode(), at, bits)
    assume(other.isascii())

    with edited(shared, f"UPDATE runs SET {column} = ?", other.decode()):
        assert f"the run's {column}" in records(verdict(shared))


@pytest.mark.parametrize(
    "edit",
    [
        "after = '\"sha256:0\"'",
        "before = '1'",
        "state = 'undone'",
        "resource = 'deployment shop'",
        "node = 'api'",
        "run = 'other'",
    ],
)
def test_a_line_of_the_ledger(shared: Recorded, edit: str) -> None:
    with edited(shared, f"UPDATE changes SET {edit}"):
        (name,) = records(verdict(shared))

    assert name.startswith("the effect of ")


# -- the bytes of the file itself ----------------------------------------------------------------

_ALL = (
    "SELECT * FROM events ORDER BY run, number",
    "SELECT * FROM plans",
    "SELECT * FROM runs",
    "SELECT stage, resource, run, node, before, after, state FROM changes",
)


def contents(db: sqlite3.Connection) -> object:
    """All that belongs to the record, as it is stored."""
    db.text_factory = bytes
    return [db.execute(sql).fetchall() for sql in _ALL]


class Image:
    """A record, its file, and what it holds."""

    def __init__(self, made: Recorded, data: bytes, held: object) -> None:
        self.made, self.data, self.held = made, data, held


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    made = record(StateDir(tmp_path_factory.mktemp("image") / ".rflow").make())
    made.journal.close()
    db = sqlite3.connect(made.state.database)
    db.execute("PRAGMA journal_mode = DELETE")
    held = contents(db)
    db.close()
    return Image(made, made.state.database.read_bytes(), held)


def _found(image: Image, data: bytes) -> bool:
    """Whether what differs in the file is found; True too if nothing that counts differs."""
    made = image.made
    path = made.state.database
    for aside in path.parent.glob("rflow.db*"):
        aside.unlink()
    path.write_bytes(data)
    path.chmod(0o600)
    db = sqlite3.connect(path)
    try:
        same = contents(db) == image.held
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        same = False
    finally:
        db.close()
    try:
        journal = SqliteJournal(made.state)
    except StateError:
        return True
    try:
        return same or not verify(journal, made.state, RUN).ok
    except StateError:
        return True
    finally:
        journal.close()


@given(at=st.integers(0, 1 << 20), bits=st.integers(1, 255))
def test_a_byte_of_the_file(image: Image, at: int, bits: int) -> None:
    assert _found(image, flipped(image.data, at, bits))


def test_a_byte_of_each_place_that_holds_an_event(image: Image) -> None:
    for passage in (b"lead@example.com", b"the first", b"AttemptSucceeded", b"replicas"):
        start = 0
        while (start := image.data.find(passage, start)) >= 0:
            assert _found(image, flipped(image.data, start, 1))
            start += 1
