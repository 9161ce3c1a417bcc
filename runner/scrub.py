"""Masking: no secret's value reaches a log, an error, the journal or a terminal.

A `Scrubber` knows the values and the forms in which programs write them: as they are, each line of
a text of several lines, as JSON, quoted for a shell or for Python, URL-encoded, HTML-escaped, as
hex, and as base64, alone or inside a longer text (whose bytes before it shift its alignment). A
`Stream` masks bytes that come in pieces and holds back no more than what may be the beginning of a
form. The work is linear in the text: one compiled pattern finds where a form may begin, by its
first four bytes.

A value shorter than four characters is not masked: `1` or `on` would mask everything. `add` says
so, for the caller to warn. This module must never write a value anywhere, not in its own errors
either.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
LENGTH_MIN = 4

_MASK = MASK.encode()
_HEAD = 4  # bytes by which the pattern finds forms; none is shorter
_WRAPS = (76, 64)  # columns at which base64 programs break lines


def forms(value: str) -> set[bytes]:
    """The byte strings that stand for a value."""
    texts = {value, value.strip()}
    texts |= {line.strip() for line in value.splitlines()}
    found: set[bytes] = set()
    for text in texts:
        if len(text) < LENGTH_MIN:
            continue
        raw = text.encode("utf-8", "surrogatepass")
        found |= {written.encode("utf-8", "surrogatepass") for written in _written(text)}
        found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
        found |= set(_base64(raw))
    return {form for form in found if len(form) >= _HEAD}


def _written(text: str) -> Iterator[str]:
    """A text as languages and protocols write it down."""
    import html  # its table of entities is large, and most runs have no secret

    for ascii_only in (True, False):
        inner = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield inner
        yield inner.replace("/", "\\/")
        yield re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), inner)
        yield json.dumps(inner, ensure_ascii=ascii_only)[1:-1]
    yield repr(text)[1:-1]
    yield repr(text.encode("utf-8", "surrogatepass"))[2:-1]
    yield shlex.quote(text)
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)
    yield re.sub(r'([\\"$`])', r"\\\1", text)
    yield html.escape(text)
    yield html.escape(text, quote=False)
    raw = text.encode("utf-8", "surrogatepass")
    for encoded in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)


def _base64(raw: bytes) -> Iterator[bytes]:
    """The digits that depend on these bytes alone, whatever stands before and behind them."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(raw)
        yield whole
        for columns in _WRAPS:
            if len(whole) > columns:
                for start in range(0, len(whole), columns):
                    yield whole[start : start + columns]
        for shift, first in ((0, 0), (1, 2), (2, 3)):
            yield encode(bytes(shift) + raw)[first : (shift + len(raw)) * 8 // 6]


class Scrubber:
    """Knows the values to mask. Values can be added at any time, from any thread."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._mutex = threading.Lock()
        self._values: set[str] = set()
        self._forms: set[bytes] = set()
        self._index = _Index(())
        self.add(*values)

    def add(self, *values: str) -> bool:
        """Mask these values from now on; False if one is too short to be masked."""
        with self._mutex:
            new = set(values) - self._values
            if new:
                self._values |= new
                self._forms = self._forms.union(*(forms(value) for value in new))
                self._index = _Index(self._forms)
        return all(len(value.strip()) >= LENGTH_MIN for value in values)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to mask."""
        return self._index.pattern is None

    def mask(self, data: bytes) -> bytes:
        """The bytes with each form replaced by `***`."""
        index = self._index
        if index.pattern is None or index.pattern.search(data) is None:
            return data
        masked, _, _ = index.cut(data, 0, len(data))
        return masked

    def mask_text(self, text: str) -> str:
        """The text with each form replaced by `***`."""
        if self._index.pattern is None:
            return text
        data = text.encode("utf-8", "surrogatepass")
        return self.mask(data).decode("utf-8", "surrogatepass")

    def holds(self, text: str) -> bool:
        """Whether a form stands in the text."""
        data = text.encode("utf-8", "surrogatepass")
        return next(self._index.spans(data, 0, len(data)), None) is not None

    def stream(self) -> Stream:
        """A stream to be masked."""
        return Stream(self)

    @property
    def index(self) -> _Index:
        """The present forms, for streams."""
        return self._index


class Stream:
    """Masks bytes that come in pieces; a form may be cut anywhere."""

    __slots__ = ("_covered", "_pending", "_scrubber")

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._pending = b""
        self._covered = 0  # how much of what is pending lies under a mask already given out

    def feed(self, data: bytes) -> bytes:
        """The next piece; what of the stream can be given out now, masked."""
        index = self._scrubber.index
        if index.pattern is None and not self._pending:
            return data
        data = self._pending + data
        masked, hold, self._covered = index.cut(data, self._covered, index.hold(data))
        self._pending = data[hold:]
        return masked

    def end(self) -> bytes:
        """The rest: the stream is over."""
        data, self._pending = self._pending, b""
        masked, _, self._covered = self._scrubber.index.cut(data, self._covered, len(data))
        return masked


class _Index:
    """Forms, arranged for finding: by their first four bytes."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        self.by_head: dict[bytes, list[bytes]] = {}
        for form in sorted(forms, key=lambda form: (-len(form), form)):
            self.by_head.setdefault(form[:_HEAD], []).append(form)
        self.pattern = re.compile(_pattern(set(self.by_head)), re.DOTALL) if self.by_head else None
        self.length_max = max((len(f[0]) for f in self.by_head.values()), default=0)
        self.beginnings = {head[:n] for head in self.by_head for n in range(1, _HEAD)}
        # The bytes that a form can be cut behind: most pieces end with a line break, and none of
        # the forms has one unless a value has several lines.
        self.inner = {byte for found in self.by_head.values() for f in found for byte in f[:-1]}

    def spans(self, data: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Where forms stand that begin in [start, stop): each the longest at its place."""
        if self.pattern is None:
            return
        search = self.pattern.search
        while (found := search(data, start)) is not None and (at := found.start()) < stop:
            for form in self.by_head[found[0]]:
                if data.startswith(form, at):
                    yield at, at + len(form)
                    break
            start = at + 1

    def cut(self, data: bytes, covered: int, stop: int) -> tuple[bytes, int, int]:
        """Mask the bytes before `stop`; those before `covered` lie under a mask already. Returns
        the masked bytes, `stop`, and how much behind it lies under a mask."""
        parts: list[bytes] = []
        for start, end in self.spans(data, 0, stop):
            if start >= covered:
                parts += (data[covered:start], _MASK)
            covered = max(covered, end)
        parts.append(data[covered:stop])
        return b"".join(parts), stop, max(0, covered - stop)

    def hold(self, data: bytes) -> int:
        """From where on the bytes may be the beginning of a form."""
        end = len(data)
        if not data or self.pattern is None or data[-1] not in self.inner:
            return end
        at = max(0, end - self.length_max + 1)
        while (found := self.pattern.search(data, at)) is not None:
            at = found.start()
            rest = data[at:]
            if any(len(f) > len(rest) and f.startswith(rest) for f in self.by_head[found[0]]):
                return at
            at += 1
        for length in range(min(_HEAD - 1, end), 0, -1):
            if data[end - length :] in self.beginnings:
                return end - length
        return end


def _pattern(heads: set[bytes]) -> bytes:
    """A pattern for any of these, factored by their first bytes, so that it fails early."""
    if heads == {b""}:
        return b""
    by_first: dict[bytes, set[bytes]] = {}
    for head in heads:
        by_first.setdefault(head[:1], set()).add(head[1:])
    parts = [re.escape(first) + _pattern(rest) for first, rest in sorted(by_first.items())]
    return parts[0] if len(parts) == 1 else b"(?:" + b"|".join(parts) + b")"
