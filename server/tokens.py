"""Bearer tokens: who may call the server, and as whom. Owns the tables `tokens` and `signins`.

A token is `rflow_ID_SECRET`: the id finds the line, the secret is 256 random bits of which only the
SHA-256 is kept. It is shown once, when it is made. Nothing here knows HTTP, so that the command
line can make tokens without a server.
"""

from __future__ import annotations

import hmac
import re
import secrets
import sqlite3
import time
from hashlib import sha256
from typing import Literal, get_args

from msgspec import Struct
from rflow.runner.children import LETTERS
from rflow.runner.problems import StateError
from rflow.server.refusals import BAD_TOKEN, NO_TOKEN
from rflow.server.store import Store

Role = Literal["view", "run", "approve", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From least to most: each includes those before it."""

ID_LENGTH = 10
NAME_MAX = 100
USED_STEP_S = 60.0
"""`used_at` is written at most so often."""
SIGN_IN_S = 15 * 60.0
LINK = "the sign-in link of "
_TOKEN = re.compile(r"rflow_([a-z2-9]{10})_([A-Za-z0-9_-]{43})")
_COLUMNS = "id, name, role, created_at, created_by, expires_at, used_at, revoked_at"


class Token(Struct, frozen=True):
    """A token, without its secret. `name` is the `by` of what is done with it."""

    id: str
    name: str
    role: Role
    created_at: float
    created_by: str
    expires_at: float | None
    used_at: float | None
    revoked_at: float | None


class Principal(Struct, frozen=True):
    """Who does something: the name and the role of a token, its id, and the address that it came
    from. `token` is "" for somebody without one."""

    name: str
    role: Role
    token: str = ""
    address: str = ""


class Made(Struct, frozen=True):
    """A token that was just made; `secret` is its whole text, which is not kept."""

    token: Token
    secret: str


def includes(role: Role, wanted: Role) -> bool:
    """Whether who has a role may do what asks for another."""
    return ROLES.index(role) >= ROLES.index(wanted)


def create(store: Store, name: str, role: str, *, by: str, expires_at: float | None = None) -> Made:
    """Make a token. StateError where it cannot be one."""
    name, now = name.strip(), time.time()
    if not name or len(name) > NAME_MAX or not name.isprintable():
        raise StateError(BAD_TOKEN, "a token needs a name", "name who or what will use it")
    if role not in ROLES:
        listed = ", ".join(ROLES)
        raise StateError(BAD_TOKEN, f"there is no role `{role}`", f"the roles are: {listed}")
    if expires_at is not None and expires_at <= now:
        raise StateError(BAD_TOKEN, "its end is past", "give a time to come")
    id, secret = _id(), secrets.token_urlsafe(32)
    with store.write() as db:
        db.execute(
            "INSERT INTO tokens (id, name, role, digest, created_at, created_by, expires_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (id, name, role, _digest(secret), now, by, expires_at),
        )
    return Made(_known(store, id), f"rflow_{id}_{secret}")


def valid(store: Store, text: str) -> Token | None:
    """The token with this text, None if there is none, or it is revoked or past its end."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return None
    rows = store.read(f"SELECT {_COLUMNS}, digest FROM tokens WHERE id = ?", (found[1],))  # noqa: S608
    digest = bytes(rows[0]["digest"]) if rows else b"\0" * 32
    if not hmac.compare_digest(digest, _digest(found[2])) or not rows:
        return None
    token, now = _token(rows[0]), time.time()
    if not _stands(token, now):
        return None
    if token.used_at is None or now - token.used_at > USED_STEP_S:
        with store.write() as db:
            db.execute("UPDATE tokens SET used_at = ? WHERE id = ?", (now, token.id))
    return token


def standing(store: Store, id: str) -> Token | None:
    """The token with this id if it may still be used: for what was signed in with it."""
    rows = store.read(f"SELECT {_COLUMNS} FROM tokens WHERE id = ?", (id,))  # noqa: S608
    token = _token(rows[0]) if rows else None
    return token if token is not None and _stands(token, time.time()) else None


def listed(store: Store) -> list[Token]:
    """All tokens, the newest first, those included that were revoked."""
    return [
        _token(row)
        for row in store.read(f"SELECT {_COLUMNS} FROM tokens ORDER BY created_at DESC, id")  # noqa: S608
    ]


def any_stands(store: Store) -> bool:
    """Whether there is a token with which somebody could come in, but for sign-in links'."""
    now = time.time()
    return any(_stands(t, now) and not t.created_by.startswith(LINK) for t in listed(store))


def revoke(store: Store, id: str) -> Token:
    """End a token at once; doing so twice does nothing. StateError if there is none."""
    _known(store, id)
    with store.write() as db:
        db.execute(
            "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            (time.time(), id),
        )
    return _known(store, id)


def rotate(store: Store, id: str) -> Made:
    """Give a token another secret; the old one ends at once. StateError if it does not stand."""
    token, secret = _known(store, id), secrets.token_urlsafe(32)
    if not _stands(token, time.time()):
        raise StateError(
            BAD_TOKEN, f"the token {id} was revoked, or is past its end", "make another one"
        )
    with store.write() as db:
        db.execute(
            "UPDATE tokens SET digest = ?, used_at = NULL WHERE id = ?", (_digest(secret), id)
        )
    return Made(_known(store, id), f"rflow_{id}_{secret}")


# -- the first sign-in -------------------------------------------------------------------------


def sign_in_code(store: Store, name: str) -> str:
    """A code with which `name` can sign in once, as admin, within 15 minutes: for the person at
    the terminal of a server that has no token yet."""
    code, now = secrets.token_urlsafe(32), time.time()
    with store.write() as db:
        db.execute("DELETE FROM signins WHERE expires_at < ?", (now,))
        db.execute(
            "INSERT INTO signins (digest, name, expires_at) VALUES (?, ?, ?)",
            (_digest(code), name, now + SIGN_IN_S),
        )
    return code


def redeem(store: Store, code: str, *, lasts_s: float = 12 * 3600.0) -> Made | None:
    """Use a sign-in code: an admin token for the one who has it, None if it is used or past."""
    with store.write() as db:
        row = db.execute(
            "DELETE FROM signins WHERE digest = ? AND expires_at > ? RETURNING name",
            (_digest(code), time.time()),
        ).fetchone()
    if row is None:
        return None
    by = LINK + row["name"]
    return create(store, row["name"], "admin", by=by, expires_at=time.time() + lasts_s)


# -- lines of the tables -----------------------------------------------------------------------


def _id() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(ID_LENGTH))


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _stands(token: Token, now: float) -> bool:
    ended = token.expires_at is not None and token.expires_at <= now
    return token.revoked_at is None and not ended


def _known(store: Store, id: str) -> Token:
    rows = store.read(f"SELECT {_COLUMNS} FROM tokens WHERE id = ?", (id,))  # noqa: S608
    if not rows:
        raise StateError(NO_TOKEN, f"there is no token `{id}`", "`rflow token list` lists them")
    return _token(rows[0])


def _token(row: sqlite3.Row) -> Token:
    return Token(*(row[name] for name in _COLUMNS.split(", ")))
