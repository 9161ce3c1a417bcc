"""The lower end of the terminal, drawn anew again and again; what is above it scrolls away.

Owns cursor movement. A frame never has more lines than the terminal, and each line at most its
width, so that going back to the frame's beginning is always right.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rflow.cli.cells import cells, fit

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # the terminal shows all in between at once
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"


class Screen:
    """A frame at the end of stdout."""

    def __init__(self) -> None:
        self._frame: tuple[str, ...] = ()
        self._hidden = False

    @staticmethod
    def size() -> tuple[int, int]:
        """Columns and lines of the terminal, as they are now."""
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except (OSError, ValueError):
            return 80, 24
        return found.columns or 80, found.lines or 24

    def draw(self, frame: Sequence[str], above: Sequence[str] = ()) -> None:
        """Replace the frame; `above` are lines that stay, above it."""
        columns, lines = self.size()
        shown = tuple(fit(line, columns - 1) for line in frame[: max(1, lines - 1)])
        if shown == self._frame and not above:
            return
        out = [_BEGIN]
        if not self._hidden:
            out.append(_HIDE)
            self._hidden = True
        out.append("\r")
        if height := self._height(columns):
            out.append(f"\x1b[{min(height, lines - 1)}A")
        out.append("\x1b[J")
        out.extend(f"{line}\n" for line in above)
        out.extend(f"{line}\n" for line in shown)
        out.append(_END)
        self._write("".join(out))
        self._frame = shown

    def close(self, last: Sequence[str] = ()) -> None:
        """Take the frame away, write the last lines, and give the cursor back."""
        out = []
        columns, lines = self.size()
        if height := self._height(columns):
            out.append(f"\r\x1b[{min(height, lines - 1)}A\x1b[J")
        out.extend(f"{line}\n" for line in last)
        if self._hidden:
            out.append(_SHOW)
        self._write("".join(out))
        self._frame, self._hidden = (), False

    def _height(self, columns: int) -> int:
        """The lines that the frame takes now; a terminal made narrower has wrapped some."""
        return sum(max(1, -(-cells(line) // columns)) for line in self._frame)

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except (OSError, ValueError):
            # The terminal is gone; the run goes on without being watched.
            return
