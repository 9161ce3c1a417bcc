"""The tokens of webhooks: whoever has one may start one flow, or tell of one repository. Owns the
table `webhooks`.

A token is 256 random bits, shown once; what is kept is its SHA-256. Rotating gives it another text,
the old one ends at once. One that asks for signed calls has a second secret, sealed with the key of
the state.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3
import time
from hashlib import sha256
from typing import Literal

from msgspec import Struct
from rflow.runner.children import LETTERS
from rflow.runner.problems import StateError
from rflow.runner.secrets import Key
from rflow.server.refusals import BAD_WEBHOOK, NO_WEBHOOK
from rflow.server.store import Store

ID_LENGTH = 8
RATE = 60
USED_STEP_S = 60.0

Kind = Literal["flow", "repository"]
_COLUMNS = "id, kind, target, trigger, signing, rate, created_at, created_by, used_at, revoked_at"


class Webhook(Struct, frozen=True):
    """A token without its text. `target` is a flow's name or a repository's key; `signing` is the
    sealed secret of its signatures ("" for none); `rate` how often a minute it may be used."""

    id: str
    kind: Kind
    target: str
    trigger: str
    signing: str
    rate: int
    created_at: float
    created_by: str
    used_at: float | None
    revoked_at: float | None


class Made(Struct, frozen=True):
    """A webhook that was just made: the texts of its token and of its signing secret ("")."""

    webhook: Webhook
    token: str
    signing: str = ""


def create(
    store: Store,
    key: Key,
    kind: Kind,
    target: str,
    *,
    by: str,
    trigger: str = "",
    signed: bool = False,
    rate: int = RATE,
) -> Made:
    """Make one."""
    id = "".join(secrets.choice(LETTERS) for _ in range(ID_LENGTH))
    token = secrets.token_urlsafe(32)
    signing = secrets.token_urlsafe(32) if signed else ""
    sealed = key.seal(signing, f"webhook {id}") if signed else ""
    with store.write() as db:
        db.execute(
            "INSERT INTO webhooks (id, digest, kind, target, trigger, signing, rate, created_at, "
            "created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (id, _digest(token), kind, target, trigger, sealed, rate, time.time(), by),
        )
    return Made(find(store, id), token, signing)


def valid(store: Store, token: str, kind: Kind) -> Webhook | None:
    """The webhook with this token; None if there is none, or it was revoked."""
    digest = _digest(token)
    rows = store.read(f"SELECT {_COLUMNS}, digest FROM webhooks WHERE digest = ?", (digest,))  # noqa: S608
    if not rows or not hmac.compare_digest(bytes(rows[0]["digest"]), digest):
        return None
    found = _webhook(rows[0])
    if found.kind != kind or found.revoked_at is not None:
        return None
    now = time.time()
    if found.used_at is None or now - found.used_at > USED_STEP_S:
        with store.write() as db:
            db.execute("UPDATE webhooks SET used_at = ? WHERE id = ?", (now, found.id))
    return found


def signature(secret: str, query: bytes, body: bytes) -> str:
    """The signature of a call: `sha256=` and the HMAC-SHA256 of its query, a newline, its body."""
    digest = hmac.new(secret.encode(), query + b"\n" + body, sha256).hexdigest()
    return f"sha256={digest}"


def is_signed(webhook: Webhook, key: Key, given: str, query: bytes, body: bytes) -> bool:
    """Whether the call is signed as the webhook asks for."""
    if not webhook.signing:
        return True
    wanted = signature(key.open(webhook.signing, f"webhook {webhook.id}"), query, body)
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace"))


def chosen(flow: str, named: list[str], wanted: str) -> str:
    """The webhook trigger that is meant. StateError where there is none."""
    if wanted in named or (not wanted and len(named) == 1):
        return wanted or named[0]
    listed = ", ".join(f"`{name}`" for name in named)
    if not named:
        message = f"the flow `{flow}` declares no webhook trigger"
        raise StateError(BAD_WEBHOOK, message, "add `trigger hook: webhook` to it")
    message = f"the flow `{flow}` has no webhook trigger `{wanted}`"
    if not wanted:
        message = f"the flow `{flow}` has several webhook triggers"
    raise StateError(BAD_WEBHOOK, message, f"there are: {listed}")


def rotate(store: Store, key: Key, id: str) -> Made:
    """Give it another token (and signing secret, if it has one). StateError if it is revoked."""
    webhook = find(store, id)
    if webhook.revoked_at is not None:
        raise StateError(BAD_WEBHOOK, f"the webhook {webhook.id} is revoked", "make another one")
    token = secrets.token_urlsafe(32)
    signing = secrets.token_urlsafe(32) if webhook.signing else ""
    sealed = key.seal(signing, f"webhook {webhook.id}") if signing else ""
    with store.write() as db:
        db.execute(
            "UPDATE webhooks SET digest = ?, signing = ?, used_at = NULL WHERE id = ?",
            (_digest(token), sealed, webhook.id),
        )
    return Made(find(store, webhook.id), token, signing)


def revoke(store: Store, id: str) -> Webhook:
    """End it at once; doing so twice does nothing."""
    webhook = find(store, id)
    with store.write() as db:
        db.execute(
            "UPDATE webhooks SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            (time.time(), webhook.id),
        )
    return find(store, webhook.id)


def listed(store: Store, target: str | None = None) -> list[Webhook]:
    """All of them, the newest first; those of one flow or repository."""
    rows = store.read(
        f"SELECT {_COLUMNS} FROM webhooks WHERE ? IS NULL OR target = ? "  # noqa: S608
        "ORDER BY created_at DESC, id",
        (target, target),
    )
    return [_webhook(row) for row in rows]


def find(store: Store, id: str) -> Webhook:
    """The webhook with this id. StateError if there is none."""
    rows = store.read(f"SELECT {_COLUMNS} FROM webhooks WHERE id = ?", (id,))  # noqa: S608
    if not rows:
        raise StateError(
            NO_WEBHOOK, f"there is no webhook `{id}`", "`rflow webhook list` lists them"
        )
    return _webhook(rows[0])


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _webhook(row: sqlite3.Row) -> Webhook:
    return Webhook(*(row[name] for name in _COLUMNS.split(", ")))
