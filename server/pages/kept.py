"""What pages work out of the journal, kept until the journal changes, and for a few seconds at
most: a freeze ends without an event.

Theory of operation. `Journal.version` tells each thread whether anything was committed since the
thread looked last. Whoever sees a change throws away all that is kept; what is put in after that
was worked out after the change. A change through a thread's own journal is not seen that way, so
pages that change something say so (`forget`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from rflow.runner.service import Service

T = TypeVar("T")
KEPT_MAX = 256
KEPT_S = 5.0


class Kept:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}
        self._generation, self._since = 0, 0.0
        self._lock = threading.Lock()
        self._here = threading.local()

    def of(self, service: Service, key: Hashable, make: Callable[[], T]) -> T:
        """The value under a key, made if there is none from after the last change."""
        version = service.journal.version()
        with self._lock:
            if getattr(self._here, "seen", None) != (id(service), version):
                self._here.seen = id(service), version
                self._forget()
            if time.monotonic() - self._since > KEPT_S:
                self._forget()
            if key in self._values:
                found: T = self._values[key]
                return found
            generation = self._generation
        made = make()
        with self._lock:
            if generation == self._generation and len(self._values) < KEPT_MAX:
                self._values[key] = made
        return made

    def forget(self) -> None:
        """Something was changed."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._values.clear()
        self._generation += 1
        self._since = time.monotonic()
