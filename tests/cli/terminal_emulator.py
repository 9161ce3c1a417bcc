"""As much of a terminal as the live view uses: to see what a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

_TOKEN = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|\r\n|[\r\n]|[^\x1b\r\n]+")


class Terminal:
    """Lines of text and a cursor. Raises on a sequence that it does not know."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.height = columns, lines
        self.lines = [""]
        self.row = self.column = 0

    def feed(self, text: str) -> None:
        """Do what the text says."""
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            assert match, f"not known to this terminal: {text[at : at + 10]!r}"
            at = match.end()
            if match[2]:
                self._control(match[1], match[2])
            elif match[0] == "\r":
                self.column = 0
            elif "\n" in match[0]:
                self.row, self.column = self.row + 1, 0 if "\r" in match[0] else self.column
                if self.row == len(self.lines):
                    self.lines.append("")
            else:
                self._print(match[0])

    def _control(self, arguments: str, letter: str) -> None:
        if letter in "hlm":
            return
        if letter == "A":
            up = int(arguments or 1)
            assert up < self.height, "the cursor cannot go above the screen"
            self.row -= up
            assert self.row >= 0
        elif letter == "J":
            assert not arguments
            self.lines[self.row] = self.lines[self.row][: self.column]
            del self.lines[self.row + 1 :]
        else:
            raise AssertionError(f"not known to this terminal: {arguments}{letter}")

    def _print(self, text: str) -> None:
        while text:
            room = self.columns - self.column
            if room == 0:
                self.feed("\r\n")
                continue
            part, text = text[:room], text[room:]
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + part + line[self.column + len(part) :]
            self.column += len(part)

    @property
    def text(self) -> str:
        """All that stands there."""
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")


def in_terminal(
    argv: Sequence[str],
    columns: int,
    lines: int,
    *,
    answers: Sequence[tuple[str, str]] = (),
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int, Terminal]:
    """Run a program in a terminal of this size: its exit code, and what stands there at the end.

    `answers`: when this has come, that is typed.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        argv,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=cwd,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
    )
    os.close(follower)
    todo, out, seen = [*answers], "", 0
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:  # how Linux says that the other side was closed
            break
        if not data:
            break
        out += data.decode("utf-8", "replace")
        while todo and todo[0][0] in out[seen:]:
            awaited, typed = todo.pop(0)
            seen = out.index(awaited, seen) + len(awaited)
            os.write(leader, typed.encode())
    os.close(leader)
    code = process.wait()
    assert not todo, f"never came: {todo[0][0]!r}\n{out}"
    screen = Terminal(columns, lines)
    screen.feed(out)
    return code, screen
