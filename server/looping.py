"""A part of the server that looks at something again and again, in a thread of its own.

Owns the thread, how it is woken and how it ends. A look that fails is told in the log, and the
next one comes all the same.
"""

from __future__ import annotations

import logging
import threading

from rflow.runner.problems import StateError
from rflow.server.services import Services

log = logging.getLogger("rflow.server")


class Looping:
    """See `rflow.server.core.Worker`. `turn` is one look, `rest_s` how long until the next;
    `at_once`: the first comes when it begins, not after a rest. `services` are left at the end."""

    def __init__(
        self,
        name: str,
        every_s: float,
        *,
        at_once: bool = False,
        services: Services | None = None,
    ) -> None:
        self._name, self._every_s, self._left = name, every_s, services
        self._wake, self._ended = threading.Event(), False
        if at_once:
            self._wake.set()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Let it end."""
        self._ended = True
        self._wake.set()

    def close(self) -> None:
        """End, and return when it has ended."""
        self.end()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    def turn(self) -> None:
        """Look."""
        raise NotImplementedError

    def rest_s(self) -> float:
        """How long until the next look, if nothing wakes it before, in seconds."""
        return self._every_s

    def _loop(self) -> None:
        while True:
            self._wake.wait(self.rest_s())
            if self._ended:
                break
            self._wake.clear()
            try:
                self.turn()
            except StateError as error:
                log.error("%s: %s", self._name, error.message)
            except Exception:
                log.exception("%s: a fault of rflow's own", self._name)
        if self._left is not None:
            self._left.leave()
