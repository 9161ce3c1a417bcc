"""Where the mistakes of one file are gathered.

This module owns how a check says that something is wrong: by a code, a span of the file and what
there is to say about it. It never decides whether something is wrong.
"""

from __future__ import annotations

import re

from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source, closest

COMPARISONS_MAX = 200_000
"""So many names are compared for suggestions: thousands of mistakes must not take minutes."""

MISTAKES_MAX = 1_000
"""After so many mistakes, those of syntax included, the rest is not looked for."""

_DECLARING = (
    "arg|secret|let|trigger|node|approve|sequence|parallel|as|output|each|group|pipeline|stage|flow"
)


class TooMany(Exception):
    """There are more mistakes than anybody reads; the last is `found[-1]`."""


class Report:
    """The mistakes of one file. `broken` are the spans of its syntax errors.

    Where a part of the file could not be read, what it declares is not known: a name that the
    text seems to declare all the same is then not called unknown.
    """

    __slots__ = ("_comparisons", "_import_missing", "broken", "found", "source", "texts")

    def __init__(self, source: Source, found: list[Diagnostic]) -> None:
        self.source = source
        self.found = found
        self.broken: tuple[Span, ...] = ()
        self.texts: tuple[str, ...] = ()
        self._import_missing = False
        self._comparisons = COMPARISONS_MAX

    def missing_import(self) -> None:
        """Note that an import could not be read: flows, stages and people may be declared in it."""
        self._import_missing = True

    def error(
        self,
        code: Code,
        span: Span,
        message: str,
        *,
        text: str = "",
        labels: tuple[Label, ...] = (),
        help: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        """Add a mistake; `text` is what is said at its place. Raises TooMany."""
        if len(self.found) >= MISTAKES_MAX:
            raise TooMany
        label = Label(self.source, span, text)
        self.found.append(code.at(label, message, labels=labels, help=help, suggestion=suggestion))

    def unknown(
        self,
        code: Code,
        span: Span,
        word: str,
        message: str,
        known: list[str] | tuple[str, ...],
        *,
        text: str = "",
        help: str | None = None,
        imported: bool = False,
    ) -> None:
        """Add that `word` names nothing, unless a part that could not be read may declare it.

        `imported`: another file may declare it too.
        """
        if self.perhaps_declared(word) or (imported and self._import_missing):
            return
        meant = None
        if len(known) <= self._comparisons:
            self._comparisons -= len(known)
            meant = closest(word, known)
        if meant is not None:
            help = None
        self.error(code, span, message, text=text, help=help, suggestion=meant)

    def label(self, span: Span, text: str) -> Label:
        """A further place in this file."""
        return Label(self.source, span, text)

    def perhaps_declared(self, word: str) -> bool:
        """Whether some file that could not be read as a whole seems to declare `word`."""
        if not self.texts or not word.isidentifier():
            return False
        pattern = re.compile(rf"\b(?:{_DECLARING})\s+{re.escape(word)}\b")
        return any(pattern.search(text) for text in self.texts)

    def damaged(self, span: Span) -> bool:
        """Whether a syntax error lies within `span`."""
        return any(span[0] <= start < span[1] for start, _ in self.broken)


def listed(names: list[str] | tuple[str, ...], most: int = 8) -> str:
    """Names as people list them: "`a`, `b` and `c`"; the first few of many."""
    shown = [f"`{name}`" for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def count(number: int, noun: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
