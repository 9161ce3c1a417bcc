"""One push, heard of twice: by a hook and by polling. Owns the table `sightings`.

Hooks tell every push, each in a message of its own; polling sees now and then where a branch
stands. So a branch that polling found at a commit is the same push as the one that a hook told
since the look before (or tells yet), and only as one: a branch that goes back to an old commit is a
new push.
"""

from __future__ import annotations

import time

from rflow.server.deliveries import Delivery
from rflow.server.events import GitEvent
from rflow.server.store import Store

POLL = "poll"
BEFORE_S = 24 * 3600.0
"""For how long a hook may come after the look that saw its push."""
SLACK_S = 120.0
"""How much earlier than the look before a hook's message may be for the same push."""


def twin(store: Store, delivery: Delivery, number: int, event: GitEvent, since: float) -> str:
    """The delivery by which this very push is known already, "" if it is news. `since` is when
    polling had looked before. Asked again of the same one, the answer is the same."""
    if delivery.replay_of or event.what == "pull_request":
        return ""
    ref = f"refs/tags/{event.tag}" if event.what == "tag" else f"refs/heads/{event.branch}"
    polled = delivery.event == POLL
    at = delivery.received_at
    with store.write() as db:
        known = db.execute(
            "SELECT twin FROM sightings WHERE delivery = ? AND event = ?", (delivery.id, number)
        ).fetchone()
        if known is not None:
            return str(known["twin"])
        other = db.execute(
            "SELECT delivery, event FROM sightings WHERE repository = ? AND ref = ? AND sha = ? "
            "AND polled = ? AND NOT paired AND at >= ? ORDER BY at LIMIT 1",
            (delivery.source, ref, event.sha, not polled,
             since - SLACK_S if polled else at - BEFORE_S),
        ).fetchone()  # fmt: skip
        found = str(other["delivery"]) if other is not None else ""
        db.execute(
            "INSERT INTO sightings (delivery, event, repository, ref, sha, polled, at, twin, "
            "paired) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (delivery.id, number, delivery.source, ref, event.sha, polled, at, found, bool(found)),
        )
        if other is not None:
            db.execute(
                "UPDATE sightings SET paired = 1 WHERE delivery = ? AND event = ?",
                (other["delivery"], other["event"]),
            )
        db.execute("DELETE FROM sightings WHERE at < ?", (time.time() - 7 * 86400,))
    return found
