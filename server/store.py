"""The server's own file, `server.db` beside the journal. Owns the connections and the schema's
version; what stands in the tables belongs to the modules that use them.

Each thread has a connection of its own. A change is on disk when `write` has ended without an
exception; with one, nothing of it is.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rflow.runner.problems import StateError
from rflow.runner.state_dir import StateDir
from rflow.server.refusals import BAD_STORE
from rflow.server.schema import TABLES, VERSION

NAME = "server.db"
APPLICATION_ID = 0x72665356
BUSY_TIMEOUT_S = 10.0


class Store:
    """The file; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open it, and make it where there is none. StateError if it cannot be used."""
        self.path = path
        self._here = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        try:
            self._prepare()
        except sqlite3.Error as error:
            raise StateError(
                BAD_STORE,
                f"`{path}` cannot be used: {error}",
                "it may be moved away: runs are not in it, tokens and deliveries are",
            ) from None

    @classmethod
    def beside(cls, state: StateDir) -> Store:
        """That of a state folder."""
        return cls(state.root / NAME)

    def _prepare(self) -> None:
        if not self.path.exists():
            self.path.touch(mode=0o600)
        db = self._connection()
        db.execute("PRAGMA journal_mode = WAL")
        with self.write() as db:
            (ours,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if ours not in (0, APPLICATION_ID):
                raise sqlite3.DatabaseError("it is not a file of rflow's server")
            if version > VERSION:
                raise sqlite3.DatabaseError("a newer rflow has written it")
            for statement in TABLES.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._here, "db", None)
        if found is None:
            found = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            found.execute("PRAGMA synchronous = FULL")
            found.row_factory = sqlite3.Row
            self._here.db = found
            with self._lock:
                self._all.append(found)
        return found

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when it ends; undone by an exception. Not to be nested."""
        db = self._connection()
        with self._writing:  # SQLite would let threads that wait sleep, and be woken by no one
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query, by name or number."""
        return self._connection().execute(sql, values).fetchall()

    def close(self) -> None:
        """Close all connections; no thread may use the store any more."""
        with self._lock:
            for db in self._all:
                db.close()
            self._all.clear()
