"""What can be shown where: colours, widths and signs.

Imports next to nothing, since the cache of `rflow check` asks for it in each process.
"""

from __future__ import annotations

import os
import sys

COLOR_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")
"""What of the environment decides how a text looks."""

WIDTH_MIN = 30
WIDTH_DEFAULT = 80
ENDLESS = 1 << 30


def is_terminal(stream: object) -> bool:
    """Whether a person looks at the stream."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False


def has_color(stream: object, choice: str = "auto") -> bool:
    """Whether to colour what is written to the stream; `choice` is that of `--color`."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def width() -> int:
    """The columns that a line may have."""
    if (wished := _wished()) > 0:
        return max(WIDTH_MIN, wished)
    for fd in (1, 2, 0):
        try:
            found = os.get_terminal_size(fd).columns
        except (OSError, ValueError):
            continue
        if found > 0:
            return max(WIDTH_MIN, found)
    return WIDTH_DEFAULT


def room() -> int:
    """The columns that a row of a table may have. Where no terminal shows it, nothing is cut: a
    program, or a search, reads it."""
    return width() if is_terminal(sys.stdout) or _wished() > 0 else ENDLESS


def _wished() -> int:
    """The columns that the environment asks for, 0 for none."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else 0


def writes_unicode(stream: object) -> bool:
    """Whether the stream can show signs beyond ASCII."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def traits() -> tuple[object, ...]:
    """All that how a text looks depends on."""
    return (
        tuple(os.environ.get(name) for name in COLOR_VARIABLES),
        is_terminal(sys.stdout),
        is_terminal(sys.stderr),
        width(),
        getattr(sys.stdout, "encoding", None),
        getattr(sys.stderr, "encoding", None),
    )


class Pen:
    """Colours, or none. `bold("x")`, `red("x")`: the text in this style."""

    __slots__ = ("_on",)

    def __init__(self, on: bool) -> None:
        self._on = on

    @property
    def on(self) -> bool:
        """Whether it colours anything."""
        return self._on

    def __call__(self, style: str, text: str) -> str:
        """The text in a style: `bold`, `red`, `bold red`."""
        if not self._on or not text or not style:
            return text
        codes = ";".join(_CODES[word] for word in style.split())
        return f"\x1b[{codes}m{text}\x1b[0m"

    def bold(self, text: str) -> str:
        return self("bold", text)

    def dim(self, text: str) -> str:
        return self("dim", text)

    def red(self, text: str) -> str:
        return self("red", text)

    def green(self, text: str) -> str:
        return self("green", text)

    def yellow(self, text: str) -> str:
        return self("yellow", text)

    def cyan(self, text: str) -> str:
        return self("cyan", text)


_CODES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
