"""Diagnostics as text for a terminal: the message, the lines of the file, and what to do next.

It owns the layout only. Nothing of a file reaches the terminal raw: control characters and those
that change the direction of text are shown as marks.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator

from msgspec import Struct
from rflow.dsl.diagnostics import Diagnostic, Label, Source

TAB = 4
_STYLES = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "bold": "\x1b[1m",
    "gutter": "\x1b[1;34m",
    "note": "\x1b[1;34m",
    "help": "\x1b[1;36m",
}
_RESET = "\x1b[0m"


class _Mark(Struct, frozen=True):
    """An underline below one line: where it stands, in characters, and what it says."""

    start: int
    end: int
    text: str
    primary: bool


def render_text(diagnostics: Iterable[Diagnostic], *, color: bool, width: int) -> str:
    """All the diagnostics, a blank line after each; the empty text for none."""
    return "".join(_one(d, _Paint(color), max(width, 40)) + "\n" for d in diagnostics)


class _Paint:
    def __init__(self, color: bool) -> None:
        self.color = color

    def __call__(self, style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self.color and text else text


def _one(diagnostic: Diagnostic, paint: _Paint, width: int) -> str:
    severity = diagnostic.code.severity
    title = f"{severity}[{diagnostic.code.id}]"
    message = _safe(diagnostic.message)
    lines = textwrap.wrap(f"{title}: {message}", width, break_on_hyphens=False) or [title]
    lines[0] = paint(severity, title) + paint("bold", lines[0].removeprefix(title))
    lines[1:] = [paint("bold", line) for line in lines[1:]]
    labels = [diagnostic.primary, *diagnostic.labels]
    gutter = max(len(str(_last_line(label))) for label in labels)
    for index, (source, group) in enumerate(_by_source(labels)):
        line, column = source.position(min(label.span[0] for label in group))
        if index == 0:
            line, column = source.position(diagnostic.primary.span[0])
        arrow = paint("gutter", " " * gutter + ("--> " if index == 0 else "::: "))
        lines.append(f"{arrow}{_safe(source.name)}:{line}:{column}")
        if source.text:
            excerpt = _excerpt(source, group, diagnostic.primary, severity, gutter, paint, width)
            lines.extend(excerpt)
    notes = []
    if diagnostic.help:
        notes.append(("help", diagnostic.help))
    if diagnostic.suggestion:
        notes.append(("help", f"did you mean `{diagnostic.suggestion}`?"))
    for word, note in notes:
        lead = " " * gutter + " = "
        body = textwrap.wrap(
            f"{word}: {_safe(note)}",
            max(width - len(lead), 30),
            break_on_hyphens=False,
            subsequent_indent=" " * (len(word) + 2),
        )
        first = paint("help", word) + body[0].removeprefix(word)
        lines.append(paint("gutter", lead) + first)
        lines.extend(" " * len(lead) + line for line in body[1:])
    return "\n".join(lines) + "\n"


def _by_source(labels: list[Label]) -> Iterator[tuple[Source, list[Label]]]:
    groups: dict[str, tuple[Source, list[Label]]] = {}
    for label in labels:
        groups.setdefault(label.source.name, (label.source, []))[1].append(label)
    yield from groups.values()


def _last_line(label: Label) -> int:
    return label.source.position(label.span[0])[0]


def _excerpt(
    source: Source,
    labels: list[Label],
    primary: Label,
    severity: str,
    gutter: int,
    paint: _Paint,
    width: int,
) -> Iterator[str]:
    """The lines that the labels of one source point at, each with its underlines."""
    marks: dict[int, list[_Mark]] = {}
    for label in labels:
        number, column = source.position(label.span[0])
        start = column - 1
        last, end_column = source.position(max(label.span[1], label.span[0]))
        end = end_column - 1 if last == number else len(source.line(number))
        text = label.text
        if last > number and not source.text[: label.span[1]].endswith("\n"):
            text = f"{text} (up to line {last})" if text else f"up to line {last}"
        mark = _Mark(start, max(end, start + 1), _safe(text), label is primary)
        marks.setdefault(number, []).append(mark)
    empty = paint("gutter", " " * gutter + " |")
    yield empty
    before = None
    for number in sorted(marks):
        if before is not None and number > before + 1:
            yield paint("gutter", "..." if number > before + 2 else f"{before + 1:>{gutter}} |") + (
                "" if number > before + 2 else _shown_line(source, before + 1, width - gutter - 3)
            )
        before = number
        shown, columns = _columns(source.line(number))
        cut, shown = _window(shown, columns, marks[number], width - gutter - 3)
        yield paint("gutter", f"{number:>{gutter}} |") + (f" {shown}" if shown else "")
        for mark in sorted(marks[number], key=lambda m: (not m.primary, m.start)):
            first = columns[min(mark.start, len(columns) - 1)] - cut
            stop = columns[min(mark.end, len(columns) - 1)] - cut
            size = max(min(stop, width - gutter - 3) - first, 1)
            style = severity if mark.primary else "note"
            underline = ("^" if mark.primary else "-") * size
            yield from _underlined(underline, first, mark.text, style, empty, paint, width - gutter)
    yield empty


def _underlined(
    underline: str, first: int, text: str, style: str, empty: str, paint: _Paint, width: int
) -> Iterator[str]:
    """The underline and its label: behind it, or below it where that gets too wide."""
    lead = f"{empty} {' ' * first}"
    if not text or first + len(underline) + len(text) + 4 <= width:
        yield lead + paint(style, underline + (f" {text}" if text else ""))
        return
    yield lead + paint(style, underline)
    room = max(width - first - 3, 30)
    indent = " " * min(first, max(width - room - 3, 0))
    for line in textwrap.wrap(text, room, break_on_hyphens=False):
        yield f"{empty} {indent}" + paint(style, line)


def _shown_line(source: Source, number: int, room: int) -> str:
    shown, _ = _columns(source.line(number))
    if len(shown) > room:
        shown = shown[: room - 1] + "…"
    return f" {shown}" if shown else ""


def _columns(line: str) -> tuple[str, list[int]]:
    """The line as it is shown, and for each of its characters the column where it is shown."""
    shown: list[str] = []
    columns: list[int] = []
    at = 0
    for char in line:
        columns.append(at)
        if char == "\t":
            size = TAB - at % TAB
            shown.append(" " * size)
        else:
            shown.append(_mark_of(char))
            size = _width(char)
        at += size
    columns.append(at)
    columns.append(at + 1)
    return "".join(shown).rstrip(), columns


def _width(char: str) -> int:
    if char < "\u0300":
        return 1
    if unicodedata.combining(char) or char in "\u200d\ufe0e\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _mark_of(char: str) -> str:
    if char < " ":
        return chr(0x2400 + ord(char))
    if char == "\x7f":
        return "\u2421"
    if char > "~" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs", "Cn"):
        return char if char in "\u200d" else "\ufffd" if _width(char) else ""
    return char


def _safe(text: str) -> str:
    """A message without anything that could move the cursor."""
    return "".join(c if c.isprintable() else _mark_of(c) for c in text)


def _window(shown: str, columns: list[int], marks: list[_Mark], room: int) -> tuple[int, str]:
    """A part of a long line that has the first mark in it: columns cut off before it, the text."""
    if columns[-2] <= room:
        return 0, shown
    first = min((m for m in marks), key=lambda m: (not m.primary, m.start)).start
    cut = max(columns[min(first, len(columns) - 1)] - room // 3, 0)
    if cut == 0:
        return 0, _slice(shown, 0, room - 1) + "…"
    part = _slice(shown, cut + 1, cut + room - 1)
    return cut, "…" + part + ("…" if columns[-2] > cut + room - 1 else "")


def _slice(shown: str, first: int, last: int) -> str:
    """The characters shown from column `first` up to column `last`."""
    at, out = 0, []
    for char in shown:
        size = _width(char)
        if at >= first and at + size <= last:
            out.append(char)
        elif at < first < at + size:
            out.append(" ")
        at += size
        if at >= last:
            break
    return "".join(out)
