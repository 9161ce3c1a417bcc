"""Sessions of people at the pages: signed in with a token, until they sign out. Owns the table
`sessions`.

A session is 256 random bits in a cookie, of which only the SHA-256 is kept; it ends with its time,
or as soon as the token it was opened with does. What a form of a session must carry, so that no
other site can send it, is derived from the cookie and kept nowhere.
"""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256

from msgspec import Struct
from rflow.server import tokens
from rflow.server.store import Store
from rflow.server.tokens import Token

LASTS_S = 30 * 86400.0
SECURE_COOKIE, PLAIN_COOKIE = "__Host-rflow", "rflow"
"""Browsers take the first only over https, and then from no other place."""


class Session(Struct, frozen=True):
    """A session that stands: what it was opened with, and what its forms carry."""

    token: Token
    csrf: str


def open_session(store: Store, token: Token) -> tuple[str, float]:
    """A new session with a token; the cookie's value, and how many seconds it lasts."""
    secret, now = secrets.token_urlsafe(32), time.time()
    ends = min(now + LASTS_S, token.expires_at or now + LASTS_S)
    with store.write() as db:
        db.execute("DELETE FROM sessions WHERE expires_at < ?", (now,))
        db.execute(
            "INSERT INTO sessions (digest, token, created_at, expires_at) VALUES (?, ?, ?, ?)",
            (_digest(secret), token.id, now, ends),
        )
    return secret, ends - now


def find_session(store: Store, secret: str) -> Session | None:
    """The session of a cookie, None if there is none or it has ended."""
    rows = store.read(
        "SELECT token FROM sessions WHERE digest = ? AND expires_at > ?",
        (_digest(secret), time.time()),
    )
    token = tokens.standing(store, rows[0]["token"]) if rows else None
    return Session(token, csrf_of(secret)) if token is not None else None


def close_session(store: Store, secret: str) -> None:
    """End a session; doing so twice does nothing."""
    with store.write() as db:
        db.execute("DELETE FROM sessions WHERE digest = ?", (_digest(secret),))


def csrf_of(secret: str) -> str:
    """What the forms of a session carry."""
    return hmac.new(secret.encode("utf-8", "replace"), b"form", sha256).hexdigest()


def is_csrf(session: Session, given: str) -> bool:
    """Whether a form came from a page of this session."""
    return hmac.compare_digest(session.csrf.encode(), given.encode("utf-8", "replace"))


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
