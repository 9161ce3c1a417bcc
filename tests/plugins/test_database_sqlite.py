"""`database.backup` and `database.restore` with real SQLite databases, and addresses."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from rflow.plugins import NodeError
from rflow.plugins.kinds import database
from rflow.plugins.kinds.database import Backup, Restore
from rflow.plugins.kinds.database_postgres import Postgres
from rflow.plugins.kinds.database_sqlite import Sqlite
from rflow.plugins.local_context import LocalContext, run_node


def execute(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            str(connection.execute("PRAGMA user_version").fetchone()),
            str(connection.execute("PRAGMA journal_mode").fetchone()),
            *connection.iterdump(),
        ]


@pytest.fixture
def shop(ctx: LocalContext) -> Path:
    path = ctx.directory / "shop.db"
    execute(
        path,
        "PRAGMA user_version = 7; CREATE TABLE customer (name text);"
        "INSERT INTO customer VALUES ('one'), ('two'); DELETE FROM customer WHERE rowid = 1",
    )
    return path


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("change", ["", "PRAGMA page_size = 8192; VACUUM"])
def test_there_and_back(ctx: LocalContext, shop: Path, mode: str, change: str) -> None:
    execute(shop, f"PRAGMA journal_mode = {mode}")
    before = dump(shop)
    kept = run_node(Backup("sqlite:///shop.db"), ctx)
    assert (kept.engine, kept.version) == ("sqlite", sqlite3.sqlite_version)
    assert ctx.artifacts.path(kept.backup).stat().st_size == kept.size
    if change:
        execute(shop, f"PRAGMA journal_mode = delete; {change}; PRAGMA journal_mode = {mode}")
    execute(shop, "PRAGMA user_version = 8; DROP TABLE customer; CREATE TABLE other (x)")
    for attempt in (2, 3):
        run_node(Restore(str(shop), kept.backup), ctx.next(attempt))
        assert dump(shop) == before
    assert sorted(p.name for p in (ctx.root / "artifacts").iterdir()) == [kept.backup[7:]]


def test_who_has_it_open_sees_what_was_put_back(ctx: LocalContext, shop: Path) -> None:
    execute(shop, "PRAGMA journal_mode = wal")
    kept = run_node(Backup("shop.db"), ctx)
    with closing(sqlite3.connect(shop)) as program:
        program.execute("CREATE TABLE other (x)")
        program.commit()
        run_node(Restore("shop.db", kept.backup), ctx.next())
        names = [name for (name,) in program.execute("SELECT name FROM sqlite_schema")]
        assert names == ["customer"]
        program.execute("INSERT INTO customer VALUES ('three')")
        program.commit()
    assert "'three'" in "".join(dump(shop))


def test_what_is_not_committed_is_not_kept(ctx: LocalContext, shop: Path) -> None:
    execute(shop, "PRAGMA journal_mode = wal")
    before = dump(shop)
    with closing(sqlite3.connect(shop)) as program:
        program.execute("DELETE FROM customer")
        kept = run_node(Backup("shop.db"), ctx)
        program.commit()
    run_node(Restore("shop.db", kept.backup), ctx.next())
    assert dump(shop) == before


def test_a_database_that_others_keep_locked(ctx: LocalContext, shop: Path) -> None:
    kept = run_node(Backup("shop.db"), ctx)
    now = dump(shop)
    with closing(sqlite3.connect(shop, isolation_level=None)) as program:
        program.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NodeError, match="locked") as raised:
            run_node(Restore("shop.db", kept.backup, wait=0.1), ctx.next())
        assert raised.value.retry
        with pytest.raises(NodeError, match="locked"):
            run_node(Backup("shop.db", wait=0.1), ctx.next())
    assert dump(shop) == now


def test_it_ends_when_it_is_asked_to(ctx: LocalContext, shop: Path) -> None:
    kept = run_node(Backup("shop.db"), ctx)
    later = ctx.next()
    later.cancel()
    with closing(sqlite3.connect(shop, isolation_level=None)) as program:
        program.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NodeError, match="it was ended"):
            run_node(Restore("shop.db", kept.backup, wait=3600), later)


def test_a_database_that_is_gone_comes_back(ctx: LocalContext, shop: Path) -> None:
    before = dump(shop)
    kept = run_node(Backup("shop.db"), ctx)
    shop.unlink()
    run_node(Restore("shop.db", kept.backup), ctx.next())
    assert dump(shop) == before


def test_nothing_is_put_back_that_is_not_what_was_kept(ctx: LocalContext, shop: Path) -> None:
    kept = run_node(Backup("shop.db"), ctx)
    now = dump(shop)
    file = ctx.artifacts.path(kept.backup)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    other = ctx.artifacts.put_bytes(b"PGDMP...")
    text = ctx.artifacts.put_bytes(b"hello")
    for digest, message in (
        (kept.backup, "is damaged"),
        (other, "of postgresql, `url` is of sqlite"),
        (text, "is no backup"),
        ("sha256:0", "not kept"),
    ):
        with pytest.raises(NodeError, match=message):
            run_node(Restore("shop.db", digest), ctx.next())
    assert dump(shop) == now


def test_no_backup_of_what_is_damaged_or_missing(ctx: LocalContext, shop: Path) -> None:
    (ctx.directory / "text").write_text("no database, and long enough to be looked at" * 20)
    with pytest.raises(NodeError, match="not a database"):
        run_node(Backup("text"), ctx)
    with pytest.raises(NodeError, match="no database at"):
        run_node(Backup("none.db"), ctx)
    assert not (ctx.directory / "none.db").exists()
    execute(shop, "CREATE INDEX names ON customer (name)")
    damaged = bytearray(shop.read_bytes())
    damaged[-4096:] = bytes([255]) * 4096
    shop.write_bytes(damaged)
    with pytest.raises(NodeError, match=r"damaged|malformed"):
        run_node(Backup("shop.db"), ctx)


PATHS: list[tuple[str, Callable[[Path], Path]]] = [
    ("shop.db", lambda folder: folder / "shop.db"),
    ("/srv/shop.db", lambda _: Path("/srv/shop.db")),
    ("sqlite:///a b/shop.db", lambda folder: folder / "a b" / "shop.db"),
    ("sqlite:////srv/shop.db", lambda _: Path("/srv/shop.db")),
    ("sqlite+aiosqlite:///shop.db?timeout=3", lambda folder: folder / "shop.db"),
]


@pytest.mark.parametrize(("url", "path"), PATHS)
def test_addresses_of_files(ctx: LocalContext, url: str, path: Callable[[Path], Path]) -> None:
    assert database.engine_of(ctx, url, 1) == Sqlite(path(ctx.directory), 1)


@pytest.mark.parametrize(
    ("url", "without", "password"),
    [
        ("postgresql://db/shop", "postgresql://db/shop", None),
        ("postgres://u@db:5433/shop", "postgresql://u@db:5433/shop", None),
        ("postgresql+psycopg://u:a%2Fb%40+c@h1,h2:2/s", "postgresql://u@h1,h2:2/s", "a/b@+c"),
        ("postgresql://u:p:q@[::1]/s?sslmode=require", "postgresql://u@[::1]/s?sslmode=require",
         "p:q"),
        ("postgresql://?host=/run&password=p%20q&user=u", "postgresql://?host=/run&user=u", "p q"),
    ],
)  # fmt: skip
def test_addresses_of_servers(
    ctx: LocalContext, url: str, without: str, password: str | None
) -> None:
    found = database.engine_of(ctx, url, 1)
    assert isinstance(found, Postgres)
    assert found.url == without
    assert found.secrets == ({} if password is None else {"PGPASSWORD": password})
    assert password is None or password not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "mysql://u:hidden@db/shop",
        "sqlite://shop.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "postgresql:shop",
        "postgresql://u:hid/den@db/shop",
        "postgresql://u:hid@den@db/shop",
        "postgresql://u:hid%0Aden@db/shop",
        "postgresql://u@db/shop?sslpassword=hidden",
        "a\nb",
    ],
)
def test_addresses_that_are_none(ctx: LocalContext, url: str) -> None:
    with pytest.raises(NodeError, match="`url`") as raised:
        database.engine_of(ctx, url, 1)
    assert not raised.value.retry
    assert "hid" not in raised.value.message
