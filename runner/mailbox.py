"""Values from many threads to one that waits for them, in the order in which they were put in.

`queue.SimpleQueue` does as much, but where a signal comes just before a wait with a timeout would
have ended, CPython's goes on waiting without one: a run would not hear that it is cancelled until
an attempt ends by itself. A lock's wait keeps its time. This module must never take a value out
in another thread than the one that waits.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Put in by any thread, taken out by one."""

    def __init__(self) -> None:
        self._values: deque[T] = deque()
        self._news = threading.Lock()  # free while there may be a value that nobody waited for
        self._news.acquire()

    def put(self, value: T) -> None:
        """Put it in, and wake the one who waits."""
        self._values.append(value)
        try:
            self._news.release()
        except RuntimeError:
            return  # it is free already

    def empty(self) -> bool:
        """Whether there is nothing to be taken now."""
        return not self._values

    def take(self, timeout_s: float | None) -> T | None:
        """The first value; None if there is none after `timeout_s` (None: wait for ever). It may
        be None sooner than that: whoever waits looks at the clock himself."""
        if not self._values:
            self._news.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))
        return self._values.popleft() if self._values else None
