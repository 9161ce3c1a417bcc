"""What a plain repository says: its `post-receive` hook, or the server that looked at it.

    {"repository": ADDRESS, "updates": [{"ref": "refs/heads/main", "before": SHA, "after": SHA}]}

The hook that `rflow hook install` writes sends the lines git gives it, `BEFORE AFTER REF`, as
text. Commits and files are asked of the repository.
"""

from __future__ import annotations

import json
from typing import Any

from rflow.server.events import NOTHING, GitEvent, Ignored
from rflow.server.hosts.reading import (
    Headers,
    Malformed,
    addresses,
    dig,
    items,
    ref_name,
    same,
    sha,
    text,
)

UPDATES_MAX = 1000


def verified(secret: bytes, headers: Headers, body: bytes) -> bool:
    """Whether the message carries the secret."""
    given = headers.get("authorization", "")
    scheme, _, token = given.partition(" ")
    known = same(secret.decode("utf-8", "replace"), token.strip())
    return known and scheme.lower() == "bearer"


def delivery(headers: Headers, body: bytes) -> str:
    """The id of the delivery; the same when it is sent again."""
    return headers.get("x-rflow-delivery", "")


def event_name(headers: Headers, payload: dict[str, Any]) -> str:
    """What the message is about."""
    return "push"


def recognises(payload: dict[str, Any]) -> bool:
    """Whether a message without headers looks like this."""
    return isinstance(payload.get("updates"), list)


def read(headers: Headers, payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    """The events of a message. Malformed if it is not of the form above."""
    found = [event for update in items(payload, "updates") if (event := _update(payload, update))]
    return tuple(found) or Ignored("only deletions, or refs that are neither branches nor tags")


def repos(payload: dict[str, Any]) -> tuple[str, ...]:
    """The address of the repository that a message is about."""
    return addresses(dig(payload, "repository"))


def _update(payload: dict[str, Any], update: Any) -> GitEvent | None:
    kind, _, name = text(update, "ref").removeprefix("refs/").partition("/")
    if text(update, "after") in NOTHING or kind not in ("heads", "tags"):
        return None
    after, before = sha(update, "after"), text(update, "before", "")
    by = text(payload, "by", "")
    if kind == "tags":
        return GitEvent("tag", repos(payload), after, tag=ref_name(name, "ref"), by=by)
    before = "" if before in NOTHING else before
    return GitEvent(
        "push", repos(payload), after, branch=ref_name(name, "ref"), before=before, by=by
    )


def from_lines(repository: str, lines: str, by: str = "") -> bytes:
    """The message for the lines that git gives to a `post-receive` hook."""
    updates = []
    for line in lines.splitlines():
        before, _, rest = line.strip().partition(" ")
        after, _, ref = rest.partition(" ")
        if not ref:
            raise Malformed("a line is not `BEFORE AFTER REF`")
        updates.append({"ref": ref, "before": before, "after": after})
    if not 0 < len(updates) <= UPDATES_MAX:
        raise Malformed(f"it has {len(updates)} updates: at least one, at most {UPDATES_MAX}")
    return json.dumps({"repository": repository, "updates": updates, "by": by}).encode()
