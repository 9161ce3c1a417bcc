"""Commands of the shell: where its words, redirections and here-documents stand.

This module owns the scanning of lists of commands, as far as the quoting of a reference depends
on it: `case` patterns (whose `)` closes nothing), here-documents (which begin behind the line),
assignments, and the few builtins that evaluate a word. It decides nothing about quotes (see
`shell_quoting`).
"""

from __future__ import annotations

import re

from rflow.compiler.shell_evaluation import (
    ASSIGNMENT,
    CONDITION,
    INTEGERS,
    Begun,
    assignment,
    evaluates_test,
    program,
)
from rflow.compiler.shell_quoting import DEPTH_MAX, IN_ARITHMETIC, META, REF, Reason, Word
from rflow.compiler.shell_words import SUBSCRIPT, Words

_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[")
_IN = re.compile(r"in(?=[ \t\n;]|$)")
_COMPOUND = {"case", "for", "select", "function", "[["}
_RESERVED = _COMPOUND | {
    "if",
    "then",
    "elif",
    "else",
    "while",
    "until",
    "do",
    "{",
    "!",
    "time",
    "coproc",
    "fi",
    "done",
    "esac",
    "}",
}
_NAME: Reason = ("stands where the name of a variable is wanted", "write the name itself")
_FUNCTION: Reason = ("stands in the name of a function", "write the name itself")
_STREAM: Reason = ("decides which stream is meant", "write the number of the stream")


class Commands(Words):
    """A scan of one script; see the module."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.integers = INTEGERS.search(text) is not None

    def script(self) -> None:
        """Scan the whole text."""
        while self.at < self.end:
            if self.commands(""):
                self.doubt("a `)` that closes nothing", "remove it")

    def commands(self, end: str) -> bool:
        """Scan up to `end`: the end of the text, the `)` that closes a bracket (consumed), or
        the end of a branch of `case` (`;;` or `esac`, not consumed)."""
        words: list[Word] = []
        begun = Begun()
        start = True  # whether reserved words and assignments are known here
        while True:
            self.blanks()
            char = self.peek()
            if not char:
                return False
            if char == ")":
                if end != "case":
                    self.at += 1
                    return True
                self.doubt("a `)` that closes nothing", "remove it")
                self.at += 1
            elif char == "\n":
                self.newline()
                words, begun, start = [], Begun(), True
            elif char == "#":
                self.comment()
            elif char == "&" and self.peek(1) == ">":
                self.at += 1
            elif char in ";&|":
                if char == ";" and self.peek(1) in (";", "&"):
                    if end == "case":
                        return True
                    self.at += 1
                self.at += 1
                words, begun, start = [], Begun(), True
            elif char == "(":
                self._bracketed(words)
                words, begun, start = [], Begun(), True
            elif char in "<>" and self.peek(1) != "(":
                self._redirection(words)
                start = False
            else:
                word = self.word()
                if self.peek() in ("<", ">") and word.raw.isdigit():
                    continue
                if not words and start and word.raw in _RESERVED:
                    if end == "case" and word.raw == "esac":
                        self.at -= len(word.text)
                        return True
                    start = self._reserved(word.raw, words)
                    continue
                if not words and self._assignment(word):
                    start = False
                    continue
                words.append(word)
                self._argument(words, begun)

    def _bracketed(self, words: list[Word]) -> None:
        """`( … )`, `(( … ))`, or the brackets behind a function's name."""
        if words:
            self.refuse(words[-1], _FUNCTION)
            self.at += 1
            self.blanks()
            if self.peek() == ")":
                self.at += 1
            else:
                self.doubt("a `(` that has no place there")
        elif self.peek(1) == "(":
            self.at += 2
            self.arithmetic(command=True)
        else:
            self.at += 1
            self.enter()

    # -- reserved words --------------------------------------------------------------------

    def _reserved(self, word: str, words: list[Word]) -> bool:
        """What follows a reserved word; whether others are known behind it."""
        if word == "case":
            self._case()
        elif word == "[[":
            self._condition()
        elif word == "function":
            self.blanks()
            if self.peek() not in META and self.peek():
                self.refuse(self.word(), _FUNCTION)
            self.blanks()
            if self.peek() == "(" and self.peek(1) == ")":
                self.at += 2
        elif word in ("for", "select"):
            return self._for(words)
        return True

    def _for(self, words: list[Word]) -> bool:
        self.blanks()
        if self.text.startswith("((", self.at, self.end):
            self.at += 2
            self._loop_arithmetic()
            return True
        if self.peek() in META or not self.peek():
            return True
        self.refuse(self.word(), _NAME)
        self._space()
        if (found := _IN.match(self.text, self.at, self.end)) is None:
            return True
        self.at = found.end()
        words.append(Word("in", []))
        return False

    def _loop_arithmetic(self) -> None:
        """`for ((i = 0; i < 3; i++))`, which has semicolons and is bash's alone."""
        close = self.text.find("))", self.at, self.end)
        inner = self.text[self.at : close] if close >= 0 else ""
        if close < 0 or set(inner) & set("'\"\\`$(#"):
            self.doubt("`for ((`, which shells read in different ways")
        self.inside.append(IN_ARITHMETIC)
        while self.at < close:
            if self.peek() == REF:
                self.reference("bare")
            else:
                self.at += 1
        self.inside.pop()
        self.at = min(self.at + 2, self.end)

    def _case(self) -> None:
        """From behind `case` up to the end of its `esac`."""
        self.depth += 1
        self.blanks()
        if self.depth > DEPTH_MAX or self.peek() in META or not self.peek():
            self.doubt("a `case` that is not complete", "complete it")
        else:
            self.word()
            self._space()
            if self.peek() in META or not self.peek() or self.word().raw != "in":
                self.doubt("a `case` without its `in`", "write `case … in`")
            else:
                self._branches()
        self.depth -= 1

    def _branches(self) -> None:
        while True:
            self._space()
            first = self.peek() != "("
            self.at += not first
            while True:
                self.blanks()
                char = self.peek()
                if not char or (char in META and char not in "|)"):
                    return self.doubt("a `case` that is not complete", "complete it")
                if char == ")":
                    self.at += 1
                    break
                if char == "|":
                    self.at += 1
                elif self.word().raw == "esac" and first:
                    return None
                first = False
            if not self.commands("case"):
                return self.doubt("a `case` without its `esac`", "write `esac` at its end")
            while self.peek() in (";", "&") and self.peek():
                self.at += 1

    def _condition(self) -> None:
        """From behind `[[` to the end of `]]`."""
        words: list[Word] = []
        while True:
            self._space()
            char = self.peek()
            if not char:
                return self.doubt("a `[[` that is never closed", "close it")
            if char == "#":
                self.doubt("a `#` inside `[[ … ]]`")
            if char in META and not (char in "<>" and self.peek(1) == "("):
                self.at += 1
                continue
            words.append(self.word())
            if words[-1].raw == "]]":
                break
        if evaluates_test([word.raw for word in words]):
            for word in words:
                self.refuse(word, CONDITION)
        return None

    def _space(self) -> None:
        """Step over blanks, line breaks and comments."""
        while True:
            self.blanks()
            if self.peek() == "\n":
                self.newline()
            elif self.peek() == "#":
                self.comment()
            else:
                return

    # -- words of a command ----------------------------------------------------------------

    def _assignment(self, word: Word) -> bool:
        found = ASSIGNMENT.match(word.raw)
        if found is not None:
            problem = assignment(found[1], integers=self.integers)
            if problem is not None:
                self.refuse(word, problem)
            return True
        if _ELEMENT.match(word.raw):
            self.refuse(word, SUBSCRIPT)
            if "]" not in word.raw:
                self.doubt("a subscript with blanks in it", "remove the blanks")
            return "]=" in word.raw or "]+=" in word.raw
        return False

    def _argument(self, words: list[Word], begun: Begun) -> None:
        """Look at the newest word of a command, of which those before it have begun it."""
        word = words[-1]
        for other in words[begun.count : -1]:
            begun.add(other.raw)
        if program(words[0].raw) == "alias":
            self.doubt("`alias`, which changes how the script is read", "use a function")
        if not word.refs or len(words) == 1:
            return
        wrong = begun.wrong(word.text)
        if wrong is not None:
            self.refuse(word, *wrong)
        if begun.evaluates:
            self.evaluated.update(occurrence for occurrence, _ in word.refs)

    # -- redirections ----------------------------------------------------------------------

    def _redirection(self, words: list[Word]) -> None:
        text, at = self.text, self.at
        if text.startswith("<<", at, self.end) and not text.startswith("<<<", at, self.end):
            return self.here_document(words)
        for operator in ("<<<", "<&", ">&", ">>", ">|", "<>", "<", ">"):
            if text.startswith(operator, at, self.end):
                break
        self.at += len(operator)
        self.blanks()
        if self.peek() and (self.peek() not in META or self.peek(1) == "("):
            target = self.word()
            if operator.endswith("&"):
                self.refuse(target, _STREAM)
        return None
