"""Ending an attempt: the request, its reason, and ways to hear of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Literal

_spare: list[int] = []
"""Event descriptors that were not written to, for the next attempts: most are never stopped."""
SPARE_MAX = 64

Why = Literal["cancelled", "timeout", "lost"]


class Stopping(BaseException):
    """The attempt is being ended: raised where it does something, to leave it. Not an Exception,
    so that a kind's own error handling does not catch it."""


class Stop:
    """Whether an attempt is to end, and why; can be waited for. For all threads."""

    def __init__(self, deadline: float | None = None) -> None:
        """`deadline` is the attempt's, by `time.monotonic`."""
        self.deadline = deadline
        self.why: Why | None = None
        self._mutex = threading.Lock()
        self._fd: int | None = None
        self._closed = False
        self._calls: list[Callable[[], None]] = []

    def request(self, why: Why) -> None:
        """End the attempt. The first reason stays."""
        with self._mutex:
            if self.why is not None or self._closed:
                return
            self.why = why
            if self._fd is not None:
                os.eventfd_write(self._fd, 1)
            calls, self._calls = self._calls, []
        for call in calls:
            call()

    def requested(self) -> bool:
        """Whether it is to end; a passed deadline is a reason too."""
        if self.why is None and self.deadline is not None and time.monotonic() >= self.deadline:
            self.request("timeout")
        return self.why is not None

    def call(self, function: Callable[[], None]) -> None:
        """Call this, in any thread, when the end is requested; now, if it has been."""
        with self._mutex:
            if self.why is None:
                self._calls.append(function)
                return
        function()

    def fileno(self) -> int:
        """A descriptor that is readable from the request on."""
        with self._mutex:
            if self._fd is None:
                self._fd = _spare.pop() if _spare else os.eventfd(0, os.EFD_CLOEXEC)
                if self.why is not None:
                    os.eventfd_write(self._fd, 1)
            return self._fd

    def close(self) -> None:
        """The attempt has ended."""
        with self._mutex:
            self._closed = True
            if self._fd is not None:
                if self.why is None and len(_spare) < SPARE_MAX:
                    _spare.append(self._fd)
                else:
                    os.close(self._fd)
                self._fd = None
