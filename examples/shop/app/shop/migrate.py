"""Brings a database to the newest schema: `python3 -m shop.migrate FILE`.

A migration is a file `migrations/NNNN_name.sql`. Each runs in a transaction together with the new
version number, so that a migration that is cut off leaves nothing, and running them again is safe.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def version(database: sqlite3.Connection) -> int:
    number: int = database.execute("PRAGMA user_version").fetchone()[0]
    return number


def numbered() -> list[tuple[int, Path]]:
    return sorted((int(path.name[:4]), path) for path in MIGRATIONS.glob("*.sql"))


def newest() -> int:
    """The version of the schema that this release was written for."""
    return numbered()[-1][0]


def migrate(file: str | Path) -> list[str]:
    """The names of the migrations that were done."""
    done = []
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for number, path in numbered():
            if number > version(database):
                sql = path.read_text(encoding="utf-8")
                database.executescript(
                    f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;"
                )
                done.append(path.stem)
    return done


if __name__ == "__main__":
    for name in migrate(sys.argv[1]) or ["nothing to do"]:
        print(f"migrated: {name}")
