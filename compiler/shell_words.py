"""Words of the shell, and here-documents.

This module owns what is larger than a quote and smaller than a command: words with their arrays
and patterns, comments, and here-documents, which begin behind the line that announces them. It
knows no command (see `shell_commands`).
"""

from __future__ import annotations

import re

from rflow.compiler.shell_evaluation import evaluates_input
from rflow.compiler.shell_quoting import (
    ASSIGN_FIRST,
    META,
    REF,
    HereDocument,
    Quoting,
    Reason,
    Word,
)

_IN_PATTERN: Reason = ("stands inside a pattern such as `@(…)`", ASSIGN_FIRST)
_IN_DELIMITER: Reason = ("is the delimiter of a here-document", "write a fixed word")
_IN_QUOTED_HERE: Reason = (
    "stands in a here-document with a quoted delimiter, where nothing is expanded",
    "remove the quotes from the delimiter, or pass the value in `env`",
)
SUBSCRIPT: Reason = ("stands in the subscript of an array, which is evaluated", ASSIGN_FIRST)

_PLAIN = re.compile(r"[A-Za-z0-9_./:=,%^~{}\[\]*?+@!#-]+")
_ARRAY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")


class Words(Quoting):
    """A scan of one script; see the module."""

    def word(self) -> Word:
        """The word that begins here: at least one character is consumed."""
        start, first = self.at, len(self.places)
        refs: list[tuple[int, int]] = []
        while (char := self.peek()) and (char not in META or self._bracket(start)):
            plain = _PLAIN.match(self.text, self.at, self.end)
            if plain is not None:
                self.at = plain.end()
                continue
            before = self.at
            if char == REF:
                self.reference("bare")
            elif char == "'":
                self.single()
            elif char == '"':
                self.double()
            elif char not in META:
                self.quoted(char, "bare")
            refs += ((n, before - start) for n in range(first, len(self.places)))
            first = len(self.places)
        if self.at == start:
            self.at += 1
        return Word(self.text[start : self.at], refs)

    def _bracket(self, start: int) -> bool:
        """Whether a bracket belongs to the word; if so it is stepped over."""
        if self.peek() in "<>" and self.peek(1) == "(":
            self.process()
            return True
        if self.peek() != "(" or self.at == start:
            return False
        if _ARRAY.fullmatch(self.text, start, self.at):
            self._array()
            return True
        if self.text[self.at - 1] not in "?*+@!":
            return False
        self.at += 1
        self.inside.append(_IN_PATTERN)
        self.enter()
        self.inside.pop()
        return True

    def _array(self) -> None:
        """The elements of `name=(…)`."""
        self.at += 1
        while (char := self.peek()) != ")":
            if not char:
                return self.doubt("a `(` that is never closed", "close it")
            if char in META:
                self.at += 1
            elif char == "#":
                self.comment()
            else:
                element = self.word()
                if element.raw.startswith("["):
                    self.refuse(element, SUBSCRIPT)
        self.at += 1
        return None

    def comment(self) -> None:
        """`#` up to the end of the line, where nothing is expanded."""
        while (char := self.peek()) and char != "\n":
            if char == REF:
                self.reference("comment")
            else:
                self.at += 1

    # -- here-documents --------------------------------------------------------------------

    def here_document(self, words: list[Word]) -> None:
        """Step over `<<` and the delimiter."""
        self.at += 2
        tabs = self.peek() == "-"
        self.at += tabs
        self.blanks()
        if self.peek() in META or not self.peek():
            return self.doubt("`<<` without a word", "write the word that ends the text")
        self.inside.append(_IN_DELIMITER)
        word = self.word()
        self.inside.pop()
        if set(word.text) & set("$`\0\n") or ("\\" in word.text and '"' in word.text):
            self.doubt("a here-document whose delimiter is not a plain word")
        quoted = bool(set(word.raw) & set("\\'\""))
        delimiter = re.sub(r"[\\'\"]", "", word.raw)
        self.pending.append(HereDocument(delimiter, tabs, quoted, words))
        return None

    def newline(self) -> None:
        """Step over a line break and the here-documents that begin behind it."""
        self.at += 1
        pending, self.pending = self.pending, []
        for document in pending:
            self._document(document)

    def _document(self, document: HereDocument) -> None:
        after = self._document_end(document)
        first, region_end, self.end = len(self.places), self.end, after[0]
        if document.quoted:
            self.inside.append(_IN_QUOTED_HERE)
        while (char := self.peek()) != "":
            if document.quoted and char != REF:
                self.at += 1
            else:
                self.quoted(char, "here")
        if document.quoted:
            self.inside.pop()
        self.at, self.end = after[1], region_end
        if evaluates_input([word.raw for word in document.words]):
            self.evaluated.update(range(first, len(self.places)))

    def _document_end(self, document: HereDocument) -> tuple[int, int]:
        """Where the text of a here-document ends, and where its delimiter's line does."""
        at, joined = self.at, ""
        while at < self.end:
            line_end = self.text.find("\n", at, self.end)
            line_end = self.end if line_end < 0 else line_end
            line = self.text[at:line_end]
            bare = line.lstrip("\t") if document.tabs else line
            if joined and document.delimiter in (bare, joined + bare, (joined + line).lstrip("\t")):
                self.doubt("a here-document with a continued line at its end")
            if bare == document.delimiter:
                return at, min(line_end + 1, self.end)
            if self.inside and bare.startswith(document.delimiter):
                self.doubt("a here-document inside brackets that may end early")
            odd = (len(line) - len(line.rstrip("\\"))) % 2
            joined = (joined + line[:-1]) if odd and not document.quoted else ""
            at = line_end + 1
        return self.end, self.end
