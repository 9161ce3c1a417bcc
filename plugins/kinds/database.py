"""`database.backup` and `database.restore`: all that is in a database, kept and put back.

What is done for which engine stands in `database_sqlite` and `database_postgres`; this module
owns the kinds and how `url` is read. Neither the log nor an error ever holds the address, which
may hold a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Protocol

from rflow.plugins import Artifact, Context, Doc, Duration, Node, NodeError, TakesSecret, Trusted

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_URL = (
    "The database: `postgresql://user:password@host/name`, `sqlite:///path` or a path, relative "
    "to the flow's file. `sqlite:////path` is absolute."
)
_WAIT = "How long others may keep it locked before the attempt fails."


class Engine(Protocol):
    """One database."""

    name: ClassVar[str]
    """`sqlite` or `postgresql`."""

    def backup(self, ctx: Context, to: Path) -> str:
        """Writes all that is in it, as of one moment, to a file; the engine's version."""

    def restore(self, ctx: Context, source: Path) -> None:
        """Makes it what it was, all or nothing."""


@dataclass(frozen=True)
class Backup(Node, kind="database.backup", repeatable=True):
    """Keep a copy of a SQLite or PostgreSQL database in the artifact store.

    The copy is of one moment; others may go on reading and writing. It is known by its digest, so
    that what is put back later is what was kept. Whoever can read the state folder can read it.
    PostgreSQL's own `pg_dump` and `psql` make it; they must not be older than the server.
    """

    url: Annotated[str, TakesSecret, Trusted, Doc(_URL)]
    wait: Annotated[Duration, Doc(_WAIT)] = 30.0

    @dataclass(frozen=True)
    class Outputs:
        backup: Annotated[Artifact, Doc("The copy, for `database.restore`.")]
        size: Annotated[int, Doc("Its size in bytes.")]
        engine: Annotated[str, Doc("`sqlite` or `postgresql`.")]
        version: Annotated[str, Doc("The version of the engine.")]
        taken: Annotated[str, Doc("When it was begun: `2026-03-01T12:00:00Z`.")]

    def run(self, ctx: Context) -> Outputs:
        engine = engine_of(ctx, self.url, self.wait)
        taken = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        file = ctx.scratch / "backup"
        file.unlink(missing_ok=True)
        version = engine.backup(ctx, file)
        size = file.stat().st_size
        digest = ctx.artifacts.put_file(file)
        ctx.log(f"kept {size} bytes as {digest}")
        return self.Outputs(digest, size, engine.name, version, taken)


@dataclass(frozen=True)
class Restore(Node, kind="database.restore", effect="database", repeatable=True):
    """Put back what `database.backup` kept. What was written since is lost.

    Everything that is in the database goes, tables made since too, and the copy takes its place,
    in one transaction: if it fails, the database is as it was. Meant for the `undo` of what
    changes the database. PostgreSQL's own `pg_restore` and `psql` do it; roles, settings of the
    database and subscriptions are no part of a copy and are left.
    """

    url: Annotated[str, TakesSecret, Trusted, Doc(_URL)]
    backup: Annotated[Artifact, Doc("The copy.")]
    wait: Annotated[Duration, Doc(_WAIT)] = 30.0

    @dataclass(frozen=True)
    class Outputs:
        engine: Annotated[str, Doc("`sqlite` or `postgresql`.")]

    def run(self, ctx: Context) -> Outputs:
        engine = engine_of(ctx, self.url, self.wait)
        source = ctx.artifacts.path(self.backup)
        _check(source, self.backup, engine.name)
        engine.restore(ctx, source)
        ctx.log(f"the database is what it was in {self.backup}")
        return self.Outputs(engine.name)


def engine_of(ctx: Context, url: str, wait_s: float) -> Engine:
    """What an address means. `sqlite+driver:` and `postgresql+driver:`, as programs write them,
    are taken too."""
    from rflow.plugins.kinds.database_postgres import Postgres
    from rflow.plugins.kinds.database_sqlite import Sqlite

    if not url.strip() or any(ord(letter) < 32 for letter in url):
        raise NodeError("`url` is no address of a database", retry=False)
    scheme = _SCHEME.match(url)
    if scheme is None:
        return Sqlite(ctx.directory / url, wait_s)
    rest = url[scheme.end() :]
    match scheme[1].lower().partition("+")[0]:
        case "postgresql" | "postgres" if rest.startswith("//"):
            return Postgres.of(rest[2:], wait_s)
        case "sqlite" if rest.startswith("///"):
            path = rest[3:].partition("?")[0]
            if not path or path == ":memory:":
                raise NodeError("`url` names no file of a database", retry=False)
            return Sqlite(ctx.directory / path, wait_s)
        case _:
            raise NodeError(
                "`url` is no address of a database: it is `postgresql://…`, `sqlite:///path` or a "
                "path",
                retry=False,
            )


def _check(source: Path, digest: str, engine: str) -> None:
    """That the file is whole, and of this engine."""
    import hashlib

    with open(source, "rb") as file:
        start = file.read(16)
        file.seek(0)
        found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if found != digest:
        raise NodeError(f"the backup {digest} is damaged: nothing was changed", retry=False)
    kinds = {b"SQLite format 3\0": "sqlite", b"PGDMP": "postgresql"}
    made = next((name for magic, name in kinds.items() if start.startswith(magic)), None)
    if made is None:
        raise NodeError(f"{digest} is no backup of a database", retry=False)
    if made != engine:
        raise NodeError(f"the backup is of {made}, `url` is of {engine}", retry=False)
