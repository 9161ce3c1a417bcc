"""Polling: asking repositories now and then where their branches and tags stand.

Owns the table `polls`. The first look at a repository records what is there and starts nothing.
What differs later becomes a delivery, in one transaction with what was seen, so that nothing is
seen twice or forgotten.
"""

from __future__ import annotations

import json
import logging
import time
from hashlib import sha256

from rflow.server import deliveries
from rflow.server.core import Server
from rflow.server.deliveries import Incoming
from rflow.server.looping import Looping
from rflow.server.mirror import GitError, heads
from rflow.server.receiving import Receiver
from rflow.server.repositories import Repositories
from rflow.server.sightings import POLL

log = logging.getLogger("rflow.server")


class Polling:
    """Asks the repositories whose settings say how often; each in a thread of its own."""

    def __init__(self, server: Server, repositories: Repositories, receiver: Receiver) -> None:
        self._server, self._repositories, self._receiver = server, repositories, receiver
        self.troubles: dict[str, str] = {}
        """Why a repository could not be asked the last time."""
        self._each = [
            _Poll(self, key, one.poll_s)
            for key, one in repositories.known().items()
            if one.poll_s is not None
        ]

    def start(self) -> None:
        """Begin."""
        for one in self._each:
            one.start()

    def close(self) -> None:
        """End; all at once, since each may be waiting for a repository."""
        for one in self._each:
            one.end()
        for one in self._each:
            one.close()

    def look(self, key: str) -> None:
        """Ask one repository; what is new becomes a delivery."""
        address = self._repositories.address(key)
        began = time.time()
        try:
            found = heads(address, "refs/heads/*", "refs/tags/*",
                          access=self._repositories.access(key, address))  # fmt: skip
        except GitError as error:
            if self.troubles.get(key) != str(error):
                log.warning("%s cannot be polled: %s", key, error)
            self.troubles[key] = str(error)
            return
        self.troubles.pop(key, None)
        rows = self._server.store.read("SELECT * FROM polls WHERE repository = ?", (key,))
        before = json.loads(rows[0]["heads"]) if rows else found
        since = rows[0]["looked_at"] if rows else began
        updates = [
            {"ref": ref, "before": before.get(ref, ""), "after": sha}
            for ref, sha in sorted(found.items())
            if before.get(ref) != sha
        ]
        with self._server.store.write() as db:
            if updates:
                body = {"repository": address, "updates": updates, "since": since}
                data = json.dumps(body).encode()
                name = f"{POLL}-{sha256(data).hexdigest()[:32]}"
                deliveries.put(db, Incoming("plain", key, name, POLL, {}, data))
            db.execute(
                "INSERT INTO polls (repository, looked_at, heads) VALUES (?, ?, ?) ON CONFLICT "
                "(repository) DO UPDATE SET looked_at = excluded.looked_at, heads = excluded.heads",
                (key, began, json.dumps(found)),
            )
        if updates:
            self._receiver.wake()


class _Poll(Looping):
    """Asks one repository."""

    def __init__(self, polling: Polling, key: str, every_s: float) -> None:
        super().__init__(f"polling {key}", every_s, at_once=True)
        self._polling, self._key = polling, key

    def turn(self) -> None:
        self._polling.look(self._key)
