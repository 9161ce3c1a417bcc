"""Backups of SQLite, by SQLite's own online backup.

A copy goes page by page under the locks of both databases: the source's one moment, the
destination's one transaction. A file is never put in the place of another, since a program that
has it open, or a journal beside it, would then belong to the wrong database.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from rflow.plugins import Context, NodeError

_PAGES = 2048
_SLEEP_S = 0.05


@dataclass(frozen=True)
class Sqlite:
    """See `database.Engine`."""

    path: Path
    wait_s: float
    name: ClassVar[str] = "sqlite"

    def backup(self, ctx: Context, to: Path) -> str:
        if not self.path.is_file():
            raise NodeError(f"there is no database at `{self.path}`", retry=False)
        with (
            _opened(self.path, "mode=ro", self.wait_s) as source,
            _opened(to, "mode=rwc", 0) as copy,
        ):
            source.execute("BEGIN")  # one moment, however many steps the copy takes
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            self._copy(ctx, source, copy)
        with _opened(to, "mode=ro&immutable=1", 0) as copy:
            _check(copy, "the database is damaged; no backup was kept")
        return sqlite3.sqlite_version

    def restore(self, ctx: Context, source: Path) -> None:
        if not self.path.parent.is_dir():
            raise NodeError(f"there is no folder `{self.path.parent}`", retry=False)
        # What is in the store must not get a journal beside it.
        with (
            _opened(source, "mode=ro&immutable=1", 0) as copy,
            _opened(self.path, "mode=rwc", 0) as target,
        ):
            try:
                self._copy(ctx, copy, target)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_READONLY:
                    raise
                # Its pages have another size, and it has a write-ahead log: SQLite changes the
                # one only without the other. The copy says whether there is a log afterwards.
                self._wait(target)
                target.execute("PRAGMA journal_mode = delete")
                self._copy(ctx, copy, target)
            self._wait(target)
            _check(target, "the database is damaged after it was put back")

    def _wait(self, target: sqlite3.Connection) -> None:
        """Let what follows wait for locks. While copying, `_copy` does so itself."""
        target.execute(f"PRAGMA busy_timeout = {round(self.wait_s * 1000)}")

    def _copy(self, ctx: Context, source: sqlite3.Connection, to: sqlite3.Connection) -> None:
        last = time.monotonic()

        def watch(status: int, _left: int, _total: int) -> None:
            nonlocal last
            if ctx.cancelled():
                raise NodeError("it was ended before the copy was whole", retry=False)
            if status not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                last = time.monotonic()
            elif time.monotonic() - last > self.wait_s:
                raise NodeError(f"`{self.path}` was locked by others for {self.wait_s:g} s")

        source.backup(to, pages=_PAGES, progress=watch, sleep=_SLEEP_S)


@contextmanager
def _opened(path: Path, how: str, wait_s: float) -> Iterator[sqlite3.Connection]:
    """A connection, closed at the end; its errors are NodeErrors."""
    connection = None
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?{how}", uri=True, timeout=wait_s, isolation_level=None
        )
        yield connection
    except sqlite3.Error as error:
        raise NodeError(f"`{path}`: {error}") from None
    finally:
        if connection is not None:
            connection.close()


def _check(database: sqlite3.Connection, message: str) -> None:
    if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise NodeError(message, retry=False)
