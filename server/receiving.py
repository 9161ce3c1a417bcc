"""Working off the deliveries that are kept: what each trigger says of them, and what starts.

Theory of operation. A few threads take the oldest delivery of a source (a repository, a time-table)
that no other thread is at, so that what one source says is taken in its order and a slow one holds
up no other. Working one off may be cut short anywhere: it is then done again from the beginning,
and finds the runs that it has started. What cannot be known now (a repository or an API that does
not answer) is tried again later, a bounded number of times; then the verdict says so.
"""

from __future__ import annotations

import logging
import threading
import time

from rflow.runner.problems import StateError
from rflow.server import deliveries
from rflow.server.calling import resolve_cut_off
from rflow.server.core import Server
from rflow.server.deliveries import Delivery, Told
from rflow.server.judging import Judge, Later
from rflow.server.repositories import Repositories
from rflow.server.statuses import Reporter

THREADS = 4
LOOK_S = 0.5
AGAIN_S = (2.0, 10.0, 60.0, 300.0, 900.0, 1800.0)
FORGET_S = 3600.0

log = logging.getLogger("rflow.server")


class Receiver:
    """Works off deliveries."""

    def __init__(self, server: Server, repositories: Repositories, reporter: Reporter) -> None:
        self._server, self._reporter = server, reporter
        self._judge = Judge(server, repositories)
        self._busy: set[str] = set()
        self._changed = threading.Condition()
        self._ended = False
        self._forgot_at = 0.0
        self._threads = [
            threading.Thread(target=self._loop, name=f"receiver {number}", daemon=True)
            for number in range(THREADS)
        ]

    def start(self) -> None:
        """Begin."""
        resolve_cut_off(self._server)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End; what was not worked off is, at the next start."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def wake(self) -> None:
        """Something was kept."""
        with self._changed:
            self._changed.notify()

    def _loop(self) -> None:
        while (delivery := self._next()) is not None:
            try:
                self._work(delivery)
            finally:
                with self._changed:
                    self._busy.discard(delivery.source)
                    self._changed.notify()
        self._server.services.leave()

    def _next(self) -> Delivery | None:
        """The next delivery, once there is one; None at the end."""
        with self._changed:
            while not self._ended:
                now = time.time()
                if now - self._forgot_at > FORGET_S:
                    self._forgot_at = now
                    deliveries.forget_old(self._server.store, now)
                found = deliveries.due(self._server.store, now, not_of=self._busy)
                if found is not None:
                    self._busy.add(found.source)
                    return found
                self._changed.wait(LOOK_S)
        return None

    def _work(self, delivery: Delivery) -> None:
        store = self._server.store
        try:
            told, note = self._judge.of(delivery)
            deliveries.finish(store, delivery.id, told, note)
            self._reporter.wake()
        except Later as later:
            self._later(delivery, str(later), later.told)
        except StateError as error:
            self._later(delivery, error.message, ())
        except Exception:
            log.exception("delivery %s: a fault of rflow's own", delivery.id)
            self._later(delivery, "a fault of rflow's own; the server's log says more", ())

    def _later(self, delivery: Delivery, why: str, told: tuple[Told, ...]) -> None:
        if delivery.tries < len(AGAIN_S):
            until = time.time() + AGAIN_S[delivery.tries]
            deliveries.postpone(self._server.store, delivery, until, why)
        else:
            log.error("delivery %s is given up: %s", delivery.id, why)
            note = f"given up after {delivery.tries + 1} tries: {why}"
            deliveries.finish(self._server.store, delivery.id, told, note)
