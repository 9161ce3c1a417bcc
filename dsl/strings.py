"""Reading literals: the text of a string, a number or a duration token, as a value.

It owns escapes, the dedenting of block strings and the units of durations. Whatever is wrong
with a literal is a `BadLiteral` that says where; it never guesses and never reports by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rflow.dsl import make
from rflow.dsl.ast import Duration, Ref, Span, Str

Problem = str
"""What is wrong with a literal: the name of a slip, see `slips`."""


class BadLiteral(Exception):
    """A literal that the lexer let through but that has no value."""

    def __init__(self, problem: Problem, span: Span) -> None:
        super().__init__(problem)
        self.problem = problem
        self.span = span


INT_MAX = 2**63 - 1
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}

REFERENCE = (
    r"""\$<(?>(?:[A-Za-z0-9_.|(), \t-]++|"(?>(?:[^"\\\n]++|\\[^\n]){0,500})"|'[^'\n]*+'){0,500})>"""
)
"""A reference on one line, as a pattern."""
_PIECES = re.compile(rf"[^\\$]++|({REFERENCE})|(\\u\{{[0-9A-Fa-f]*+\}}|\\\$<|\\.)|\$", re.S)
_BLOCK_PIECES = re.compile(rf'[^\\$\n\r]++|({REFERENCE})|(\\\$<|\\""")|\r?\n|[\\$\r]')
_UNIT = re.compile("([0-9]+)(ms|[smhd])")
_INDENT = re.compile("[ \t]*+")

ReadRef = Callable[[int, int], Ref]


def read_string(text: str, start: int, end: int, read_ref: ReadRef) -> Str:
    """The `"…"` string at text[start:end], quotes included."""
    body = text[start + 1 : end - 1]
    if "\\" not in body and "$<" not in body:
        if not body:
            return make.string((), "plain", (), (start, end))
        return make.string((body,), "plain", (start + 1,), (start, end))
    parts = _Parts()
    for m in _PIECES.finditer(text, start + 1, end - 1):
        at = m.start()
        if m.lastindex == 1:
            parts.reference(read_ref(at, m.end()), at)
        elif m.lastindex == 2:
            parts.literal(_escaped(m.group(), at), at)
        else:
            parts.literal(m.group(), at)
    return parts.string("plain", (start, end))


def _escaped(escape: str, at: int) -> str:
    kind = escape[1]
    if kind in ESCAPES:
        return ESCAPES[kind]
    if escape == "\\$<":
        return "$<"
    if kind == "u" and len(escape) > 2:
        digits = escape[3:-1]
        code = int(digits, 16) if 0 < len(digits) <= 6 else -1
        if code == 0 or not (0 <= code <= 0x10FFFF) or 0xD800 <= code <= 0xDFFF:
            raise BadLiteral("code_point", (at, at + len(escape)))
        return chr(code)
    raise BadLiteral("escape", (at, at + len(escape)))


def read_raw(text: str, start: int, end: int) -> Str:
    """The `'…'` string at text[start:end], quotes included."""
    if end - start == 2:
        return Str((), "raw", span=(start, end))
    return Str((text[start + 1 : end - 1],), "raw", offsets=(start + 1,), span=(start, end))


def read_block(text: str, start: int, end: int, read_ref: ReadRef) -> Str:
    """The block string at text[start:end], its triple quotes included.

    What stands on the line of the opening quotes is taken as it is; an empty rest of that line
    does not count. The other lines lose the blanks that all of them (but blank ones) begin with;
    blank lines become empty; a last line of blanks before the closing quotes is dropped.
    """
    first, last = start + 3, end - 3
    head = _INDENT.match(text, first, last)
    assert head is not None
    line_break = _line_break(text, head.end(), last)
    if line_break:
        first = head.end() + line_break
    dedent_first = bool(line_break)
    closing = text.rfind("\n", first, last) + 1
    if closing and not text[closing:last].strip(" \t"):
        last = closing
    elif not closing and dedent_first and not text[first:last].strip(" \t"):
        last = first
    margin = _margin(text, first, last, dedent_first)
    parts = _Parts()
    at, at_line_start = first, dedent_first
    while at < last:
        if at_line_start:
            at = _line_content(text, at, last, margin)
            at_line_start = False
            continue
        m = _BLOCK_PIECES.match(text, at, last)
        assert m is not None
        piece = m.group()
        if m.lastindex == 1:
            parts.reference(read_ref(at, m.end()), at)
        elif m.lastindex == 2:
            parts.literal(piece[1:], at)
        elif piece[-1] == "\n":
            parts.literal("\n", at)
            at_line_start = True
        else:
            parts.literal(piece, at)
        at = m.end()
    return parts.string("block", (start, end))


def _line_break(text: str, at: int, end: int) -> int:
    """How long the line break at `at` is: 0 if there is none."""
    if text.startswith("\n", at, end):
        return 1
    return 2 if text.startswith("\r\n", at, end) else 0


def _margin(text: str, first: int, last: int, dedent_first: bool) -> int:
    lines = text[first:last].split("\n")
    if not dedent_first:
        lines = lines[1:]
    full = [line for line in lines if line.strip(" \t\r")]
    if not full:
        return 0
    low, high = min(full), max(full)  # the common beginning of these two is that of all
    size = 0
    for a, b in zip(low, high, strict=False):
        if a != b or a not in " \t":
            break
        size += 1
    return size


def _line_content(text: str, at: int, last: int, margin: int) -> int:
    """Where what counts of the line that begins at `at` begins."""
    blanks = _INDENT.match(text, at, last)
    assert blanks is not None
    end = blanks.end()
    if end == last or _line_break(text, end, last):
        return end
    return at + margin


class _Parts:
    """The parts of a string as they are read: literal texts are joined."""

    def __init__(self) -> None:
        self.parts: list[str | Ref] = []
        self.offsets: list[int] = []
        self.pending: list[str] = []
        self.pending_at = 0

    def literal(self, piece: str, at: int) -> None:
        if not self.pending:
            self.pending_at = at
        self.pending.append(piece)

    def reference(self, ref: Ref, at: int) -> None:
        self._flush()
        self.parts.append(ref)
        self.offsets.append(at)

    def _flush(self) -> None:
        if self.pending:
            self.parts.append("".join(self.pending))
            self.offsets.append(self.pending_at)
            self.pending = []

    def string(self, style: str, span: Span) -> Str:
        self._flush()
        return make.string(tuple(self.parts), style, tuple(self.offsets), span)


def read_int(text: str, span: Span) -> int:
    """The value of a whole number."""
    if len(text) > 1 and text[0] == "0":
        raise BadLiteral("leading_zero", span)
    if len(text) > 19 or (value := int(text)) > INT_MAX:
        raise BadLiteral("too_large", span)
    return value


def read_float(text: str, span: Span) -> float:
    """The value of a number with a point or an exponent."""
    if text[0] == "0" and text[1].isdigit():
        raise BadLiteral("leading_zero", span)
    value = float(text) if len(text) < 400 else float("inf")
    if value == float("inf"):
        raise BadLiteral("too_large", span)
    return value


def read_duration(text: str, span: Span) -> Duration:
    """The value of `1h30m`: units from the largest down, each at most once."""
    total, smallest = 0, 0
    for m in _UNIT.finditer(text):
        size = UNITS[m[2]]
        if smallest and size >= smallest:
            raise BadLiteral("units_order", span)
        smallest = size
        if len(m[1]) > 12:
            raise BadLiteral("too_large", span)
        total += int(m[1]) * size
    if total > 10**15:
        raise BadLiteral("too_large", span)
    return make.duration(total, text, span)
