"""Logs of attempts: one file each, outside the journal, secrets masked before a byte is written.

A line of the file is `SECONDS STREAM TEXT`: seconds since 1970 with three decimals; `out` for what
a program wrote (stdout and stderr share a pipe, so that their order is kept), `err` for its stderr
where stdout was captured, `log` for what the kind said, `note` for what rflow says. A text that
has no end of line within 64 KiB is cut into several lines. The file is only ever appended to;
`append_at` is idempotent by offset, so that a part that is sent twice is written once.

A log never makes an attempt fail: what cannot be written is left out, and counted.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from msgspec import Struct
from rflow.runner.problems import StateError
from rflow.runner.scrub import Scrubber, Stream
from rflow.runner.state_dir import StateDir, make_folder, unusable

StreamName = Literal["out", "err", "log", "note"]

SIZE_MAX = 64 * 1024 * 1024
LINE_MAX = 64 * 1024


class Line(Struct, frozen=True):
    """A line of a log; `at` in seconds since 1970."""

    at: float
    stream: StreamName
    text: str


class Log:
    """The log of one attempt, for writing, from any thread. The file is made with its first
    line."""

    def __init__(
        self,
        path: Path | str,
        scrubber: Scrubber,
        *,
        size_max: int = SIZE_MAX,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._scrubber = scrubber
        self._size_max = size_max
        self._clock = clock
        self._mutex = threading.Lock()
        self._fd: int | None = None
        self._size = 0
        self._left_out = 0
        self._masks: dict[StreamName, Stream] = {}
        self._partial: dict[StreamName, bytes] = {}

    def write(self, stream: StreamName, data: bytes) -> None:
        """Output of a program as it comes: complete lines reach the file at once."""
        with self._mutex:
            mask = self._masks.get(stream)
            if mask is None:
                mask = self._masks[stream] = self._scrubber.stream()
            self._take(stream, mask.feed(data))

    def end(self, stream: StreamName) -> None:
        """The program has ended: what it wrote without an end of line is a line."""
        with self._mutex:
            mask = self._masks.pop(stream, None)
            if mask is not None:
                self._take(stream, mask.end())
            if rest := self._partial.pop(stream, b""):
                self._lines(stream, [rest])

    def line(self, stream: StreamName, text: str) -> None:
        """A whole text, of one or several lines."""
        data = self._scrubber.mask(text.encode("utf-8", "replace"))
        with self._mutex:
            self._lines(stream, data.split(b"\n"))

    def close(self) -> None:
        """Finish it."""
        for stream in list(self._masks):
            self.end(stream)
        with self._mutex:
            if self._left_out:
                note = f"{self._left_out} bytes of output were left out".encode()
                self._put(self._format("note", [note]))
                self._left_out = 0
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    def _take(self, stream: StreamName, data: bytes) -> None:
        data = self._partial.pop(stream, b"") + data
        *lines, rest = data.split(b"\n")
        while len(rest) > LINE_MAX:
            lines.append(rest[:LINE_MAX])
            rest = rest[LINE_MAX:]
        if rest:
            self._partial[stream] = rest
        if lines:
            self._lines(stream, lines)

    def _lines(self, stream: StreamName, lines: list[bytes]) -> None:
        if self._left_out:
            self._left_out += sum(map(len, lines)) + len(lines)
            return
        data = self._format(stream, lines)
        if self._size + len(data) > self._size_max:
            limit = f"the log has reached its limit of {self._size_max} bytes"
            self._put(self._format("note", [limit.encode()]))
            self._left_out += sum(map(len, lines)) + len(lines)
        else:
            self._put(data)

    def _format(self, stream: StreamName, lines: list[bytes]) -> bytes:
        at = self._clock()
        head = f"{at:.3f} {stream} ".encode()
        return b"".join([head + line.removesuffix(b"\r") + b"\n" for line in lines])

    def _put(self, data: bytes) -> None:
        try:
            if self._fd is None:
                make_folder(Path(self._path).parent)
                flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
                self._fd = os.open(self._path, flags, 0o600)
                self._size = os.fstat(self._fd).st_size
                if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
                    data = b"\n" + data  # a crash cut the last line off
            written = os.write(self._fd, data)
            if written < len(data):
                os.ftruncate(self._fd, self._size)
                raise OSError("no room")
            self._size += written
        except (OSError, StateError):  # a log never makes an attempt fail
            self._left_out += len(data)


def text(line: bytes) -> str:
    """A line of a log as text."""
    return line.removesuffix(b"\r").decode("utf-8", "replace")


class Logs:
    """The logs of a state folder, for reading."""

    def __init__(self, state: StateDir) -> None:
        self._state = state

    def read(
        self, run: str, node: str, attempt: int, offset: int = 0, limit: int = 1 << 20
    ) -> tuple[list[Line], int]:
        """The complete lines from an offset on, at most about `limit` bytes of them, and the
        offset behind them: to follow a log, read on from there. None for no log yet."""
        path = self._state.log(run, node, attempt)
        try:
            # Most attempts write nothing, and those who follow them ask again and again.
            if os.stat(path).st_size <= offset:
                return [], offset
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read(limit)
                if b"\n" not in data and len(data) == limit:
                    data += file.readline()
        except FileNotFoundError:
            return [], offset
        except OSError as error:
            raise unusable(Path(path), error) from error
        whole = data[: data.rfind(b"\n") + 1]
        return [_parse(line) for line in whole.split(b"\n")[:-1]], offset + len(whole)

    def attempts(self, run: str, node: str, last: int) -> list[int]:
        """Which of the attempts up to `last` have a log."""
        named = ((n, self._state.log(run, node, n)) for n in range(1, last + 1))
        return [n for n, path in named if os.path.exists(path)]


def _parse(line: bytes) -> Line:
    at, _, rest = line.partition(b" ")
    stream, _, said = rest.partition(b" ")
    name = stream.decode("ascii", "replace")
    with contextlib.suppress(ValueError):
        if name in ("out", "err", "log", "note"):
            return Line(float(at), name, text(said))  # type: ignore[arg-type]
    return Line(0.0, "note", text(line))


def append_at(path: Path, offset: int, data: bytes) -> int:
    """Write a part of a log at its offset, unless it is there already; the new size.

    ValueError if there is a gap before it.
    """
    make_folder(path.parent)
    try:
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if offset > size:
                raise ValueError(f"a part of the log is missing: it has {size} bytes, not {offset}")
            new = data[size - offset :]
            while new:
                new = new[os.write(fd, new) :]
            return os.fstat(fd).st_size
        finally:
            os.close(fd)
    except OSError as error:
        raise unusable(path, error) from error
