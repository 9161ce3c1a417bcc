"""Commit statuses: what became of a commit here, told to its git host. Owns the table `statuses`.

Theory of operation. What is to be said of a commit is written down first, one line for each
(repository, commit, flow), and sent by one thread until the host has taken it. A line that speaks
of a run that goes on is looked at again until that run has ended. What is sent twice after a crash
says the same thing.
"""

from __future__ import annotations

import logging
import sqlite3
import time

from rflow.runner.chain import shown
from rflow.server.core import Server
from rflow.server.events import repository_key
from rflow.server.host_api import OURS, ApiError, State, Status
from rflow.server.looping import Looping
from rflow.server.repositories import Repositories

LOOK_S = 0.5
AGAIN_S = (5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
TRIES_MAX = 12
NEVER = 1e12

log = logging.getLogger("rflow.server")


def say(
    db: sqlite3.Connection,
    repository: str,
    sha: str,
    flow: str,
    state: State,
    description: str,
    url: str,
    run: str = "",
) -> None:
    """Write down what is to be said of a commit; within a transaction of the store."""
    db.execute(
        "INSERT INTO statuses (repository, sha, context, run, state, description, url, sent, tries,"
        " due_at, trouble) VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, ?, '') "
        "ON CONFLICT (repository, sha, context) DO UPDATE SET run = excluded.run, "
        "state = excluded.state, description = excluded.description, url = excluded.url, "
        "sent = CASE WHEN run = excluded.run THEN sent ELSE '' END, tries = 0, "
        "due_at = excluded.due_at, trouble = ''",
        (repository, sha, f"{OURS}{flow}", run, state, description, url, time.time()),
    )


FLOWS = "check flows"
"""What the status is called that says whether a commit's flows are served; no flow has a name with
a space."""


class Reporter(Looping):
    """Sends statuses, and follows the runs that they speak of."""

    def __init__(self, server: Server, repositories: Repositories) -> None:
        super().__init__("statuses", LOOK_S, at_once=True, services=server.services)
        self._server, self._repositories = server, repositories
        self._version = -1

    def flows_taken(self, url: str, sha: str, good: bool, why: str) -> None:
        """Say of a commit of the repository that is followed whether its flows are served."""
        key = repository_key(url, self._server.state.root.parent)
        if self._repositories.find(key) is None:
            return
        description = "the flows are served" if good else f"the flows before stay: {why}"
        page = f"{self._server.config.url}/flows"
        with self._server.store.write() as db:
            say(db, key, sha, FLOWS, "success" if good else "failure", description, page)
        self.wake()

    def turn(self) -> None:
        version = self._server.services.here().journal.version()
        if version != self._version:
            self._follow()
            self._version = version
        self._send()

    def _follow(self) -> None:
        """What is to be said of the runs that have ended."""
        service = self._server.services.here()
        rows = self._server.store.read(
            "SELECT id, run FROM statuses WHERE run <> '' AND state = 'pending'"
        )
        for row in rows:
            summary = service.journal.summary(row["run"])
            if summary is None or not summary.concluded:
                continue
            state = "success" if summary.status == "success" else "failure"
            head = shown(service.journal.head(row["run"]))
            description = f"{summary.status}: run {row['run']}, record {head}"
            with self._server.store.write() as db:
                db.execute(
                    "UPDATE statuses SET state = ?, description = ?, tries = 0, due_at = ? "
                    "WHERE id = ? AND run = ?",
                    (state, description, time.time(), row["id"], row["run"]),
                )

    def _send(self) -> None:
        rows = self._server.store.read(
            "SELECT * FROM statuses WHERE state <> sent AND due_at <= ? ORDER BY id LIMIT 50",
            (time.time(),),
        )
        for row in rows:
            if self._ended:
                return
            self._send_one(row)

    def _send_one(self, row: sqlite3.Row) -> None:
        trouble, due, sent = "", time.time(), row["sent"]
        api = self._repositories.api(row["repository"])
        if api is None:
            trouble, due = "the settings have no host for it", NEVER
        else:
            try:
                status = Status(row["state"], row["context"], row["description"], row["url"])
                api.report(row["sha"], status)
                sent = row["state"]
            except ApiError as error:
                trouble = str(error)
                tries = row["tries"]
                again = error.again and tries < TRIES_MAX
                due += AGAIN_S[min(tries, len(AGAIN_S) - 1)] if again else NEVER
                log.warning("the status of %s could not be set: %s", row["sha"][:12], trouble)
        with self._server.store.write() as db:
            db.execute(
                "UPDATE statuses SET sent = ?, trouble = ?, due_at = ?, tries = tries + ? "
                "WHERE id = ? AND state = ?",
                (sent, trouble, due, 1 if trouble else 0, row["id"], row["state"]),
            )
