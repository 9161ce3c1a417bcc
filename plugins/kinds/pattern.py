r"""Regular expressions that always end soon: no text and no pattern can make them slow.

The usual syntax without what needs backtracking: literals, `.`, classes, `\d \w \s` (of ASCII),
`^ $`, groups, `|`, `* + ? {m,n}` and their lazy forms; no references back, no looking around, no
captures. A pattern becomes a program, and all ways through it are followed at once, character by
character, in order of preference (after Pike and Thompson; see Cox, "Regular Expression Matching:
the Virtual Machine Approach"). The work is counted and bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

PATTERN_MAX = 500
TEXT_MAX = 20_000
_PROGRAM_MAX = 1_000
_DEPTH_MAX = 40
_STEPS_MAX = 1_000_000

Test = Callable[[str], bool]
Op = tuple[str, int, int, Test | None]
"""`char` (test), `split` (two targets, the preferred first), `jump`, `begin`, `end`, `match`."""

_CLASSES: dict[str, Test] = {
    "d": lambda c: "0" <= c <= "9",
    "w": lambda c: c == "_" or (c.isascii() and c.isalnum()),
    "s": lambda c: c in " \t\n\r\f\v",
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}


def search(pattern: str, text: str, start: int = 0) -> tuple[int, int] | None:
    """Where the first match begins and ends; None if there is none. ValueError says what is wrong
    with the pattern, or that the text is too long."""
    return _Machine(pattern, text).search(start)


def full_match(pattern: str, text: str) -> bool:
    """Whether the whole text is a match."""
    return _Machine(f"^(?:{pattern})$", text, 6).search(0) is not None


def replace(pattern: str, text: str, new: str) -> str:
    """The text with all matches replaced by another text."""
    machine, parts, at = _Machine(pattern, text), [], 0
    while at <= len(text):
        found = machine.search(at)
        if found is None:
            break
        begin, end = found
        parts += [text[at:begin], new]
        if end == begin:  # an empty match: the character behind it stays
            parts.append(text[begin : begin + 1])
            end += 1
        at = end
    return "".join((*parts, text[at:]))


class _Machine:
    """A program and a text; `steps` counts the work of all searches."""

    def __init__(self, pattern: str, text: str, allowance: int = 0) -> None:
        if len(pattern) > PATTERN_MAX + allowance:
            raise ValueError(f"the pattern is longer than {PATTERN_MAX} characters")
        if len(text) > TEXT_MAX:
            raise ValueError(f"the text is longer than {TEXT_MAX:,} characters")
        self._program = _compile(pattern)
        self._text = text
        self._steps = 0

    def search(self, start: int) -> tuple[int, int] | None:
        text, program = self._text, self._program
        found: tuple[int, int] | None = None
        threads: dict[int, int] = {}
        for at in range(start, len(text) + 1):
            if found is None:
                self._add(threads, 0, at, at)
            if not threads:
                break
            char = text[at] if at < len(text) else None
            following: dict[int, int] = {}
            for place, began in threads.items():
                op, _, _, test = program[place]
                if op == "match":
                    found = (began, at)
                    break  # what comes now is less preferred
                if char is not None and test is not None and test(char):
                    self._add(following, place + 1, began, at + 1)
            threads = following
        return found

    def _add(self, threads: dict[int, int], place: int, began: int, at: int) -> None:
        """Adds a place and all that is reached from it without a character, in order."""
        waiting = [place]
        seen = threads
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            self._steps += 1
            if self._steps > _STEPS_MAX:
                raise ValueError("the pattern needs too much work for this text")
            op, one, other, _ = self._program[here]
            seen[here] = began
            if op == "jump":
                waiting.append(one)
            elif op == "split":
                waiting += [other, one]
            elif (op == "begin" and at == 0) or (op == "end" and at == len(self._text)):
                waiting.append(here + 1)


@lru_cache(maxsize=64)
def _compile(pattern: str) -> tuple[Op, ...]:
    reader = _Reader(pattern)
    program = reader.choice(0)
    if reader.at < len(pattern):
        raise reader.wrong("a `)` closes nothing")
    return (*program, ("match", 0, 0, None))


class _Reader:
    """Reads a pattern; programs are relocatable: targets count from the program's own start."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.at = 0

    def wrong(self, why: str) -> ValueError:
        return ValueError(f"the pattern {self._pattern!r} cannot be read: {why}")

    def _peek(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def choice(self, depth: int) -> list[Op]:
        if depth > _DEPTH_MAX:
            raise self.wrong("it is nested too deeply")
        found = self._sequence(depth)
        while self._peek() == "|":
            self.at += 1
            other = self._sequence(depth)
            size = len(found)
            split: Op = ("split", 1, size + 2, None)
            jump: Op = ("jump", size + 2 + len(other), 0, None)
            found = self._sized([split, *_moved(found, 1), jump, *_moved(other, size + 2)])
        return found

    def _sized(self, program: list[Op]) -> list[Op]:
        if len(program) > _PROGRAM_MAX:
            raise self.wrong("its repetitions make it too large")
        return program

    def _sequence(self, depth: int) -> list[Op]:
        found: list[Op] = []
        while (char := self._peek()) and char not in "|)":
            found = self._sized([*found, *_moved(self._repeated(depth), len(found))])
        return found

    def _repeated(self, depth: int) -> list[Op]:
        found = self._atom(depth)
        times = 0
        while (bounds := self._bounds()) is not None:
            times += 1
            if times > 1:
                raise self.wrong("a repetition is repeated")
            lazy = self._peek() == "?"
            self.at += lazy
            found = self._times(found, *bounds, lazy)
        return found

    def _bounds(self) -> tuple[int, int | None] | None:
        """What follows an atom: at least, at most (None: any number)."""
        char = self._peek()
        if char and char in "*+?":
            self.at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        if char != "{":
            return None
        end = self._pattern.find("}", self.at)
        low, comma, high = self._pattern[self.at + 1 : max(end, 0)].partition(",")
        if end < 0 or not low.isdecimal() or (high and not high.isdecimal()):
            raise self.wrong("`{` begins `{m}`, `{m,}` or `{m,n}`; `\\{` is the brace itself")
        self.at = end + 1
        least = int(low)
        most = least if not comma else int(high) if high else None
        if max(least, most or 0) > _PROGRAM_MAX or (most is not None and most < least):
            raise self.wrong("the numbers of a repetition are too large or in the wrong order")
        return least, most

    def _times(self, one: list[Op], least: int, most: int | None, lazy: bool) -> list[Op]:
        found: list[Op] = []
        for _ in range(least):
            found = self._sized([*found, *_moved(one, len(found))])
        if most is None:
            at, end = len(found), len(found) + len(one) + 2
            found += [_split(at + 1, end, lazy), *_moved(one, at + 1), ("jump", at, 0, None)]
            return self._sized(found)
        more = most - least
        self._sized([("jump", 0, 0, None)] * min(more * (len(one) + 1), _PROGRAM_MAX + 1))
        end = len(found) + more * (len(one) + 1)
        for _ in range(more):
            at = len(found)
            found += [_split(at + 1, end, lazy), *_moved(one, at + 1)]
        return self._sized(found)

    def _atom(self, depth: int) -> list[Op]:
        char = self._peek()
        self.at += 1
        if char == "(":
            return self._group(depth)
        if char == "[":
            return [("char", 0, 0, self._set())]
        if char == ".":
            return [("char", 0, 0, lambda c: c != "\n")]
        if char in ("^", "$"):
            return [("begin" if char == "^" else "end", 0, 0, None)]
        if char in "*+?{":
            raise self.wrong(f"`{char}` has nothing before it to repeat")
        test = self._escape() if char == "\\" else char
        return [("char", 0, 0, test if callable(test) else _is(test))]

    def _group(self, depth: int) -> list[Op]:
        if self._pattern.startswith("?", self.at):
            if not self._pattern.startswith("?:", self.at):
                raise self.wrong("`(?` looks around or sets an option, which is not to be had")
            self.at += 2
        found = self.choice(depth + 1)
        if self._peek() != ")":
            raise self.wrong("a `)` is missing")
        self.at += 1
        return found

    def _escape(self) -> Test | str:
        char = self._peek()
        self.at += 1
        if char.lower() in _CLASSES and char:
            test = _CLASSES[char.lower()]
            return test if char.islower() else lambda c: not test(c)
        if char.isdecimal() and char:
            raise self.wrong(f"`\\{char}` refers back, which is not to be had")
        if not char or (char.isascii() and char.isalpha() and char not in _ESCAPES):
            raise self.wrong(f"`\\{char}` has no meaning")
        return _ESCAPES.get(char, char)

    def _set(self) -> Test:
        denied = self._peek() == "^"
        self.at += denied
        tests: list[Test] = []
        while not (self._peek() == "]" and tests):
            low = self._member()
            if self._peek() == "-" and self._pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._member()
                if callable(low) or callable(high) or low > high:
                    raise self.wrong("a range in `[…]` goes from a character to a later one")
                tests.append(_between(low, high))
            else:
                tests.append(low if callable(low) else _is(low))
        self.at += 1
        allowed = tuple(tests)
        return lambda c: any(test(c) for test in allowed) is not denied

    def _member(self) -> Test | str:
        char = self._peek()
        if not char:
            raise self.wrong("a `]` is missing")
        self.at += 1
        return self._escape() if char == "\\" else char


def _moved(program: list[Op], by: int) -> list[Op]:
    return [
        (op, one + by, other + by, test) if op in ("split", "jump") else (op, one, other, test)
        for op, one, other, test in program
    ]


def _split(inside: int, end: int, lazy: bool) -> Op:
    return ("split", end, inside, None) if lazy else ("split", inside, end, None)


def _is(char: str) -> Test:
    return lambda c: c == char


def _between(low: str, high: str) -> Test:
    return lambda c: low <= c <= high
