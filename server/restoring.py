"""Flows that a rollback is to bring back: done once the rollback has ended well.

What is to be done has a note in the journal, written with the rollback's run, so that a crash
forgets none of it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from rflow.runner.problems import StateError
from rflow.server.core import Server
from rflow.server.looping import Looping

WITH_FLOW = "with-flow"
LOOK_S = 0.5

log = logging.getLogger("rflow.server")


def restore_flow(server: Server, run: str, by: str) -> None:
    """Make the flow of a release the current one; of a rollback, that of its target. StateError
    where that cannot be done."""
    service = server.services.here()
    state = service.fold(run)
    while state.created.kind == "rollback":
        state = service.fold(str(state.created.trigger["to"]))
    created = state.created
    if server.following is not None:
        server.following.hold(service, created.run, by)
        return
    server.restore(state.graph.plan, Path(created.directory), created.run)
    server.catalog.refresh()


class Restoring(Looping):
    """Waits for the rollbacks whose flow is to come back."""

    def __init__(self, server: Server) -> None:
        super().__init__("restoring", LOOK_S, services=server.services)
        self.server = server

    def turn(self) -> None:
        """Bring back the flows whose rollback has ended well; forget those whose has not."""
        service = self.server.services.here()
        for run, body in service.journal.notes(WITH_FLOW).items():
            summary = service.summary(run)
            if not summary.concluded:
                continue
            if summary.status == "success":
                try:
                    restore_flow(self.server, str(body["to"]), str(body["by"]))
                except StateError as error:
                    log.error("the flow of run %s is not brought back: %s", run, error.message)
            service.journal.delete_note(WITH_FLOW, run)
