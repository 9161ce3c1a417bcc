"""Telling those who listen that something may have changed: one thread for all of them.

Theory of operation. A listener waits in the event loop and holds no thread. One thread looks at the
journal's version, and at the sizes of the logs of the runs that somebody listens to, and wakes
them; each then reads for itself what is new, at its own pace. Nothing is kept for a listener, so a
slow one costs nothing, and one that was away reads on from where it was.

Whoever read before they began to listen says which `turn` it was then, and is woken at once if it
is another now. So that nothing falls in between, the turn is counted before it is looked who
listens, and who listens is told the turn after they are entered. Logs grow without a turn: who
listens to a run is woken by the first look in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rflow.runner.journal import RunSummary
from rflow.runner.problems import StateError
from rflow.server.core import Server

LOOK_S = 0.1
RECENT = 50
ACTIVE_MAX = 10_000


class Listener:
    """One who waits for news, of a run or ("") of all of them."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.size = -1
        """The bytes of the run's logs when it was looked at last, -1 before."""
        self.ended = False
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for news; whether there may be some."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)
        news = self._event.is_set()
        self._event.clear()
        return news

    def wake(self) -> None:
        """There may be news. From any thread."""
        with contextlib.suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._event.set)


class News:
    """Looks for what has changed while somebody listens."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="news", daemon=True)
        self.turn = time.time_ns() // 1_000_000
        """Grows with every change that is seen, and from one start of the server to the next."""
        self._runs: tuple[int, dict[str, RunSummary]] = (-1, {})
        self._reading = threading.Lock()

    def runs(self) -> dict[str, RunSummary]:
        """The runs that go on and the newest ones, as they were at the last change that was seen:
        read once for all who listen."""
        with self._reading:
            turn = self.turn
            if self._runs[0] != turn:
                service = self._server.services.here()
                found = {run.run: run for run in service.runs(limit=RECENT)}
                found |= {run.run: run for run in service.runs(concluded=False, limit=ACTIVE_MAX)}
                self._runs = (turn, found)
            return self._runs[1]

    @contextmanager
    def listen(self, run: str = "", seen: int | None = None) -> Iterator[Listener]:
        """Listen, within an event loop. What changes from now on is told, and what has changed
        since the turn `seen`, before which the listener read."""
        listener = Listener(run)
        with self._lock:
            listener.ended = self._end.is_set()
            self._listeners.add(listener)
        if seen not in (None, self.turn):
            listener.wake()
        self._wanted.set()
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Let all who listen go: the server is about to end."""
        self._end.set()
        self._wanted.set()
        for listener in self._now():
            listener.ended = True
            listener.wake()

    def close(self) -> None:
        """End."""
        self.end()
        if self._thread.is_alive():
            self._thread.join()

    def _now(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)

    def _loop(self) -> None:
        version = -1
        while not self._end.is_set():
            self._wanted.wait()
            self._end.wait(LOOK_S)
            if not self._now():
                self._wanted.clear()
                if self._now():  # somebody came in between
                    self._wanted.set()
                continue
            before, version = version, self._version(version)
            self.turn += version != before
            listeners = self._now()
            runs = {listener.run for listener in listeners if listener.run}
            sizes = {"": -1} | {run: self._size(run) for run in runs}
            for listener in listeners:
                size = sizes[listener.run]
                if version != before or size != listener.size:
                    listener.wake()
                listener.size = size
        self._server.services.leave()

    def _version(self, before: int) -> int:
        try:
            return self._server.services.here().journal.version()
        except StateError:
            return before

    def _size(self, run: str) -> int:
        """The bytes of a run's logs."""
        folder = self._server.state.run(run) / "logs"
        with contextlib.suppress(OSError), os.scandir(folder) as found:
            return sum(entry.stat().st_size for entry in found)
        return 0
