"""A folder of flows that is watched: a file that is changed is checked and becomes current."""

from __future__ import annotations

import logging
import threading

from rflow.server.catalog import Catalog
from rflow.server.changes import Changes

LOOK_S = 1.0

log = logging.getLogger("rflow.server")


class Watching:
    """Looks at the files of a catalog from time to time."""

    def __init__(self, catalog: Catalog, changes: Changes) -> None:
        self.catalog, self.changes = catalog, changes
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="watching", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> bool:
        """Take up what has changed; whether anything has."""
        before = {served.flow: served for served in self.catalog.flows()}
        refused = self.catalog.refused()
        if not self.catalog.refresh():
            return False
        self.changes.note(before, refused, self.catalog)
        return True

    def _loop(self) -> None:
        while not self._end.wait(LOOK_S):
            try:
                self.look()
            except Exception:
                log.exception("the flows could not be looked at")
