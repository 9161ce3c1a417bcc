"""The audit log: who changed what, when, from where, and how it ended. Owns the table `audit`.

A line is on disk before the change is tried, with no outcome; the outcome is added when it is
known. A line without one is a change during which the server ended. Lines are never changed
otherwise, and never removed. Values of secrets never stand in one: `detail` says names.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct
from rflow.plugins.types import Json
from rflow.runner.problems import StateError
from rflow.server.store import Store
from rflow.server.tokens import Principal

TEXT_MAX = 500
DONE = "done"


class Entry(Struct, frozen=True):
    """A line. `action` is what was done (`run.start`), `object` to what (a run, a flow, a stage);
    `outcome` is `done`, `refused: …`, `failed`, or "" where it is not known."""

    seq: int
    at: float
    who: str
    role: str
    token: str
    address: str
    action: str
    object: str
    detail: dict[str, Json]
    outcome: str


class Change(Struct):
    """A change that goes on; `object` and `detail` may be told more of while it does."""

    object: str
    detail: dict[str, Json]


@contextmanager
def change(
    store: Store, who: Principal, action: str, object: str, detail: Mapping[str, Json] | None = None
) -> Iterator[Change]:
    """Log what is done within: before it is tried, and how it ended."""
    going = Change(object, dict(detail or {}))
    with store.write() as db:
        seq = db.execute(
            "INSERT INTO audit (at, who, role, token, address, action, object, detail, outcome) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",
            (
                time.time(),
                who.name,
                who.role,
                who.token,
                who.address,
                action,
                _cut(object),
                _json(going.detail),
            ),
        ).lastrowid
    outcome = "failed"
    try:
        yield going
        outcome = DONE
    except StateError as error:
        outcome = f"refused: {error}"
        raise
    finally:
        with store.write() as db:
            db.execute(
                "UPDATE audit SET object = ?, detail = ?, outcome = ? WHERE seq = ?",
                (_cut(going.object), _json(going.detail), _cut(outcome), seq),
            )


def listed(store: Store, *, limit: int = 50, before: int | None = None) -> list[Entry]:
    """Lines, the newest first; `before` is the number of one."""
    rows = store.read(
        "SELECT seq, at, who, role, token, address, action, object, detail, outcome FROM audit "
        "WHERE seq < ? ORDER BY seq DESC LIMIT ?",
        (before if before is not None else 1 << 62, limit),
    )
    return [
        Entry(**{**{key: row[key] for key in row.keys()}, "detail": json.loads(row["detail"])})  # noqa: SIM118
        for row in rows
    ]


def _cut(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def _json(detail: Mapping[str, Json]) -> str:
    shown = {name: _cut(of) if isinstance(of, str) else of for name, of in detail.items()}
    return json.dumps(shown, ensure_ascii=True)
