"""Deliveries: every message that may start runs, kept before it is answered, with its verdicts.

Owns the tables `deliveries` and `verdicts`. A delivery is named by its sender's own id, so that one
that is sent again is the same one. It is `kept` until it was worked off, then `done`; what each
trigger said of it stands beside it. Of headers only those are kept that say what it is about, never
a signature or a token.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict
from rflow.plugins.types import Json
from rflow.runner.children import LETTERS
from rflow.runner.problems import StateError
from rflow.server.matching import Rule
from rflow.server.refusals import NO_DELIVERY, NOT_REPLAYABLE
from rflow.server.store import Store

ID_LENGTH = 10
KEPT = "kept"
HEADERS = frozenset(
    {
        "content-type",
        "user-agent",
        "x-event-key",
        "x-forgejo-event",
        "x-gitea-event",
        "x-gitea-event-type",
        "x-github-event",
        "x-github-hook-id",
        "x-gitlab-event",
        "x-gitlab-instance",
        "x-hook-uuid",
        "x-attempt-number",
    }
)
"""What is kept of a delivery's headers."""
HEADER_MAX = 300
KEPT_DAYS = 90

Outcome = Literal["started", "no", "waits", "paused", "refused", "failed", "seen", "ignored"]


class Incoming(Struct, frozen=True):
    """A message as it came in. `source` is the repository or the token that it is about, `key` its
    sender's id for it ("" for none)."""

    host: str
    source: str
    key: str
    event: str
    headers: Mapping[str, str]
    body: bytes
    replay_of: str = ""


class Delivery(Struct, frozen=True):
    """A delivery that is kept. `state` is `kept` or `done`; `trouble` says why it is not done yet,
    `note` what is to be said of it as a whole."""

    seq: int
    id: str
    host: str
    source: str
    key: str
    event: str
    received_at: float
    headers: dict[str, str]
    state: str
    tries: int
    due_at: float
    trouble: str
    note: str
    replay_of: str


class Told(Struct, frozen=True):
    """What became of one event of a delivery at one trigger: which rules were looked at, which run
    was started (""), or why none was. `about` is the event in words."""

    event: int
    about: str
    flow: str
    trigger: str
    outcome: Outcome
    why: str
    run: str = ""
    rules: tuple[Rule, ...] = ()


_COLUMNS = (
    "seq, id, host, source, key, event, received_at, headers, state, tries, due_at, trouble, note, "
    "replay_of"
)


def keep(store: Store, incoming: Incoming, *, state: str = KEPT) -> tuple[str, bool]:
    """Keep a message; its id, and whether it is a new one. It is on disk when this returns. What
    is in another state than `kept` is not worked off."""
    with store.write() as db:
        return put(db, incoming, state)


def put(db: sqlite3.Connection, incoming: Incoming, state: str = KEPT) -> tuple[str, bool]:
    """As `keep`, within a transaction of the store."""
    now = time.time()
    id = "".join(secrets.choice(LETTERS) for _ in range(ID_LENGTH))
    key = incoming.key or f"none-{id}"
    row = db.execute(
        "INSERT INTO deliveries (id, host, source, key, event, received_at, headers, body, state, "
        "tries, due_at, trouble, note, replay_of) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, '', '', ?) "
        "ON CONFLICT (host, source, key) DO NOTHING RETURNING id",
        (
            id,
            incoming.host,
            incoming.source,
            key,
            incoming.event[:HEADER_MAX],
            now,
            json.dumps(_headers(incoming.headers)),
            zlib.compress(incoming.body, 1),
            state,
            now,
            incoming.replay_of,
        ),
    ).fetchone()
    if row is not None:
        return id, True
    (known,) = db.execute(
        "SELECT id FROM deliveries WHERE host = ? AND source = ? AND key = ?",
        (incoming.host, incoming.source, key),
    ).fetchone()
    return known, False


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    return {
        name: given[name][:HEADER_MAX].encode("ascii", "replace").decode()
        for name in sorted(HEADERS.intersection(given))
    }


# -- working them off ------------------------------------------------------------------------------


def due(store: Store, now: float, *, not_of: Iterable[str] = ()) -> Delivery | None:
    """The oldest delivery to be worked off now, of no source that is in `not_of`."""
    away = list(not_of)
    marks = ", ".join("?" * len(away))
    rows = store.read(
        f"SELECT {_COLUMNS} FROM deliveries WHERE state = 'kept' AND due_at <= ? "  # noqa: S608
        f"AND source NOT IN ({marks}) ORDER BY seq LIMIT 1",
        (now, *away),
    )
    return _delivery(rows[0]) if rows else None


def next_due(store: Store) -> float | None:
    """When the next delivery is to be worked off; None if there is none."""
    (row,) = store.read("SELECT min(due_at) AS at FROM deliveries WHERE state = 'kept'")
    at: float | None = row["at"]
    return at


def finish(
    store: Store, id: str, told: Iterable[Told], note: str = "", *, free: bool = False
) -> None:
    """The delivery is worked off: what each trigger said of it. `free`: its sender may use its
    key for another."""
    with store.write() as db:
        put_verdicts(db, id, told)
        db.execute(
            "UPDATE deliveries SET state = 'done', trouble = '', note = ?, tries = tries + 1, "
            "key = CASE WHEN ? THEN 'free-' || id ELSE key END WHERE id = ?",
            (note, free, id),
        )


def in_state(store: Store, state: str) -> list[Delivery]:
    """All deliveries in a state, in order."""
    rows = store.read(f"SELECT {_COLUMNS} FROM deliveries WHERE state = ? ORDER BY seq", (state,))  # noqa: S608
    return [_delivery(row) for row in rows]


def put_verdicts(db: sqlite3.Connection, id: str, told: Iterable[Told]) -> None:
    """Write what triggers said of a delivery, over what they said before."""
    now = time.time()
    db.executemany(
        "INSERT OR REPLACE INTO verdicts (delivery, event, about, flow, trigger, outcome, why, "
        "run, rules, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                id,
                one.event,
                one.about,
                one.flow,
                one.trigger,
                one.outcome,
                one.why,
                one.run,
                json.dumps([asdict(rule) for rule in one.rules]),
                now,
            )
            for one in told
        ],
    )


def postpone(store: Store, delivery: Delivery, until: float, trouble: str) -> None:
    """The delivery could not be worked off now; it is tried again."""
    with store.write() as db:
        db.execute(
            "UPDATE deliveries SET tries = tries + 1, due_at = ?, trouble = ? WHERE id = ?",
            (until, trouble, delivery.id),
        )


def forget_old(store: Store, now: float) -> None:
    """Forget deliveries that were worked off long ago."""
    before = now - KEPT_DAYS * 86400
    with store.write() as db:
        db.execute(
            "DELETE FROM verdicts WHERE delivery IN "
            "(SELECT id FROM deliveries WHERE state = 'done' AND received_at < ?)",
            (before,),
        )
        db.execute("DELETE FROM deliveries WHERE state = 'done' AND received_at < ?", (before,))


# -- looking at them -------------------------------------------------------------------------------


def latest(
    store: Store, *, limit: int = 50, before: int | None = None, flow: str | None = None
) -> list[Delivery]:
    """Deliveries, the newest first; `before` is the number of one, `flow` one whose triggers were
    asked and started something or said why not."""
    about = ""
    values: list[Json] = [before if before is not None else 2**62]
    if flow is not None:
        about = "AND id IN (SELECT delivery FROM verdicts WHERE flow = ?) "
        values.append(flow)
    rows = store.read(
        f"SELECT {_COLUMNS} FROM deliveries WHERE seq < ? {about}ORDER BY seq DESC LIMIT ?",  # noqa: S608
        (*values, limit),
    )
    return [_delivery(row) for row in rows]


def find(store: Store, text: str) -> Delivery:
    """The delivery with this id, or its sender's id for it, else the one whose id begins so.
    StateError if there is none, or more than one."""
    select = f"SELECT {_COLUMNS} FROM deliveries WHERE "  # noqa: S608
    rows = store.read(select + "id = ? OR key = ? LIMIT 2", (text, text))
    if not rows:
        rows = store.read(select + "substr(id, 1, ?) = ? LIMIT 2", (len(text), text))
    if len(rows) == 1 and text:
        return _delivery(rows[0])
    many = "several deliveries begin with" if rows else "there is no delivery"
    raise StateError(NO_DELIVERY, f"{many} `{text}`", "`rflow deliveries` lists them")


def verdicts(store: Store, id: str) -> list[Told]:
    """What triggers said of a delivery, those that started something first."""
    rows = store.read("SELECT * FROM verdicts WHERE delivery = ? ORDER BY event, run = '', flow, "
                      "trigger", (id,))  # fmt: skip
    return [
        Told(
            row["event"],
            row["about"],
            row["flow"],
            row["trigger"],
            row["outcome"],
            row["why"],
            row["run"],
            tuple(Rule(**rule) for rule in json.loads(row["rules"])),
        )
        for row in rows
    ]


def body(store: Store, id: str) -> bytes:
    """What was sent."""
    rows = store.read("SELECT body FROM deliveries WHERE id = ?", (id,))
    return zlib.decompress(rows[0]["body"]) if rows else b""


def replay(store: Store, delivery: Delivery) -> str:
    """Let a delivery be worked off once more, as one of its own; its id. StateError where it
    cannot be."""
    if delivery.host == "webhook":
        raise StateError(NOT_REPLAYABLE, "a call of a webhook cannot be replayed", "send it again")
    again = Incoming(
        delivery.host,
        delivery.source,
        f"replay-{secrets.token_hex(8)}",
        delivery.event,
        delivery.headers,
        body(store, delivery.id),
        delivery.id,
    )
    return keep(store, again)[0]


def _delivery(row: sqlite3.Row) -> Delivery:
    values = {name: row[name] for name in _COLUMNS.split(", ")}
    values["headers"] = json.loads(values["headers"])
    return Delivery(**values)
