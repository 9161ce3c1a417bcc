"""Signatures of messages over HTTP, as Standard Webhooks 1.0.0 defines them.

    webhook-id         names the message; the same each time it is sent
    webhook-timestamp  when it was sent, in seconds since 1970
    webhook-signature  `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; several, with a
                       space in between, while a secret is being changed

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
Standard library only. This module must never put a secret into an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
"""What a secret begins with that is written in base64."""

TOLERANCE_S = 300.0
"""How old, or how far in the future, a signature that is verified may be."""

_BYTES_MIN = 24
_BYTES_MAX = 64


class SigningError(ValueError):
    """A secret cannot be used, or a signature is not right; the text says why."""


def new_secret() -> str:
    """A secret nobody has had before: `whsec_` and base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def message_id(*parts: str) -> str:
    """The id of the message that these parts name, whatever stands in them."""
    digest = hashlib.sha256()
    for part in parts:
        text = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text))
        digest.update(text)
    return f"msg_{digest.hexdigest()[:32]}"


def signed(secret: str | Sequence[str], id: str, at: float, body: bytes) -> dict[str, str]:
    """The headers of a message that is sent at `at` with this body.

    A secret is `whsec_…`, or any text of 24 bytes or more, which is then used as it is. With
    several secrets there is a signature of each. SigningError for a secret that cannot be used.
    """
    if not id or "." in id or not id.isascii() or not id.isprintable():
        raise SigningError("the id of a signed message is plain text without a full stop")
    each = [secret] if isinstance(secret, str) else secret
    signatures = [_signature(_key(one), id, str(int(at)), body) for one in each]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": " ".join(signatures),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The id of a message that was signed with this secret; SigningError if it was not, or too
    long ago. The names of the headers are in small letters."""
    try:
        id, at = headers["webhook-id"], headers["webhook-timestamp"]
        given = headers["webhook-signature"]
    except KeyError as error:
        raise SigningError(f"the header {error.args[0]} is missing") from None
    if not (at.isascii() and at.isdigit() and len(at) < 16):
        raise SigningError("the header webhook-timestamp is no number of seconds")
    if abs(now - int(at)) > TOLERANCE_S:
        raise SigningError("the message was signed too long ago, or in the future")
    expected = _signature(_key(secret), id, at, body).encode()
    for signature in given.split(" "):
        if hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape")):
            return id
    raise SigningError("no signature is right")


def _signature(key: bytes, id: str, at: str, body: bytes) -> str:
    content = f"{id}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise SigningError(f"what stands behind {PREFIX} in the secret is no base64") from None
        if not _BYTES_MIN <= len(key) <= _BYTES_MAX:
            raise SigningError(f"the secret has {len(key)} bytes, not {_BYTES_MIN} to {_BYTES_MAX}")
        return key
    key = secret.encode("utf-8", "surrogatepass")
    if len(key) < _BYTES_MIN:
        raise SigningError(f"the secret has {len(key)} bytes; it takes {_BYTES_MIN} or more")
    return key
