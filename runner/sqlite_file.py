"""The journal's SQLite file: its schema, making and opening it, and what its errors mean.

This module owns the file as a file; what stands in its tables is `runner.sqlite`'s. It must never
change a file that is not rflow's, or that a newer rflow has written.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from types import TracebackType

from rflow.runner.journal import JournalError
from rflow.runner.problems import BROKEN, CORRUPT, FOREIGN, FULL, LOCKED, NEWER, READ_ONLY
from rflow.runner.state_dir import unusable

APPLICATION_ID = 0x72664C57
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0
CHECKPOINT_PAGES = 200
"""To make the log longer takes the disk half as long again as to write over what it had; so it is
taken into the file, and begun anew, sooner than SQLite does by itself."""
_ROOM_MIN = 64 * 1024

# `events` carries node and attempt only for outcomes: the index on them repeats the rule that an
# outcome counts once. `head` is that of the chain (`runner.chain`). A run's rows lie together, in
# order.
_SCHEMA = """
CREATE TABLE plans (digest TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL UNIQUE,
  flow TEXT NOT NULL,
  stage TEXT,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  status TEXT NOT NULL,
  concluded INTEGER NOT NULL,
  created_at REAL NOT NULL,
  started_at REAL,
  ended_at REAL,
  by TEXT NOT NULL,
  plan TEXT NOT NULL,
  length INTEGER NOT NULL,
  queue TEXT NOT NULL,
  policy TEXT NOT NULL
);
CREATE INDEX runs_by_flow ON runs (flow, seq);
CREATE INDEX runs_by_stage ON runs (stage, seq) WHERE stage IS NOT NULL;
CREATE INDEX runs_by_name ON runs (name);
CREATE INDEX runs_active ON runs (queue, seq) WHERE concluded = 0;
CREATE TABLE events (
  run TEXT NOT NULL,
  number INTEGER NOT NULL,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  version INTEGER NOT NULL,
  node TEXT,
  attempt INTEGER,
  body TEXT NOT NULL,
  head TEXT NOT NULL,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX outcome ON events (run, node, attempt) WHERE node IS NOT NULL;
CREATE TABLE facts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  at REAL NOT NULL
);
CREATE INDEX facts_by_run ON facts (run, id);
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  stage TEXT,
  resource TEXT NOT NULL,
  run TEXT NOT NULL,
  node TEXT NOT NULL,
  before TEXT NOT NULL,
  after TEXT NOT NULL,
  state TEXT NOT NULL,
  at REAL NOT NULL
);
CREATE INDEX changes_by_resource ON changes (resource, seq);
CREATE INDEX changes_by_run ON changes (run, node);
CREATE INDEX changes_by_stage ON changes (stage, seq) WHERE stage IS NOT NULL;
CREATE TABLE ends (run TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE notes (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE locks (
  name TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  node TEXT NOT NULL,
  since REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE settings (
  flow TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (flow, name)
) WITHOUT ROWID;
"""


def open_database(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the file, made where there is none, and check that it is ours. One that this user may
    not write is opened to be looked at."""
    if not path.exists():
        _make(path)
    with Guarded(path):
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            return _open_to_look(path, busy_timeout_s)
        db = sqlite3.connect(
            path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            _check(db, path)
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except BaseException:
            db.close()
            raise
    return db


def _open_to_look(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the file without writing. Where there is no log beside it (a copy of a state that
    nobody used), nothing can change it: SQLite, which could make no log either, is told so."""
    used = any(Path(f"{path}{ending}").exists() for ending in ("-wal", "-shm"))
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if used else '&immutable=1'}"
    db = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, isolation_level=None)
    try:
        _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _make(path: Path) -> None:
    """Make the file aside and link it into place: two processes that start at once both find a
    whole one, and whoever links second uses the other's."""
    aside = path.with_name(f"{path.name}.new-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with Guarded(path):
            os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            db = sqlite3.connect(aside, isolation_level=None)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("BEGIN")
                for statement in _SCHEMA.split(";"):
                    if statement.strip():
                        db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                db.execute("COMMIT")
            finally:
                db.close()
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        problem = unusable(path, error)
        raise JournalError(problem.problem, problem.message, problem.help) from error
    finally:
        for leftover in (aside, Path(f"{aside}-wal"), Path(f"{aside}-shm")):
            leftover.unlink(missing_ok=True)


def _check(db: sqlite3.Connection, path: Path) -> None:
    application: int = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        if path.stat().st_size == 0:
            raise JournalError(
                CORRUPT, f"`{path}` is damaged: it is empty", restore_advice(path.parent)
            )
        raise JournalError(
            FOREIGN,
            f"`{path}` is a database of another program",
            "move it away, or choose another state folder with `--state`",
        )
    if version > SCHEMA_VERSION:
        raise JournalError(
            NEWER,
            f"`{path}` has format {version}; this rflow knows {SCHEMA_VERSION}",
            "update rflow; the file was not changed",
        )


def restore_advice(folder: Path) -> str:
    """What to do about a damaged journal."""
    return (
        f"nothing was changed; put back a copy of `{folder}`, or move `{folder}` away to begin "
        "anew (its runs are then not known any more)"
    )


class Guarded:
    """A context in which sqlite3's errors become problems for people."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.Error) and not isinstance(
            error, sqlite3.ProgrammingError | sqlite3.IntegrityError
        ):
            raise explain(error, self._path) from error
        if isinstance(error, UnicodeDecodeError):  # a name in the file's own tables is damaged
            raise JournalError(
                CORRUPT,
                f"`{self._path}` is damaged: {error}",
                restore_advice(self._path.parent),
            ) from error


def explain(error: sqlite3.Error, path: Path) -> JournalError:
    """What an error of SQLite's means for people, and what to do."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = str(error)
    folder = path.parent
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _no_room(folder)):
        return JournalError(
            FULL,
            f"no room on the disk for `{path}`",
            "make room, then go on with `rflow resume`; nothing that was recorded is lost",
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalError(CORRUPT, f"`{path}` is damaged: {text}", restore_advice(folder))
    if "decode to UTF-8" in text:
        return JournalError(
            CORRUPT, f"`{path}` is damaged: a record of it is no text", restore_advice(folder)
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalError(
            LOCKED,
            f"`{path}` is in use by another program",
            "end the program that holds it (a backup, a database browser), then run rflow again",
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return JournalError(
            READ_ONLY,
            f"`{path}` cannot be written: {text}",
            f"make `{folder}` and the files in it writable for you, or use `--state`",
        )
    return JournalError(
        BROKEN, f"`{path}` cannot be read or written: {text}", f"check the disk of `{folder}`"
    )


def _no_room(folder: Path) -> bool:
    """Whether an error of the disk is one of room: SQLite maps a file for its log's index, and
    calls it an input/output error where there is no room for that."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _ROOM_MIN
