"""The guard: processes of attempts do not outlive the runner that started them.

Theory of operation. The runner keeps a file with the serial of each attempt that is going on, one
number a slot, written before the attempt's first process and cleared when the attempt has ended.
`runner.guard_process`, started with the first attempt that starts a process, watches the runner
and, when it has died, ends the processes whose mark and serial say that they belong to an attempt
in the file. Should the guard have been killed too, `kill_leftovers` does the same before the run
goes on. What a finished attempt left running on purpose is not touched.

This module must never end a process by its number alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from rflow.runner import guard_process
from rflow.runner.guard_process import GRACE_S, SERIAL
from rflow.runner.state_dir import make_folder, unusable

VARIABLE = "RFLOW_GUARD"

_NOT_MEANT_FOR_IT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What ends the runner must not end its guard."""


class Guard:
    """One for a process of the runner, whatever the number of its runs. For all threads."""

    def __init__(self, folder: Path, grace_s: float = GRACE_S) -> None:
        """`folder` is `StateDir.guards`. Nothing is started or written before `enter`."""
        self._folder = folder
        self._grace_s = grace_s
        self._id = os.urandom(10).hex()
        self._mutex = threading.Lock()
        self._file: int | None = None
        self._pipe: int | None = None
        self._process: int | None = None
        self._marks = 0
        self._serial = 0
        self._slots: dict[int, int] = {}
        self._free: list[int] = []

    def mark(self) -> str:
        """A new mark for a run that this process begins or takes up: `RunStarted.guard`."""
        with self._mutex:
            self._marks += 1
            return f"{self._id}-{self._marks}"

    def enter(self, mark: str) -> str:
        """An attempt of the run with this mark is about to start processes; the value of
        RFLOW_GUARD for them."""
        with self._mutex:
            if self._file is None:
                self._start()
            self._serial += 1
            serial = self._serial
            slot = self._free.pop() if self._free else len(self._slots)
            self._slots[serial] = slot
            self._write(slot, serial)
        return f"{mark}.{serial}"

    def leave(self, value: str) -> None:
        """The attempt has ended; what it left running is no longer the guard's."""
        with self._mutex:
            slot = self._slots.pop(int(value.rpartition(".")[2]), None)
            if slot is not None:
                self._free.append(slot)
                with contextlib.suppress(OSError):
                    self._write(slot, 0)

    def close(self) -> None:
        """End the guard. Attempts that are still going on are ended by it first."""
        with self._mutex:
            process, self._process = self._process, None
            if process is None:
                return
            if not self._slots:  # it has nothing to do: it need not even finish starting
                os.kill(process, signal.SIGKILL)
                (self._folder / self._id).unlink(missing_ok=True)
            for fd in (self._pipe, self._file):
                if fd is not None:
                    os.close(fd)
            self._pipe = self._file = None
            self._slots, self._free = {}, []
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)

    def _write(self, slot: int, serial: int) -> None:
        assert self._file is not None
        os.pwrite(self._file, SERIAL.pack(serial), slot * SERIAL.size)

    def _start(self) -> None:
        path = make_folder(self._folder) / self._id
        try:
            self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(path, error) from error
        reading, self._pipe = os.pipe()
        try:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            self._process = os.posix_spawn(
                sys.executable,
                [
                    sys.executable,
                    "-I",
                    "-S",
                    guard_process.__file__,
                    str(path),
                    f"{self._id}-",
                    str(self._grace_s),
                ],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reading, 0),
                    (os.POSIX_SPAWN_DUP2, null, 1),
                    (os.POSIX_SPAWN_DUP2, null, 2),
                ],
                setsid=True,
                setsigmask=_NOT_MEANT_FOR_IT,
            )
            os.close(null)
        finally:
            os.close(reading)


def kill_leftovers(folder: Path, mark: str, grace_s: float = GRACE_S) -> int:
    """End what is left of a run's attempts that were going on when its runner died; how many
    processes there were. `folder` is `StateDir.guards`, `mark` that of the run's last start."""
    if not mark:
        return 0
    path = folder / mark.rpartition("-")[0]
    serials = guard_process.live_serials(str(path))
    return guard_process.end_marked(f"{mark}.".encode(), serials, grace_s)


def end_attempt(value: str, grace_s: float = GRACE_S) -> int:
    """End what is left of one attempt, by its value of RFLOW_GUARD; how many processes."""
    mark, _, serial = value.rpartition(".")
    return guard_process.end_marked(f"{mark}.".encode(), {serial.encode()}, grace_s)
