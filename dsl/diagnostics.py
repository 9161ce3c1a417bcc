"""What a mistake is: a value that says what is wrong, where, and what to do next.

This module owns the shape of diagnostics and of their codes, and never prints one (see
`render`). A code is defined beside the check that raises it; every code is an instance of `Code`
at the top of its module, so that `rflow explain`, the reference and the tests find them all.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:  # the tree takes long to import, and a diagnostic needs none of it
    from rflow.dsl.ast import Span

Severity = Literal["error", "warning"]


class Source(Struct, frozen=True, dict=True):
    """A file's name, as users write it, and its text. Lines and columns count from 1."""

    name: str
    text: str

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    @cached_property
    def _line_starts(self) -> list[int]:
        starts, at = [0], self.text.find("\n")
        while at != -1:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    @property
    def line_count(self) -> int:
        """The number of lines; an empty text has one."""
        return len(self._line_starts)

    def position(self, offset: int) -> tuple[int, int]:
        """The line and the column (both from 1, in characters) of an offset."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, without its line break."""
        start = self._line_starts[number - 1]
        end = self._line_starts[number] if number < self.line_count else len(self.text)
        return self.text[start:end].rstrip("\r\n")


class Label(Struct, frozen=True):
    """A span of a source and what is to be said about it (may be empty for the primary one)."""

    source: Source
    span: Span
    text: str = ""


class Code(Struct, frozen=True):
    """One kind of mistake, with what `rflow explain` says about it.

    `bad` is a whole file that yields exactly this code, `good` one that yields nothing. Numbers
    are never reused. Where a mistake cannot be shown in one file (a missing file, a plugin),
    `bad` is empty and `why` says how it comes about.
    """

    id: str
    title: str
    why: str
    bad: str = ""
    good: str = ""
    severity: Severity = "error"

    def at(
        self,
        primary: Label,
        message: str,
        *,
        labels: tuple[Label, ...] = (),
        help: str | None = None,
        suggestion: str | None = None,
    ) -> Diagnostic:
        """A diagnostic of this code; see `Diagnostic` for the parts."""
        return Diagnostic(self, message, primary, labels, help, suggestion)


class Diagnostic(Struct, frozen=True):
    """One mistake.

    `message` is one line and quotes the user's word; `labels` are further places ("first defined
    here"); `help` is one next step; `suggestion` is the word that was probably meant.
    """

    code: Code
    message: str
    primary: Label
    labels: tuple[Label, ...] = ()
    help: str | None = None
    suggestion: str | None = None

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """The key by which the diagnostics of a run are sorted."""
        start, end = self.primary.span
        return self.primary.source.name, start, end, self.code.id, self.message


def sort(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """Sorted by place, each once."""
    unique = {d.order: d for d in diagnostics}
    return [unique[key] for key in sorted(unique)]


def closest(word: str, candidates: list[str] | tuple[str, ...]) -> str | None:
    """The one candidate that `word` was probably meant to be, or None. Deterministic."""
    from difflib import get_close_matches

    matches = get_close_matches(word, sorted(candidates), n=1, cutoff=0.6)
    return matches[0] if matches else None
