"""Programs: one is run in a session of its own, its output read as it comes, ended as a whole.

Theory of operation. One thread, that of the attempt, polls what there is to poll: the pipe of the
output, a pidfd that says that the program has ended, and the descriptor of the attempt's `Stop`.
A program has ended when its first process has; what it left running in the background keeps
neither the attempt nor the pipe. Being stopped, or over time, is told to the whole group and to
every process with the attempt's mark by SIGTERM, and after a grace by SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from rflow.plugins.context import Completed, NodeError
from rflow.runner import guard_process
from rflow.runner.gate import Gate, held
from rflow.runner.guard import VARIABLE
from rflow.runner.guard_process import GRACE_S
from rflow.runner.spawn import holds, spawn
from rflow.runner.stop import Stop, Stopping

LINGER_S = 0.25
"""How long the end of the output is waited for when the program itself has ended."""

LOST_GRACE_S = 0.5
"""The grace where the runner itself is to end at once."""

_CHUNK = 1 << 16


@cache
def _nothing() -> int:
    """What a program reads that is given no input; open for as long as this process lives."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def run_program(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    stop: Stop,
    output: Callable[[Literal["out", "err"], bytes], None],
    note: Callable[[str], None] = lambda text: None,
    input: bytes | None = None,
    capture: bool = False,
    timeout_s: float | None = None,
    grace_s: float = GRACE_S,
    gate: Gate | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Completed:
    """Run a program to its end. NodeError if it cannot be started or takes longer than
    `timeout_s`; Stopping if the attempt was stopped. `output` is given what it writes: stdout and
    stderr alike as "out", or with `capture` only stderr, as "err"; `note` what there is to say.
    `meanwhile` is called when the program has been started. Before `gate` is open it does
    nothing."""
    if stop.requested():
        raise Stopping
    door: int | None = None
    if gate is not None:
        waiting = held(argv, env) if timeout_s is None and holds() else None
        if waiting is None:
            gate.wait(stop)
        elif (door := gate.hold()) is not None:
            argv = waiting
    program = _Program(argv, cwd, env, stop, output, input, capture, door)
    try:
        if gate is not None:
            gate.arrive()
        meanwhile()
        program.watch(timeout_s, grace_s)
    except BaseException:
        program.why = "stop"  # whatever happened: it must not go on unwatched
        raise
    finally:
        left = program.left_running
        returncode = program.close()
    if left and not program.why:
        note("what the program left running in the background is not listened to any more")
    if program.why == "stop":
        raise Stopping
    if program.why == "time":
        raise NodeError(f"`{argv[0]}` took longer than {timeout_s:g} s and was ended")
    return Completed(returncode, bytes(program.captured).decode("utf-8", "replace"))


class _Program:
    """A program that is running, and what is polled for it."""

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path | str,
        env: Mapping[str, str],
        stop: Stop,
        output: Callable[[Literal["out", "err"], bytes], None],
        input: bytes | None,
        capture: bool,
        door: int | None,
    ) -> None:
        self.why: Literal["", "stop", "time"] = ""
        self.captured = bytearray()
        self._stop = stop
        self._output = output
        self._input = memoryview(input) if input else None
        self._mark = env.get(VARIABLE, "")
        self._poller = select.poll()
        self._takes: dict[int, Callable[[bytes], object]] = {}
        self._writing: int | None = None
        self._others: dict[int, int] = {}  # pidfds of further processes that are to end
        theirs: list[int] = [] if door is None else [door]
        try:
            self._number = self._start(argv, cwd, env, capture, theirs, door)
        except BaseException:
            for fd in (*self._takes, self._writing):
                if fd is not None:
                    os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self._pidfd = os.pidfd_open(self._number)
        for fd in (*self._takes, self._pidfd, stop.fileno()):
            self._poller.register(fd, select.POLLIN)
        if self._writing is not None:
            self._poller.register(self._writing, select.POLLOUT)

    def _start(
        self,
        argv: Sequence[str],
        cwd: Path | str,
        env: Mapping[str, str],
        capture: bool,
        theirs: list[int],
        door: int | None,
    ) -> int:
        """Start it; the descriptors that are the program's alone go into `theirs`."""
        stdin: int
        if self._input is None:
            stdin = _nothing()
        else:
            stdin, self._writing = os.pipe()
            os.set_blocking(self._writing, False)
            theirs.append(stdin)
        reading, writing = os.pipe()
        theirs.append(writing)
        os.set_blocking(reading, False)
        stdout = writing
        self._takes[reading] = lambda data: self._output("err" if capture else "out", data)
        if capture:
            caught, stdout = os.pipe()
            theirs.append(stdout)
            os.set_blocking(caught, False)
            self._takes[caught] = self.captured.extend
        return spawn(argv, cwd, env, stdin, stdout, writing, door)

    def watch(self, timeout_s: float | None, grace_s: float) -> None:
        """Until the program has ended, or has been ended."""
        now = time.monotonic()
        times = [self._stop.deadline, None if timeout_s is None else now + timeout_s]
        over_at = min((at for at in times if at is not None), default=None)
        kill_at: float | None = None
        running = True
        while running or self._others:
            until = over_at if kill_at is None else kill_at
            wait = None if until is None else max(0.0, until - time.monotonic()) * 1000 + 1
            ready = self._poller.poll(wait)
            for fd, _ in ready:
                if fd == self._pidfd:
                    self._poller.unregister(fd)
                    running = False
                elif fd in self._takes:
                    self._read(fd)
                elif fd == self._writing:
                    self._write()
                elif fd in self._others:
                    self._forget(fd)
            if kill_at is None and running:
                if self._stop.requested():
                    self.why = "stop"
                elif over_at is not None and time.monotonic() >= over_at:
                    self.why = "time"
                if self.why:
                    self._poller.unregister(self._stop.fileno())
                    self._signal(signal.SIGTERM)
                    if self._stop.why == "lost":
                        grace_s = min(grace_s, LOST_GRACE_S)
                    kill_at = time.monotonic() + grace_s
            elif kill_at is not None and time.monotonic() >= kill_at:
                self._signal(signal.SIGKILL)
                kill_at = time.monotonic() + guard_process.AGAIN_S
            if kill_at is not None and not running and not self._others:
                self._look()
        self._drain()

    def _drain(self) -> None:
        """Read what is left. Something in the background may be about to close its end; what
        keeps it open is not waited for."""
        until = time.monotonic() + LINGER_S
        while True:
            for fd in list(self._takes):
                while self._read(fd):
                    pass
            left = until - time.monotonic()
            if not self._takes or left <= 0:
                return
            poller = select.poll()
            for fd in self._takes:
                poller.register(fd, select.POLLIN)
            poller.poll(left * 1000 + 1)

    @property
    def left_running(self) -> bool:
        """Whether something still holds the pipe of its output."""
        return bool(self._takes)

    def _signal(self, number: signal.Signals) -> None:
        """To the group and to all with the attempt's mark. The first process has not been waited
        for, so that its number, and the group's, is still its own."""
        self._look()
        with contextlib.suppress(OSError):
            os.killpg(self._number, number)
        for fd in self._others:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(fd, number)

    def _look(self) -> None:
        """Take in the further processes with the attempt's mark."""
        mark, _, serial = self._mark.rpartition(".")
        if not serial:
            return
        known = set(self._others.values())
        for number, fd in guard_process.marked(f"{mark}.".encode(), {serial.encode()}).items():
            if number in known or number == self._number:
                os.close(fd)
            else:
                self._others[fd] = number
                self._poller.register(fd, select.POLLIN)

    def _forget(self, fd: int) -> None:
        self._poller.unregister(fd)
        del self._others[fd]
        os.close(fd)

    def _read(self, fd: int) -> bool:
        """What there is to read, once; whether there may be more."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._takes[fd](data)
            return True
        self._poller.unregister(fd)
        del self._takes[fd]
        os.close(fd)
        return False

    def _write(self) -> None:
        assert self._writing is not None
        assert self._input is not None
        try:
            self._input = self._input[os.write(self._writing, self._input[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._input = self._input[:0]
        if not self._input:
            self._poller.unregister(self._writing)
            os.close(self._writing)
            self._writing = None

    def close(self) -> int:
        """Take the program's return code and close what is open. What a failed program left
        running in its group is ended with it."""
        if self.why or self._failed():
            number = signal.SIGKILL if self.why else signal.SIGTERM
            with contextlib.suppress(OSError):
                os.killpg(self._number, number)
        _, status = os.waitpid(self._number, 0)
        for fd in (*self._takes, *self._others, self._writing, self._pidfd):
            if fd is not None:
                os.close(fd)
        self._takes, self._others = {}, {}
        return os.waitstatus_to_exitcode(status)

    def _failed(self) -> bool:
        found = os.waitid(os.P_PID, self._number, os.WEXITED | os.WNOWAIT)
        return found is not None and found.si_status != 0
