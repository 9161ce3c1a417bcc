"""How a status is shown: its sign, its colour and its word. The word is always there."""

from __future__ import annotations

import sys

from rflow.cli import terminal
from rflow.cli.terminal import Pen

_SIGNS = {
    "pending": ("·", ".", "dim"),
    "running": ("●", "*", "cyan"),
    "waiting": ("◔", "?", "yellow"),
    "retrying": ("↻", "~", "yellow"),
    "success": ("✓", "+", "green"),
    "failed": ("✗", "x", "red"),
    "skipped": ("○", "-", "dim"),
    "cancelled": ("⊘", "!", "magenta"),
}


def sign(status: str, pen: Pen) -> str:
    """One cell that stands for the status."""
    unicode, ascii_, style = _SIGNS.get(status, ("?", "?", ""))
    return pen(style, unicode if terminal.writes_unicode(sys.stdout) else ascii_)


def back(pen: Pen) -> str:
    """One cell that marks a rollback."""
    return pen("cyan", "↩" if terminal.writes_unicode(sys.stdout) else "<")


def word(status: str, pen: Pen) -> str:
    """The status itself, in its colour."""
    return pen(_SIGNS.get(status, ("", "", ""))[2], status)


def style_of(status: str) -> str:
    """The colour of a status."""
    return _SIGNS.get(status, ("", "", ""))[2]
