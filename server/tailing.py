"""Reading the journal as it grows: every record of every run, once and in order, to all readers.

Theory of operation. Runs are also driven by other processes, so the journal is looked at: when its
version has changed, the runs that go on and the newest ones are asked for their lengths, and what
is new is read. From time to time all runs are, since an old one can be renamed or gone on with.
How far each run was read is kept by whom it matters to (`subscriptions`) in the transaction in
which he makes use of it; where nobody keeps it, reading begins with what is new.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from rflow.runner.events import Record
from rflow.runner.journal import Journal, RunSummary
from rflow.runner.problems import StateError
from rflow.server import subscriptions
from rflow.server.config import Config
from rflow.server.services import Services
from rflow.server.store import Store

LOOK_S = 0.2
ALL_S = 20.0
NEWEST = 200
BATCH = 2000
"""About so many records are read at a time."""

Batch = list[tuple[RunSummary, list[Record]]]
Reader = Callable[[RunSummary, list[Record]], None]

log = logging.getLogger("rflow.server")


def lengths(journal: Journal) -> dict[str, int]:
    """All runs, with the number of their events."""
    return {run.run: run.length for run in journal.runs(limit=1 << 40)}


class Tail:
    """Reads the journal for the subscriptions, and then for the other readers."""

    def __init__(self, services: Services, store: Store, config: Callable[[], Config]) -> None:
        self._services, self._store, self._config = services, store, config
        self.readers: list[Reader] = []
        self.queued: Callable[[], None] = lambda: None
        self._read: dict[str, int] = {}
        self._version = -1
        self._all_at, self._all_version = 0.0, -1
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="tail", daemon=True)

    def start(self) -> None:
        """Begin; what is in the journal now counts as read, where nobody has kept how far."""
        kept = subscriptions.cursors(self._store)
        self._read = lengths(self._services.here().journal) if kept is None else kept
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> int:
        """Read what is new, if anything is; the number of records."""
        journal = self._services.here().journal
        version, now = journal.version(), time.monotonic()
        whole = now >= self._all_at and version != self._all_version
        if version == self._version and not whole:
            return 0
        runs = {run.run: run for run in journal.runs(concluded=False, limit=1 << 40)}
        newest = journal.runs(limit=1 << 40 if whole else NEWEST)
        runs.update((run.run, run) for run in newest)
        changed = [run for run in runs.values() if run.length > self._read.get(run.run, 0)]
        count = self._take(journal, sorted(changed, key=lambda run: run.created_at))
        self._version = version
        if whole:
            self._all_at, self._all_version = now + ALL_S, version
        return count

    def _take(self, journal: Journal, changed: list[RunSummary]) -> int:
        count, batch, size = 0, Batch(), 0
        for number, run in enumerate(changed, 1):
            if records := journal.read(run.run, self._read.get(run.run, 0)):
                batch.append((run, records))
                size += len(records)
            if batch and (size >= BATCH or number == len(changed)):
                if subscriptions.queue(self._store, batch, self._config().url):
                    self.queued()
                for summary, records in batch:
                    self._read[summary.run] = records[-1].number
                    for reader in self.readers:
                        reader(summary, records)
                count, batch, size = count + size, Batch(), 0
        return count

    def _loop(self) -> None:
        while not self._end.wait(LOOK_S):
            try:
                self.look()
            except (StateError, sqlite3.Error) as error:
                log.error("events cannot be passed on: %s", error)
                self._end.wait(1.0)
            except Exception:
                log.exception("events cannot be passed on: a fault of rflow's own")
                self._end.wait(1.0)
        self._services.leave()
