"""The gate of an attempt that is got ready while its start is on the way to disk.

Theory of operation. Before a script can do anything, its folder, its environment and a shell must
be there, which takes about as long as the disk takes to keep the record of the attempt's start.
So both are done at once: the attempt waits at its gate, which the driver opens when the record is
on disk. A shell that is known waits for itself, loaded and with its script: what stands before
the script is a `read` from a pipe. That gives a line when the gate opens; if the runner dies, or
the attempt is to end, it gives the pipe's end, and the script is not begun.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from rflow.runner.stop import Stop, Stopping

DESCRIPTOR = 3
"""Where a held shell finds its gate."""

_LINE = "RFLOW_GATE"
_READ = f"read -r {_LINE}<&{DESCRIPTOR}||exit 1;unset {_LINE};exec {DESCRIPTOR}<&-; "
_OPTIONS = re.compile(r"-[Cefu]+")
_IN_THE_WAY = ("ENV", "BASH_ENV", _LINE)


class Gate:
    """Shut at first. Opened by the driving thread, waited for by the attempt's or its shell.

    `on_arrival` is called once, by the attempt's thread when it has come to the gate: where that
    thread drives the run for a step, it puts the step on disk then, and opens the gate itself.
    """

    def __init__(self) -> None:
        self.on_arrival: Callable[[], None] | None = None
        self._mutex = threading.Lock()
        self._open = False
        self._opened: threading.Event | None = None  # made for the first thread that waits
        self._pipes: list[int] = []

    def open(self) -> None:
        """The attempt may act."""
        with self._mutex:
            self._open = True
            pipes, self._pipes = self._pipes, []
        for pipe in pipes:
            with contextlib.suppress(BrokenPipeError):  # the shell has ended: a mistake of syntax
                os.write(pipe, b"\n")
            os.close(pipe)
        if self._opened is not None:
            self._opened.set()

    def arrive(self) -> None:
        """The attempt can go no further before it may act. What `on_arrival` raises."""
        with self._mutex:
            arrival, self.on_arrival = self.on_arrival, None
        if arrival is not None:
            arrival()

    def wait(self, stop: Stop) -> None:
        """Until it is open; Stopping if the attempt is to end."""
        self.arrive()
        with self._mutex:
            opened = self._opened = None if self._open else self._opened or threading.Event()
        if opened is not None:
            stop.call(opened.set)
            opened.wait()
        if stop.requested():
            raise Stopping

    def hold(self) -> int | None:
        """A descriptor, the caller's to close, from which a line can be read when the gate is
        open, and nothing if it never opens; None if it is open now."""
        with self._mutex:
            if self._open:
                return None
            reading, writing = os.pipe()
            self._pipes.append(writing)
            return reading

    def close(self) -> None:
        """The attempt has ended."""
        with self._mutex:
            pipes, self._pipes = self._pipes, []
        for pipe in pipes:
            os.close(pipe)


def held(argv: Sequence[str], env: Mapping[str, str]) -> list[str] | None:
    """The same shell with the same script, waiting at its gate; None where it is not known that
    nothing would be done, or be otherwise, but for the waiting."""
    if not _is_known(*argv[:-1]) or any(map(env.__contains__, _IN_THE_WAY)):
        return None
    return [*argv[:-1], _READ + argv[-1]]


@lru_cache(maxsize=64)
def _is_known(shell: str = "", *options: str) -> bool:
    """Whether it is dash, about to be given a script. Other shells show the whole line where they
    tell a mistake of syntax, the `read` with it."""
    if not options or options[-1] != "-c" or not all(map(_OPTIONS.fullmatch, options[:-1])):
        return False
    return os.path.isabs(shell) and os.path.basename(os.path.realpath(shell)) == "dash"
