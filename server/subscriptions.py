"""Subscriptions to events: who is told of what, and the messages that are to be sent.

Theory of operation. Journal records are read in order (`tailing`). In one transaction the messages
that they become are queued for all who want them, and how far each run was read is noted, so that
a crash neither loses nor doubles one in the queue. A message is sent at least once (`sending`),
under an id that never changes. Owns the tables `subscriptions`, `subscription_messages` and
`subscription_cursors`. The address and the secret of a subscription are sealed with the state's
key: an address is often a secret itself.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping

from msgspec import Struct
from rflow.plugins.signing import message_id, new_secret
from rflow.runner.children import LETTERS
from rflow.runner.events import Record
from rflow.runner.journal import RunSummary
from rflow.runner.problems import StateError
from rflow.runner.secrets import Key
from rflow.server import destination, notices
from rflow.server.refusals import BAD_SUBSCRIPTION, NO_SUBSCRIPTION
from rflow.server.store import Store

ID_LENGTH = 8
KEPT = 200
"""How many messages of a subscription are kept after they have been dealt with."""


class Subscription(Struct, frozen=True):
    """A subscription, without what is secret. `host` is the part of its address that is none;
    `flow` and `stage` narrow it ("" for all). `waiting` messages are still to be sent;
    `failing_since` is when sending began to fail; `disabled` says why nothing is sent any more
    ("" while it is)."""

    id: str
    host: str
    events: list[str]
    flow: str
    stage: str
    created_at: float
    created_by: str
    waiting: int
    failing_since: float | None
    disabled: str


class Added(Struct, frozen=True):
    """A subscription that was just made; `secret` is shown this once."""

    subscription: Subscription
    secret: str


class Message(Struct, frozen=True):
    """A message: `state` is `waiting`, `delivered` or `failed`; `status` is what it was last
    answered with (None: nothing), `error` why it was not taken, `due` when it is tried next."""

    number: int
    id: str
    type: str
    run: str
    state: str
    attempts: int
    status: int | None
    error: str
    queued_at: float
    tried_at: float | None
    due: float | None


def add(
    store: Store,
    key: Key,
    url: str,
    events: Iterable[str],
    *,
    by: str,
    lengths: Mapping[str, int],
    flow: str = "",
    stage: str = "",
) -> Added:
    """Subscribe an address. `lengths` are the runs there are, with the number of their events:
    what happened before now is told nobody. StateError for what cannot be subscribed."""
    wanted = list(dict.fromkeys(events)) or ["*"]
    try:
        destination.checked(url)
    except destination.Refused as error:
        raise StateError(
            BAD_SUBSCRIPTION, str(error), "give the address of your receiver"
        ) from None
    for pattern in wanted:
        if notices.unknown(pattern):
            raise StateError(
                BAD_SUBSCRIPTION,
                f"there is no event `{pattern}`",
                f"there are {', '.join(notices.ALL)}; `run.*` means all of runs",
            )
    id = "".join(secrets.choice(LETTERS) for _ in range(ID_LENGTH))
    secret = new_secret()
    with store.write() as db:
        if not db.execute("SELECT 1 FROM subscriptions").fetchone():
            db.execute("DELETE FROM subscription_cursors")
            db.executemany("INSERT INTO subscription_cursors VALUES (?, ?)", lengths.items())
        db.execute(
            "INSERT INTO subscriptions (id, host, url, secret, events, flow, stage, created_at, "
            "created_by, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                id,
                destination.shown(url),
                key.seal(url, _about(id, "url")),
                key.seal(secret, _about(id, "secret")),
                json.dumps(wanted),
                flow,
                stage,
                now := time.time(),
                by,
                now,
            ),
        )
    return Added(found(store, id), secret)


def listed(store: Store) -> list[Subscription]:
    """All of them, the oldest first."""
    return [_subscription(row) for row in store.read(_SELECT + "ORDER BY created_at, id")]


def found(store: Store, id: str) -> Subscription:
    """The subscription with this id, or the only one whose id begins so. StateError if none."""
    rows = store.read(_SELECT + "WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2", (id,))
    if len(rows) != 1 or not id:
        raise StateError(
            NO_SUBSCRIPTION,
            f"there is no subscription `{id}`",
            "`rflow subscriptions list` shows them",
        )
    return _subscription(rows[0])


def remove(store: Store, id: str) -> Subscription:
    """End a subscription, and forget its messages."""
    one = found(store, id)
    with store.write() as db:
        db.execute("DELETE FROM subscription_messages WHERE subscription = ?", (one.id,))
        db.execute("DELETE FROM subscriptions WHERE id = ?", (one.id,))
    return one


def enable(store: Store, id: str) -> Subscription:
    """Send again what happens from now on."""
    one = found(store, id)
    with store.write() as db:
        db.execute(
            "UPDATE subscriptions SET disabled = '', failing_since = NULL, failures = 0, "
            "paused_until = 0, since = ? WHERE id = ?",
            (time.time(), one.id),
        )
    return found(store, one.id)


def test(store: Store, id: str) -> int:
    """Queue a message that says nothing; its number."""
    one, now = found(store, id), time.time()
    text = notices.message(notices.TEST, now, {"subscription": one.id})
    with store.write() as db:
        number = db.execute(
            _QUEUE, (one.id, "", time.time_ns(), notices.TEST, text, now, now)
        ).lastrowid
    assert number is not None
    return number


def messages(store: Store, id: str, *, limit: int = 50, before: int | None = None) -> list[Message]:
    """The messages of a subscription, the newest first."""
    rows = store.read(
        "SELECT * FROM subscription_messages WHERE subscription = ? AND id < ? "
        "ORDER BY id DESC LIMIT ?",
        (found(store, id).id, before if before is not None else 1 << 62, limit),
    )
    return [_message(row) for row in rows]


def resend(store: Store, id: str, number: int) -> Message:
    """Send a message again, at once and whatever became of it, under the same id."""
    one, now = found(store, id), time.time()
    with store.write() as db:
        changed = db.execute(
            "UPDATE subscription_messages SET state = 'waiting', attempts = 0, due = ?, error = '' "
            "WHERE id = ? AND subscription = ?",
            (now, number, one.id),
        ).rowcount
        db.execute("UPDATE subscriptions SET paused_until = 0 WHERE id = ?", (one.id,))
        if not changed:
            raise StateError(
                NO_SUBSCRIPTION,
                f"the subscription `{one.id}` has no message {number}",
                f"`rflow subscriptions deliveries {one.id}` lists the last ones",
            )
    (row,) = store.read("SELECT * FROM subscription_messages WHERE id = ?", (number,))
    return _message(row)


# -- the queue -----------------------------------------------------------------------------------


def cursors(store: Store) -> dict[str, int] | None:
    """How far each run was read, None where nobody is subscribed."""
    if not store.read("SELECT 1 FROM subscriptions LIMIT 1"):
        return None
    return {row["run"]: row["number"] for row in store.read("SELECT * FROM subscription_cursors")}


def queue(store: Store, batch: Iterable[tuple[RunSummary, list[Record]]], url: str) -> int:
    """Queue the messages that these records become, and note that they were read; how many."""
    if not store.read("SELECT 1 FROM subscriptions LIMIT 1"):
        return 0
    count = 0
    with store.write() as db:
        wanted = db.execute("SELECT * FROM subscriptions WHERE disabled = ''").fetchall()
        patterns = {row["id"]: json.loads(row["events"]) for row in wanted}
        for summary, records in batch:
            for record in records:
                for row in wanted:
                    if _wants(row, patterns[row["id"]], summary, record):
                        count += _put(db, row["id"], summary, record, url)
            db.execute(
                "INSERT INTO subscription_cursors VALUES (?, ?) "
                "ON CONFLICT (run) DO UPDATE SET number = excluded.number",
                (summary.run, records[-1].number),
            )
    return count


def _wants(row: sqlite3.Row, patterns: list[str], summary: RunSummary, record: Record) -> bool:
    type = notices.type_of(record.event)
    stage, whole = row["stage"], summary.stage or ""
    return (
        type is not None
        and record.at >= row["since"]
        and notices.matches(patterns, type)
        and row["flow"] in ("", summary.flow)
        and stage in ("", whole, whole.partition(".")[2])
    )


def _put(db: sqlite3.Connection, id: str, summary: RunSummary, record: Record, url: str) -> int:
    text = notices.body(summary, record, url)
    type, now = notices.type_of(record.event), time.time()
    return db.execute(_QUEUE, (id, summary.run, record.number, type, text, now, now)).rowcount


_SELECT = (
    "SELECT *, (SELECT count(*) FROM subscription_messages WHERE subscription = s.id "
    "AND state = 'waiting') AS waiting FROM subscriptions AS s "
)
_QUEUE = (
    "INSERT OR IGNORE INTO subscription_messages "
    "(subscription, run, event, type, body, queued_at, due) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def _about(id: str, what: str) -> str:
    return f"{what} of subscription {id}"


def opened(key: Key, id: str, row: sqlite3.Row) -> tuple[str, str]:
    """The address and the secret of a subscription."""
    return key.open(row["url"], _about(id, "url")), key.open(row["secret"], _about(id, "secret"))


def wire_id(subscription: str, run: str, event: int) -> str:
    """The id under which a message is sent."""
    return message_id(subscription, run, str(event))


def _subscription(row: sqlite3.Row) -> Subscription:
    return Subscription(
        row["id"],
        row["host"],
        json.loads(row["events"]),
        row["flow"],
        row["stage"],
        row["created_at"],
        row["created_by"],
        row["waiting"],
        row["failing_since"],
        row["disabled"],
    )


def _message(row: sqlite3.Row) -> Message:
    return Message(
        row["id"],
        wire_id(row["subscription"], row["run"], row["event"]),
        row["type"],
        row["run"],
        row["state"],
        row["attempts"],
        row["status"],
        row["error"],
        row["queued_at"],
        row["tried_at"],
        row["due"],
    )
