"""A folder of flows that is watched: a file that is changed is checked and becomes current."""

from __future__ import annotations

from rflow.server.catalog import Catalog
from rflow.server.changes import Changes
from rflow.server.looping import Looping

LOOK_S = 1.0


class Watching(Looping):
    """Looks at the files of a catalog from time to time."""

    def __init__(self, catalog: Catalog, changes: Changes) -> None:
        super().__init__("watching", LOOK_S)
        self.catalog, self.changes = catalog, changes

    def turn(self) -> None:
        self.look()

    def look(self) -> bool:
        """Take up what has changed; whether anything has."""
        before = {served.flow: served for served in self.catalog.flows()}
        refused = self.catalog.refused()
        if not self.catalog.refresh():
            return False
        self.changes.note(before, refused, self.catalog)
        return True
