"""Backups of PostgreSQL, by its own programs.

The password goes to them in the environment, never in their arguments, which every user of the
machine can see. What is put back is put back in one transaction: everything in the database is
dropped and made anew, so that what was made since the backup is gone and nothing of it stands in
the way. `pg_restore --clean` drops only what the backup knows of, and fails where something newer
depends on that.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote_plus

from rflow.plugins import Context, NodeError
from rflow.plugins.kinds.database_schema import drop_all

_IN_ENVIRONMENT = {"password": "PGPASSWORD"}
_NEVER = ("sslpassword",)
_EXTENSION = re.compile(r"^\d+; 3079 \d+ EXTENSION - (.+?) *$", re.MULTILINE)
_LEFT_OUT = re.compile(r"^\d+; \d+ \d+ (?:SUBSCRIPTION|COMMENT - (?:EXTENSION|SUBSCRIPTION)) ")


@dataclass(frozen=True)
class Postgres:
    """See `database.Engine`. `url` is without a password, `secrets` are variables that hold it."""

    url: str
    secrets: dict[str, str] = field(repr=False)
    wait_s: float
    name: ClassVar[str] = "postgresql"

    @classmethod
    def of(cls, rest: str, wait_s: float) -> Postgres:
        """The database of an address, `rest` being what follows `postgresql://`."""
        where, _, query = rest.partition("?")
        authority, slash, name = where.partition("/")
        user, at, hosts = authority.rpartition("@")
        if "@" in name or "@" in user:
            raise NodeError(
                "the user or the password in `url` must be percent-encoded: `/` is `%2F`, `@` is "
                "`%40`",
                retry=False,
            )
        user, _, password = user.partition(":")
        secrets = {"PGPASSWORD": unquote_plus(password.replace("+", "%2B"))} if password else {}
        kept: list[str] = []
        for part in filter(None, query.split("&")):
            key, _, value = part.partition("=")
            if key in _IN_ENVIRONMENT:
                secrets[_IN_ENVIRONMENT[key]] = unquote_plus(value.replace("+", "%2B"))
            elif key in _NEVER:
                raise NodeError(f"`url` cannot have `{key}`", retry=False)
            else:
                kept.append(part)
        if any("\0" in value or "\n" in value for value in secrets.values()):
            raise NodeError("the password in `url` cannot be given to PostgreSQL", retry=False)
        tail = f"?{'&'.join(kept)}" if kept else ""
        return cls(f"postgresql://{user}{at}{hosts}{slash}{name}{tail}", secrets, wait_s)

    def backup(self, ctx: Context, to: Path) -> str:
        version = self._version(ctx, "pg_dump")
        self._run(
            ctx,
            "pg_dump",
            f"--dbname={self.url}",
            "--format=custom",
            f"--lock-wait-timeout={max(1, round(self.wait_s * 1000))}",
            f"--file={to}",
        )
        return version

    def restore(self, ctx: Context, source: Path) -> None:
        version = self._version(ctx, "pg_restore")
        listing, script, before = (ctx.scratch / name for name in ("list", "restore.sql", "drop"))
        self._run(ctx, "pg_restore", "--list", f"--file={listing}", str(source))
        lines = listing.read_text("utf-8", "surrogateescape").splitlines(keepends=True)
        kept = "".join(line for line in lines if not _LEFT_OUT.match(line))
        listing.write_text(kept, "utf-8", "surrogateescape")
        # With this option the script begins a transaction, in which it is already, and ends it.
        self._run(
            ctx,
            "pg_restore",
            "--single-transaction",
            f"--use-list={listing}",
            f"--file={script}",
            str(source),
        )
        if int(version.partition(".")[0]) < 17:
            _leave_out(script, b"SET transaction_timeout = 0;")
        before.write_text(drop_all(self.wait_s, _EXTENSION.findall(kept)), "utf-8")
        self._psql(ctx, "--output=/dev/null", f"--file={before}", f"--file={script}")

    def _version(self, ctx: Context, tool: str) -> str:
        """The server's version; NodeError if it cannot be reached, or is newer than the tool."""
        for program in (tool, "psql"):
            if shutil.which(program, path=ctx.environment().get("PATH")) is None:
                raise NodeError(
                    f"there is no `{program}` on the PATH: install PostgreSQL's programs for "
                    "clients (Debian: postgresql-client)",
                    retry=False,
                )
        server = self._psql(ctx, "-At", "--command=SHOW server_version", capture=True).strip()
        said = ctx.process([tool, "--version"], capture=True).stdout
        own = re.search(r"\) (\d+)", said)
        theirs = re.match(r"\d+", server)
        if own and theirs and int(own[1]) < int(theirs[0]):
            raise NodeError(
                f"`{tool}` is of version {own[1]} and the server of {theirs[0]}: install that "
                f"version or a newer one (Debian: postgresql-client-{theirs[0]})",
                retry=False,
            )
        return server

    def _psql(self, ctx: Context, *words: str, capture: bool = False) -> str:
        options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={self.url}")
        return self._run(ctx, "psql", *options, *words, capture=capture)

    def _run(self, ctx: Context, program: str, *words: str, capture: bool = False) -> str:
        connects = any(word.startswith("--dbname=") for word in words)
        argv = [program, *(["--no-password"] if connects else []), *words]
        env = {
            **ctx.environment(),
            "PGAPPNAME": "rflow",
            "PGCONNECT_TIMEOUT": "30",
            **self.secrets,
        }
        done = ctx.process(argv, env=env, capture=capture)
        if done.returncode:
            raise NodeError(
                f"`{program}` ended with status {done.returncode}; the log has what it said"
            )
        return done.stdout


def _leave_out(script: Path, line: bytes) -> None:
    """Make a comment of a line at the beginning of a script, for a server that does not know it."""
    with open(script, "r+b") as file:
        at = file.read(8192).find(line)
        if at >= 0:
            file.seek(at)
            file.write(b"--")
