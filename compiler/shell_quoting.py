"""Quotes and expansions of the shell: in which of them a reference stands.

This module owns the scanning of everything smaller than a word: quotes and `$…` expansions. The
text holds a NUL character for each reference. Scanning goes strictly forwards; where shells read
a text in different ways, `unsure` is set and every reference behind it is a problem: a wrong idea
of the quoting would be an injection, a refusal is a nuisance.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

Place = Literal["bare", "double", "single", "here", "comment"]
Reason = tuple[str, str]
"""What is wrong with a reference here, and a next step."""

REF = "\0"
DEPTH_MAX = 40

ASSIGN_FIRST = 'assign it to a variable first, `value=$<…>`, and use `"$value"` here'
_IN_COMMAND: Reason = ("stands inside `$(…)`", ASSIGN_FIRST)
_IN_BACKTICKS: Reason = ("stands inside backticks", ASSIGN_FIRST)
_IN_PROCESS: Reason = ("stands inside `<(…)` or `>(…)`", ASSIGN_FIRST)
_IN_BRACES: Reason = ("stands inside `${…}`", ASSIGN_FIRST)
IN_ARITHMETIC: Reason = (
    "stands in arithmetic, which evaluates it",
    "compute it outside the script, in an expression, and pass the result",
)
_IN_ANSI: Reason = ("stands inside `$'…'`", "end the quotes before it: `$'…'$<…>`")
_AFTER_BACKSLASH: Reason = ("stands right behind a backslash", "write two backslashes, or none")
_AFTER_DOLLAR: Reason = ("stands right behind a `$`", "write `\\$` before it, or remove it")

_RUN = re.compile(r"[^\\$`\0\"'(){}#;<]+")
_BLANK = re.compile(r"(?:[ \t]|\\\n)*")
_SPECIAL = frozenset("$?!#@*-0123456789")
META = frozenset(" \t\n;&|<>()")


class Word(Struct):
    """A word of the script: its text as written, and its references: (occurrence, offset)."""

    text: str
    refs: list[tuple[int, int]]

    @property
    def raw(self) -> str:
        """The text with continued lines joined; quotes are still in it."""
        return self.text.replace("\\\n", "")


class HereDocument(Struct):
    """A here-document whose text begins behind the next line break; `words` of its command."""

    delimiter: str
    tabs: bool
    quoted: bool
    words: list[Word]


class Quoting:
    """A scan of one script; see the module."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.end = len(text)
        self.places: list[Place] = []
        self.problems: dict[int, Reason] = {}
        self.evaluated: set[int] = set()
        self.unsure: Reason | None = None
        self.inside: list[Reason] = []
        self.pending: list[HereDocument] = []
        self.depth = 0

    # -- references and characters ---------------------------------------------------------

    def peek(self, ahead: int = 0) -> str:
        """The character there, empty at the end."""
        at = self.at + ahead
        return self.text[at] if at < self.end else ""

    def reference(self, place: Place, problem: Reason | None = None) -> None:
        """Step over the reference that stands here."""
        self.places.append(place)
        problem = self.unsure or (self.inside[-1] if self.inside else problem)
        if problem is not None:
            self.problems[len(self.places) - 1] = problem
        self.at += 1

    def refuse(self, word: Word, problem: Reason, before: int | None = None) -> None:
        """Make the word's references problems: all, or those before an offset in it."""
        for occurrence, offset in word.refs:
            if before is None or offset < before:
                self.problems.setdefault(occurrence, problem)

    def doubt(self, what: str, advice: str = "write it in a simpler way") -> None:
        """From here on nobody can tell how a shell reads the script."""
        if self.unsure is None:
            self.unsure = (f"stands behind {what}", advice)

    def blanks(self) -> None:
        """Step over blanks and continued lines."""
        found = _BLANK.match(self.text, self.at, self.end)
        if found is not None:
            self.at = found.end()

    def escape(self, place: Place) -> None:
        """Step over a backslash and what it escapes."""
        self.at += 1
        if self.peek() == REF:
            self.reference(place, _AFTER_BACKSLASH)
        elif self.at < self.end:
            self.at += 1

    # -- quotes ----------------------------------------------------------------------------

    def single(self) -> None:
        """'…'"""
        self.at += 1
        while (char := self.peek()) != "'":
            if not char:
                return self.doubt("a `'` that is never closed", "close it")
            if char == REF:
                self.reference("single")
            else:
                self.at += 1
        self.at += 1
        return None

    def double(self) -> None:
        """ "…" """
        self.at += 1
        while (char := self.peek()) != '"':
            if not char:
                return self.doubt('a `"` that is never closed', "close it")
            self.quoted(char, "double")
        self.at += 1
        return None

    def quoted(self, char: str, place: Place) -> None:
        """One step where only a backslash, `$` and backticks mean something."""
        if char == REF:
            self.reference(place)
        elif char == "\\":
            self.escape(place)
        elif char == "$":
            self.dollar(place)
        elif char == "`":
            self.backticks()
        else:
            run = _RUN.match(self.text, self.at, self.end)
            self.at = run.end() if run is not None else self.at + 1

    def _ansi(self) -> None:
        """$'…': bash ends it at an unescaped quote, older shells at the first."""
        first = self.text.find("'", self.at + 2, self.end)
        self.at += 2
        self.inside.append(_IN_ANSI)
        while (char := self.peek()) and char != "'":
            if char == "\\":
                self.escape("single")
            elif char == REF:
                self.reference("single")
            else:
                self.at += 1
        self.inside.pop()
        if self.at != first:
            self.doubt("`$'…\\'…'`, where shells differ in where it ends", "use other quotes")
        self.at += 1

    # -- expansions ------------------------------------------------------------------------

    def dollar(self, place: Place) -> None:
        """`$` and what belongs to it."""
        follows = self.peek(1)
        if follows == REF:
            self.at += 1
            self.reference(place, _AFTER_DOLLAR)
        elif follows == "(":
            if self.peek(2) == "(":
                self.at += 3
                self.arithmetic()
            else:
                self.at += 2
                self.nested(_IN_COMMAND)
        elif follows == "{":
            self._braces(place)
        elif follows == "'" and place == "bare":
            self._ansi()
        elif follows == "[":
            self.at += 1
            self.doubt("`$[`, which shells read in different ways", "use `$((…))`")
        elif follows == "\\" and self.peek(2) == "\n":
            self.at += 1
            self.doubt("a `$` at the end of a continued line")
        else:
            self.at += 2 if follows in _SPECIAL and follows else 1

    def nested(self, problem: Reason) -> None:
        """The commands up to the closing bracket."""
        start, outer = self.at, self.pending
        self.pending = []
        self.inside.append(problem)
        self.enter()
        if self.pending:
            self.doubt("a here-document that begins behind its `)`")
        self.inside.pop()
        self.pending = outer
        if outer and "\n" in self.text[start : self.at]:
            self.doubt("a line break between `<<` and its here-document")

    def process(self) -> None:
        """`<(…)` or `>(…)`"""
        self.at += 2
        self.nested(_IN_PROCESS)

    def enter(self) -> None:
        """Scan commands up to the `)` that closes none of theirs."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            self.doubt("brackets that are nested too deeply")
        elif not self.commands(")"):
            self.doubt("a `(` that is never closed", "close it")
        self.depth -= 1

    def commands(self, end: str) -> bool:
        """Scan commands up to `end`, and say whether it was there; see `shell_commands`."""
        raise NotImplementedError

    def _braces(self, place: Place) -> None:
        self.at += 2
        if self.peek() in (" ", "\t", "\n", "|"):
            self.doubt("`${ …}`, which few shells know")
        self.inside.append(_IN_BRACES)
        self.depth += 1
        if self.depth > DEPTH_MAX:
            self.doubt("brackets that are nested too deeply")
        while (char := self.peek()) != "}" and self.depth <= DEPTH_MAX:
            if not char:
                self.doubt("a `${` that is never closed", "close it")
                break
            if char == "'" and place == "bare":
                self.single()
            elif char == '"' and place != "here":
                self.double()
            else:
                if char in "'\"":
                    self.doubt("quotes inside `${…}`, which shells read in different ways")
                self.quoted(char, place)
        self.depth -= 1
        self.at += 1
        self.inside.pop()

    def arithmetic(self, *, command: bool = False) -> None:
        """From behind `((` to the end of `))`; a `command` is two subshells to older shells."""
        self.inside.append(IN_ARITHMETIC)
        open_ = 0
        while (char := self.peek()) and not (char == ")" and open_ == 0):
            open_ += {"(": 1, ")": -1}.get(char, 0)
            odd = char in "#;" or self.text.startswith("<<", self.at, self.end)
            if char in "'\"\\" or (command and odd):
                self.doubt("arithmetic that shells read in different ways")
            self.quoted(char, "double")
        self.inside.pop()
        closed = self.peek() == ")" and self.peek(1) == ")"
        if not closed:
            self.doubt("`((` without its `))`")
        self.at = min(self.at + (2 if closed else 1), self.end)

    def backticks(self) -> None:
        """`…`: they end at the next one without a backslash, whatever quotes stand between."""
        self.at += 1
        self.inside.append(_IN_BACKTICKS)
        while (char := self.peek()) != "`":
            if not char:
                self.doubt("a backtick that is never closed", "close it")
                break
            if char == "\\":
                self.escape("bare")
            elif char == REF:
                self.reference("bare")
            else:
                self.at += 1
        self.inside.pop()
        self.at += 1
