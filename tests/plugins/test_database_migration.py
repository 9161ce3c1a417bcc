"""A migration that is undone, through `rflow run`: data back, schema back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FLOW = """
rflow 1

flow release {
  arg breaks: bool = false
  secret dsn from env "SHOP_DSN"

  node backup: database.backup { url = $<secrets.dsn> }
  node migrate: sh {
    script = "python3 migrate.py"
    env = { DSN = $<secrets.dsn> }
    undo database.restore { url = $<secrets.dsn>  backup = $<refs.backup.backup> }
  }
  node check: sh after migrate {
    script = "test $BREAKS = no"
    env = { BREAKS = if $<args.breaks> then "yes" else "no" }
    retry none
    pure
  }
  on failure rollback
}
"""

MIGRATE = """
import os, sqlite3
database = sqlite3.connect(os.environ["DSN"].removeprefix("sqlite:///"))
database.executescript('''
  ALTER TABLE customer ADD COLUMN mail text;
  DELETE FROM customer WHERE name = 'one';
  CREATE TABLE address (customer text);
''')
database.close()
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "release.rflow").write_text(FLOW)
    (tmp_path / "migrate.py").write_text(MIGRATE)
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE customer (name text); INSERT INTO customer VALUES ('one'), ('two')"
        )
    return path


def dump(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump())


def test_a_release_that_fails_takes_its_migration_back(rflow: Any, shop: Path) -> None:
    before = dump(shop)
    flow = ("run", "release.rflow", "--yes")
    said = rflow(
        *flow, "--arg", "breaks=true", "--name", "bad", code=3, SHOP_DSN="sqlite:///shop.db"
    )
    assert "undo:migrate" in said
    assert dump(shop) == before

    rflow(*flow, "--name", "good", SHOP_DSN="sqlite:///shop.db")
    assert "address" in dump(shop)
    shown = json.loads(rflow("show", "good", "backup", "--format", "json"))
    outputs = shown["outputs"]
    assert outputs["engine"] == "sqlite"
    digest = outputs["backup"].removeprefix("sha256:")
    assert (shop.parent / ".rflow" / "artifacts" / digest[:2] / digest).is_file()
