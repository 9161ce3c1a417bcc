"""Files that are not what they should be, disks that are full, processes that are killed: what
the journal says, and that nothing is lost."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rflow.runner import events as ev
from rflow.runner.journal import JournalError, Stale, TwiceDecided
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.sqlite_file import SCHEMA_VERSION
from rflow.runner.state_dir import StateDir

from .conftest import summary

STARTED = ev.RunStarted("guard-1")


def big(number: int) -> ev.AttemptStarted:
    return ev.AttemptStarted(f"n{number}", 1, "k", {"text": "x" * 4000})


def fill(journal: SqliteJournal) -> tuple[int, JournalError]:
    """Write to r1, which has one event, until that fails; its length, and how it failed."""
    length = 1
    while length < 1000:
        try:
            length += len(journal.transact("r1", length, [big(length)], 2.0))
        except JournalError as error:
            return length, error
    raise AssertionError("there was room for everything")


def raw(state: StateDir, *statements: str) -> None:
    """Change the file behind the journal's back."""
    db = sqlite3.connect(state.database)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def check_error(error: JournalError, code: str, state: StateDir) -> None:
    assert error.code == code
    assert str(state.database) in error.message
    assert error.help


def test_a_new_file_is_whole_private_and_alone(state: StateDir, journal: SqliteJournal) -> None:
    assert state.database.stat().st_mode & 0o777 == 0o600
    assert journal.runs() == []
    journal.close()
    assert sorted(path.name for path in state.root.iterdir()) == [".gitignore", "rflow.db"]


def test_a_database_of_another_program_is_not_touched(state: StateDir) -> None:
    raw(state, "CREATE TABLE bookmarks (url TEXT)")
    before = state.database.read_bytes()
    with pytest.raises(JournalError) as error:
        SqliteJournal(state)
    check_error(error.value, "RF901", state)
    assert state.database.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "RF902"), (b"not a database\n" * 400, "RF902")]
)
def test_a_file_that_is_no_database(state: StateDir, content: bytes, code: str) -> None:
    state.database.write_bytes(content)
    with pytest.raises(JournalError) as error:
        SqliteJournal(state)
    check_error(error.value, code, state)
    assert state.database.read_bytes() == content


def test_a_newer_format_is_refused_and_not_changed(state: StateDir) -> None:
    SqliteJournal(state).close()
    raw(state, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = state.database.read_bytes()
    with pytest.raises(JournalError) as error:
        SqliteJournal(state)
    check_error(error.value, "RF903", state)
    assert state.database.read_bytes() == before


def test_an_overwritten_page_is_told(state: StateDir) -> None:
    journal = SqliteJournal(state)
    journal.create(summary(), [big(number) for number in range(50)], 1.0)
    journal.close()
    size = state.database.stat().st_size
    with open(state.database, "r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 2))
    journal = SqliteJournal(state)
    with pytest.raises(JournalError) as error:
        journal.read("r1")
    check_error(error.value, "RF902", state)
    journal.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE events SET kind = 'Teleported'", "RF902"),
        ("UPDATE events SET version = 2", "RF903"),
        ("UPDATE events SET body = '{'", "RF902"),
        ("UPDATE events SET body = '{}'", "RF902"),
        ("DELETE FROM events WHERE number = 1", "RF902"),
    ],
)
def test_an_event_that_cannot_be_read(state: StateDir, change: str, code: str) -> None:
    journal = SqliteJournal(state)
    journal.create(summary(), [STARTED, STARTED], 1.0)
    raw(state, change)
    with pytest.raises(JournalError) as error:
        journal.read("r1")
    check_error(error.value, code, state)
    journal.close()


def test_a_lost_tail_is_told(state: StateDir) -> None:
    """A copy of the file without its log, made while a run was going on."""
    journal = SqliteJournal(state)
    journal.create(summary(), [STARTED, STARTED], 1.0)
    raw(state, "DELETE FROM events WHERE number = 2")
    with pytest.raises(JournalError, match="RF902"):
        journal.read("r1")
    journal.close()


def test_another_program_holds_it(state: StateDir) -> None:
    journal = SqliteJournal(state, busy_timeout_s=0.01)
    journal.create(summary(), [STARTED], 1.0)
    other = sqlite3.connect(state.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError) as error:
        journal.transact("r1", 1, [STARTED], 2.0)
    check_error(error.value, "RF906", state)
    assert len(journal.read("r1")) == 1
    other.execute("ROLLBACK")
    other.close()
    assert journal.transact("r1", 1, [STARTED], 2.0)
    journal.close()


def test_a_full_database_loses_nothing_and_goes_on_when_there_is_room(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SqliteJournal(state)
    journal.create(summary(), [STARTED], 1.0)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages + 8}")
    length, error = fill(journal)
    check_error(error, "RF904", state)
    assert "resume" in error.help
    assert 1 < len(journal.read("r1")) == length < 100
    journal._db.execute("PRAGMA max_page_count = 1073741823")
    assert journal.transact("r1", length, [big(999)], 3.0)
    journal.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of a few hundred KiB; skips where this may not be mounted."""
    mounted: list[Path] = []

    def make(kib: int) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        mount = shutil.which("mount")
        command = [str(mount), "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
        if mount is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small file system cannot be mounted here")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(
    small_disk: Callable[[int], Path],
) -> None:
    disk = small_disk(512)
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 64 * 1024)
    state = StateDir(disk / ".rflow").make()
    journal = SqliteJournal(state)
    journal.create(summary(), [STARTED], 1.0)
    length, error = fill(journal)
    check_error(error, "RF904", state)
    assert length > 1
    journal.close()
    ballast.unlink()
    journal = SqliteJournal(state)
    assert len(journal.read("r1")) == length
    assert journal.transact("r1", length, [STARTED], 3.0)
    journal.close()


def test_no_room_for_a_new_state(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(32)
    state = StateDir(disk / ".rflow").make()
    with pytest.raises(JournalError) as error:
        SqliteJournal(state)
    assert error.value.code == "RF904"
    assert not state.database.exists()
    assert [path.name for path in state.root.iterdir()] == [".gitignore"]


CHILD = """
# As root nobody is kept out: the rights are given up when everything is imported.
import os, sys
from pathlib import Path
from rflow.runner.problems import StateError
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    SqliteJournal(StateDir(Path(sys.argv[1]))).set_setting("f", "a", 1)
except StateError as error:
    print(error.code, error.help)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A temporary folder that other users can walk to; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(("folder", "file"), [(0o555, 0o444), (0o755, 0o444), (0o000, 0o600)])
def test_a_file_that_may_not_be_written(public: Path, folder: int, file: int) -> None:
    state = StateDir(public / ".rflow").make()
    SqliteJournal(state).close()
    state.database.chmod(file)
    state.root.chmod(folder)
    argv = [sys.executable, "-c", CHILD, str(state.root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    state.root.chmod(0o700)
    assert done.stdout.startswith("RF905 "), done.stderr


LOOK = """
import os, sys
from pathlib import Path
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir
import sqlite3, fcntl
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
journal = SqliteJournal(StateDir(Path(sys.argv[1])))
print(len(journal.runs()), len(journal.read("r1")), journal.claimed("r1"))
"""


@pytest.mark.parametrize("in_use", [False, True])
def test_what_may_not_be_written_can_be_looked_at(public: Path, in_use: bool) -> None:
    """A copy that nobody uses, and the state that another user's process has open."""
    state = StateDir(public / ".rflow").make()
    journal = SqliteJournal(state)
    journal.create(summary(), [STARTED], 1.0)
    if not in_use:
        journal.close()
    for path in (state.root, *state.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    argv = [sys.executable, "-c", LOOK, str(state.root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    state.root.chmod(0o700)
    if in_use:
        journal.close()
    assert done.stdout == "1 1 None\n", done.stderr


def test_read_only_is_told_whoever_asks(state: StateDir) -> None:
    """As root no mode keeps anybody out; a database opened read-only says the same."""
    journal = SqliteJournal(state)
    journal.create(summary(), [STARTED], 1.0)
    journal._db.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalError) as error:
        journal.transact("r1", 1, [STARTED], 2.0)
    check_error(error.value, "RF905", state)
    assert len(journal.read("r1")) == 1
    journal.close()


def test_the_state_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / ".rflow").write_text("")
    with pytest.raises(Exception, match="RF907") as error:
        SqliteJournal(StateDir(tmp_path / ".rflow"))
    assert "must be a folder" in error.value.help  # type: ignore[attr-defined]


def test_stale_and_twice_write_nothing(journal: SqliteJournal) -> None:
    done = ev.AttemptSucceeded("web", 1)
    journal.create(summary(), [STARTED, done], 1.0)
    fact = journal.post("r1", "cancel", {"by": "lead@example.com"}, 1.0)
    with pytest.raises(Stale) as stale:
        journal.transact("r1", 1, [STARTED], 2.0, facts=[fact.id], take=[("db", "web")])
    assert (stale.value.expected, stale.value.actual) == (1, 2)
    with pytest.raises(TwiceDecided) as twice:
        journal.transact("r1", 2, [STARTED, ev.AttemptFailed("web", 1, {})], 2.0, status="failed")
    assert (twice.value.node, twice.value.attempt) == ("web", 1)
    assert len(journal.read("r1")) == 2
    assert journal.facts("r1") == [fact]
    assert journal.locks() == []
    known = journal.summary("r1")
    assert known is not None
    assert (known.status, known.length) == ("running", 2)


def test_nothing_that_text_cannot_hold_gets_in(journal: SqliteJournal) -> None:
    journal.create(summary(), [STARTED], 1.0)
    for bad in (float("nan"), "\0", "\ud800"):
        with pytest.raises(ValueError):  # noqa: PT011 - each says something else
            journal.transact("r1", 1, [ev.AttemptSucceeded("web", 1, {"x": bad})], 2.0)
    assert len(journal.read("r1")) == 1


WRITER = """
import sys
from pathlib import Path
from rflow.runner import events as ev
from rflow.runner.journal import Stale
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir
journal = SqliteJournal(StateDir(Path(sys.argv[1])))
node, count = sys.argv[2], int(sys.argv[3])
done = 0
while done < count:
    length = len(journal.read("r1"))
    try:
        event = ev.AttemptSucceeded(node, done + 1)
        journal.transact("r1", length, [ev.AttemptStarted(node, done + 1, "k"), event], 2.0)
    except Stale:
        continue
    done += 1
    print(length, flush=True)
"""


def writer(state: StateDir, node: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(state.root), node, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_write_at_once_lose_nothing(state: StateDir) -> None:
    journal = SqliteJournal(state)
    journal.create(summary(), [STARTED], 1.0)
    processes = [writer(state, node, 40) for node in ("a", "b", "c")]
    told = [int(line) for process in processes for line in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    records = journal.read("r1")
    assert sorted(told) == list(range(1, 241, 2))
    assert len(records) == 241
    for started, ended in zip(records[1::2], records[2::2], strict=True):
        assert isinstance(started.event, ev.AttemptStarted)
        assert isinstance(ended.event, ev.AttemptSucceeded)
        assert (started.event.node, started.event.attempt) == (
            ended.event.node,
            ended.event.attempt,
        )
    journal.close()


def test_a_killed_writer_has_written_what_it_was_told_and_nothing_by_halves(
    state: StateDir,
) -> None:
    journal = SqliteJournal(state)
    journal.create(summary(), [STARTED], 1.0)
    process = writer(state, "a", 1_000_000)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    told += [int(line) for line in process.communicate()[0].split()]
    records = journal.read("r1")
    assert len(records) % 2 == 1
    assert len(records) in (told[-1] + 2, told[-1] + 4)
    assert journal.transact("r1", len(records), [STARTED], 3.0)
    journal.close()
    assert len(SqliteJournal(state).read("r1")) == len(records) + 1
