"""Lines to stdout from a thread of their own, so that a slow reader never holds up a run."""

from __future__ import annotations

import sys
import threading
from queue import Empty, SimpleQueue

GATHER_S = 0.02
"""A line is written at most so late."""


class Writer:
    """Writes lines in the order given. When nobody reads any more, they are dropped."""

    def __init__(self) -> None:
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._out = sys.stdout
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Have this line written; returns at once."""
        self._lines.put(text + "\n")

    def end(self) -> None:
        """Wait until all is written."""
        self._ending.set()
        self._lines.put(None)
        self._thread.join()

    def _work(self) -> None:
        closed = ended = False
        while not ended:
            batch = [self._lines.get()]
            # Lines come in crowds; to be woken for each would take longer than to write it.
            self._ending.wait(GATHER_S)
            while True:
                try:
                    batch.append(self._lines.get_nowait())
                except Empty:
                    break
            ended = None in batch
            if closed:
                continue
            try:
                self._out.write("".join(filter(None, batch)))
                self._out.flush()
            except (OSError, ValueError):
                # The run goes on all the same.
                closed = True
