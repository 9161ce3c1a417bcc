"""Texts in the cells of a terminal: how wide one is, how to make it fit, and what must not pass.

Text from outside (names, log lines, branches, errors) may hold control characters; nothing here
lets one through that could move the cursor or pretend to be another line.
"""

from __future__ import annotations

import re
import unicodedata

ELLIPSIS = "…"

_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])"
)
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_BREAK = re.compile(r"\s*[\r\n\t]+\s*")


def clean(text: str) -> str:
    """One line without control characters: breaks become spaces, the rest is shown as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROL.sub(_escape, _BREAK.sub(" ", text))


def clean_lines(text: str) -> str:
    """The same for a text of several lines, whose breaks and tabs are kept."""
    return _CONTROL.sub(_escape, text.replace("\r\n", "\n"))


def clean_log(line: str, *, color: bool) -> str:
    """A line of a log: colours stay where colours are shown, all other sequences go."""
    line = line.rstrip("\r\n").rsplit("\r", 1)[-1].replace("\n", " ").expandtabs(8)
    if "\x1b" not in line:
        return _CONTROL.sub(_escape, line)
    parts, at = [], 0
    for match in _SEQUENCE.finditer(line):
        parts.append(_CONTROL.sub(_escape, line[at : match.start()]))
        if color and _SGR.fullmatch(match[0]):
            parts.append(match[0])
        at = match.end()
    parts.append(_CONTROL.sub(_escape, line[at:]))
    return "".join(parts) + ("\x1b[0m" if color else "")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def cells(text: str) -> int:
    """How many cells of a terminal the text takes; colours take none."""
    if "\x1b" in text:
        text = _SGR.sub("", text)
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, width: int) -> str:
    """The text in at most `width` cells; what is cut off is shown by an ellipsis."""
    if cells(text) <= width:
        return text
    if width <= 0:
        return ""
    out, used, at, colored = [], 0, 0, False
    while at < len(text):
        if match := _SGR.match(text, at):
            out.append(match[0])
            colored, at = True, match.end()
            continue
        used += _cells_of(text[at])
        if used > width - 1:
            break
        out.append(text[at])
        at += 1
    return "".join(out) + ELLIPSIS + ("\x1b[0m" if colored else "")


def fit_end(text: str, width: int) -> str:
    """The end of a text without colours in at most `width` cells, behind its indent."""
    if cells(text) <= width:
        return text
    bare = text.lstrip(" ")
    indent = text[: len(text) - len(bare)]
    room, kept = width - len(indent) - 1, ""
    for char in reversed(bare):
        if cells(kept) + _cells_of(char) > room:
            break
        kept = char + kept
    return indent + ELLIPSIS + kept


def pad(text: str, width: int) -> str:
    """The text in exactly `width` cells."""
    text = fit(text, width)
    return text + " " * (width - cells(text))


def wrap(text: str, width: int, indent: str = "") -> str:
    """The text in lines of at most `width` cells, each but the first behind the indent.

    It breaks at spaces only: a longer word has a line of its own, so that it can be copied.
    """
    lines, line, used = [], "", 0
    for word in re.findall(r"\s*\S+", text):
        size = cells(word)
        if line.strip() and used + size > width:
            lines.append(line)
            word = word.lstrip()
            line, used = indent, cells(indent)
            size = cells(word)
        line += word
        used += size
    return "\n".join([*lines, line])
