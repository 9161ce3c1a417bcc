"""`database.backup` and `database.restore` with a real PostgreSQL server, started here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from rflow.plugins import NodeError
from rflow.plugins.kinds.database import Backup, Restore
from rflow.plugins.local_context import LocalContext, run_node

pytestmark = pytest.mark.slow

PASSWORD = "p/w @%"


def _programs() -> Path | None:
    """The folder with `initdb`, which Debian does not put on the PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    return Path(versions[-1]).parent if versions else None


def _user() -> list[str]:
    """Before a command: a user who is not root, whom the server refuses."""
    return [] if os.geteuid() else ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Server:
    """A server that listens in a folder only; `url` is the database of its test."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        if not os.geteuid():
            os.chown(folder, 65534, 65534)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._as_user(
            "initdb",
            "--no-sync",
            "--username=owner",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            f"--pgdata={folder / 'data'}",
        )
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB"
        self._as_user(
            "pg_ctl", "start", "-w", "-D", f"{folder / 'data'}", "-l", f"{folder / 'log'}",
            "-o", options,
        )  # fmt: skip
        self.count = 0

    def stop(self) -> None:
        self._as_user("pg_ctl", "stop", "-m", "immediate", "-D", f"{self.folder / 'data'}")

    def _as_user(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [*_user(), str(self.programs / program), *words],
            cwd=self.folder,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stdout!r}"

    def url(self, database: str, user: str = "owner") -> str:
        folder = quote(str(self.folder), safe="")
        return f"postgresql://{user}:{quote(PASSWORD, safe='')}@{folder}/{database}"

    def sql(self, text: str, database: str = "postgres", user: str = "owner") -> str:
        """What a script prints."""
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database, user), "-c", text],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def new(self, owner: str = "owner") -> str:
        """A new, empty database."""
        self.count += 1
        self.sql(f"CREATE DATABASE shop{self.count} OWNER {owner}")
        return f"shop{self.count}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = _programs()
    if programs is None or shutil.which("pg_dump") is None:
        reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # A socket's path is short, and others must be able to go there.
    folder = Path(tempfile.mkdtemp(prefix="rflow-pg-"))
    folder.chmod(0o755)
    try:
        server = Server(folder, programs)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


SCHEMA = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE SCHEMA audit;
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE DOMAIN price AS numeric CHECK (VALUE >= 0);
CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE "Order" (
  id serial PRIMARY KEY, customer int REFERENCES customer, colour colour, price price
) ;
CREATE INDEX ON customer USING gin (name gin_trgm_ops);
CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO audit.log (what) VALUES (TG_OP); RETURN NEW; END $$;
CREATE TABLE audit.log (at timestamptz DEFAULT now(), what text);
CREATE TRIGGER note AFTER INSERT ON customer FOR EACH ROW EXECUTE FUNCTION audit.note();
CREATE VIEW customers AS SELECT count(*) AS number FROM customer;
CREATE MATERIALIZED VIEW names AS SELECT name FROM customer;
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1';
CREATE PUBLICATION changes FOR TABLE customer;
INSERT INTO customer (name) VALUES ('one'), ('two');
INSERT INTO "Order" (customer, colour, price) VALUES (1, 'red', 9.5);
SELECT lo_from_bytea(4711, 'large');
"""

MIGRATION = """
CREATE EXTENSION IF NOT EXISTS hstore;
ALTER TABLE customer ADD COLUMN email text;
CREATE TABLE address (id int PRIMARY KEY, customer int REFERENCES customer, kind colour);
CREATE VIEW emails AS SELECT email FROM customer;
CREATE SCHEMA crm;
CREATE TABLE crm.lead (customer int REFERENCES public.customer);
CREATE TYPE pair AS (a int, b colour);
CREATE FUNCTION mail(colour) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE tidy() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int);
CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq);
CREATE PUBLICATION everything FOR ALL TABLES;
DROP VIEW customers;
DROP FUNCTION twice;
DELETE FROM "Order";
INSERT INTO customer (name) VALUES ('three');
SELECT lo_from_bytea(4712, 'larger');
SELECT lo_unlink(4711);
"""


def _dump(server: Server, database: str) -> str:
    """All that is in a database, as text."""
    done = subprocess.run(
        ["pg_dump", "-d", server.url(database)], capture_output=True, text=True, check=True
    )
    return "\n".join(
        line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrest"))
    )


def test_what_a_migration_did_is_gone(server: Server, ctx: LocalContext) -> None:
    database = server.new()
    url = server.url(database)
    server.sql(SCHEMA, database)
    before = _dump(server, database)

    kept = run_node(Backup(url), ctx)
    assert kept.engine == "postgresql"
    assert kept.version.startswith(server.sql("SHOW server_version").split(" ")[0])
    assert ctx.artifacts.path(kept.backup).stat().st_size == kept.size

    server.sql(MIGRATION, database)
    assert _dump(server, database) != before
    for attempt in (2, 3):  # putting it back twice does nothing more
        run_node(Restore(url, kept.backup), ctx.next(attempt))
        assert _dump(server, database) == before
    server.sql("INSERT INTO customer (name) VALUES ('four')", database)
    assert server.sql("SELECT max(id) FROM customer", database) == "3"


def test_nobody_but_the_owner_is_needed(server: Server, ctx: LocalContext) -> None:
    server.sql(f"CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'")
    database = server.new("plain")
    server.sql("CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore", database)  # by another
    server.sql(
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)", database, user="plain"
    )
    before = _dump(server, database)
    url = server.url(database, "plain")
    kept = run_node(Backup(url), ctx)
    server.sql("CREATE TABLE b (a int REFERENCES a); DELETE FROM a", database, user="plain")
    server.sql("CREATE EXTENSION fuzzystrmatch", database)
    run_node(Restore(url, kept.backup), ctx.next())
    after = _dump(server, database)
    server.sql("DROP EXTENSION fuzzystrmatch", database)  # another's, so that it was left
    assert after != before
    assert _dump(server, database) == before


def test_a_restore_that_fails_changes_nothing(server: Server, ctx: LocalContext) -> None:
    database = server.new()
    server.sql("CREATE TABLE a (id int); INSERT INTO a VALUES (1)", database)
    kept = run_node(Backup(server.url(database)), ctx)
    server.sql("CREATE TABLE b (id int)", database)
    now = _dump(server, database)
    holder = subprocess.Popen(
        ["psql", "-XAtq", "-d", server.url(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        holder.stdin.write("BEGIN; SELECT count(*) FROM a;\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "1\n"
        with pytest.raises(NodeError, match="`psql` ended with status 3"):
            run_node(Restore(server.url(database), kept.backup, wait=0.05), ctx.next())
        holder.stdin.close()
    assert _dump(server, database) == now


def test_the_password_is_in_no_argument_and_no_log(
    server: Server, ctx: LocalContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    process = ctx.process

    def watched(argv: list[str], **given: object) -> object:
        seen.extend(argv)
        return process(argv, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(ctx, "process", watched)
    database = server.new()
    url = server.url(database).replace("postgresql:", "postgres+asyncpg:")
    kept = run_node(Backup(url), ctx)
    run_node(Restore(f"{url}?application_name=shop", kept.backup), ctx)
    named = f"postgresql://owner@/{database}?host={quote(str(server.folder), safe='')}"
    run_node(Backup(f"{named}&password={quote(PASSWORD)}"), ctx)
    for secret in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe="")):
        assert not [text for text in (*seen, *ctx.lines) if secret in text]
    with pytest.raises(NodeError, match="`psql` ended"):
        run_node(Backup(url.replace("%2Fw", "x")), ctx)


def test_programs_that_are_missing_or_too_old(
    server: Server, ctx: LocalContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = server.url(server.new())
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=None)
    with pytest.raises(NodeError, match="no `pg_dump` on the PATH"):
        run_node(Backup(url), ctx)
    old = folder / "pg_dump"
    old.write_text(f"#!{sys.executable}\nprint('pg_dump (PostgreSQL) 9.6.1')\n")
    old.chmod(0o755)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    with pytest.raises(NodeError, match="of version 9 and the server of"):
        run_node(Backup(url), ctx)


FLOW = """
rflow 1

flow release {
  secret dsn from env "SHOP_DSN"
  node backup: database.backup { url = $<secrets.dsn> }
  node migrate: sh {
    script = "psql -X -q -v ON_ERROR_STOP=1 -d $<secrets.dsn> -f migrate.sql"
    undo database.restore { url = $<secrets.dsn>  backup = $<refs.backup.backup> }
  }
  node check: sh after migrate { script = "false"  retry none  pure }
  on failure rollback
}
"""


def test_a_release_that_fails_takes_its_migration_back(
    server: Server, rflow: Any, tmp_path: Path
) -> None:
    database = server.new()
    server.sql(SCHEMA, database)
    before = _dump(server, database)
    (tmp_path / "release.rflow").write_text(FLOW)
    (tmp_path / "migrate.sql").write_text(MIGRATION)
    said = rflow("run", "release.rflow", "--yes", code=3, SHOP_DSN=server.url(database))
    assert "migrate  success" in said
    assert _dump(server, database) == before
    for file in (tmp_path / ".rflow").rglob("*"):
        assert not file.is_file() or quote(PASSWORD, safe="").encode() not in file.read_bytes()


def test_a_copy_of_another_engine_is_refused(server: Server, ctx: LocalContext) -> None:
    database = server.new()
    server.sql("CREATE TABLE a (id int)", database)
    wrong = ctx.artifacts.put_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(NodeError, match="is of sqlite, `url` is of postgresql"):
        run_node(Restore(server.url(database), wrong), ctx)
    cut = ctx.artifacts.put_bytes(
        ctx.artifacts.path(run_node(Backup(server.url(database)), ctx).backup).read_bytes()[:200]
    )
    with pytest.raises(NodeError, match="`pg_restore` ended with"):
        run_node(Restore(server.url(database), cut), ctx)
    assert server.sql("SELECT count(*) FROM a", database) == "0"
