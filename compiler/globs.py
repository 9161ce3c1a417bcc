"""Globs, as `matches` reads them: like patterns for branches and paths.

    *       any characters but `/`, also none
    **      any characters at all
    ?       one character that is no `/`
    [a-z]   one of these; [!a-z] one that is none of these and no `/`
    \\x      x itself

The whole text must match. This module owns that meaning and nothing else; it never fails: a `[`
that is never closed stands for itself.

The text may come from outside, so matching takes time in proportion to it whatever the pattern:
all ways to match are followed at once, as the bits of a number (Baeza-Yates and Gonnet, "A new
approach to text searching", 1992, with a loop for a star).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

_Accepts = Callable[[str], bool]


def matches(text: str, pattern: str) -> bool:
    """Whether the glob matches the whole text."""
    return _compiled(pattern).matches(text)


class _Glob:
    """A glob as steps: each accepts some characters, a star's any number of times."""

    def __init__(self, steps: list[tuple[_Accepts, bool]]) -> None:
        self.steps = steps
        self.stars = sum(1 << at for at, (_, star) in enumerate(steps) if star)
        self.accepting: dict[str, int] = {}

    def matches(self, text: str) -> bool:
        stars, accepting = self.stars, self.accepting
        at = 1 | (stars & 1) << 1
        for char in text:
            accepts = accepting.get(char)
            if accepts is None:
                accepts = accepting[char] = self._accepts(char)
            stay = at & accepts
            at = (stay & ~stars) << 1 | (stay & stars)
            at |= (at & stars) << 1
            if not at:
                return False
        return bool(at >> len(self.steps) & 1)

    def _accepts(self, char: str) -> int:
        return sum(1 << at for at, (accepts, _) in enumerate(self.steps) if accepts(char))


def _no_slash(char: str) -> bool:
    return char != "/"


def _any(char: str) -> bool:
    return True


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> _Glob:
    steps: list[tuple[_Accepts, bool]] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            end = at
            while end < len(pattern) and pattern[end] == "*":
                end += 1
            steps.append((_no_slash if end == at else _any, True))
            at = end
        elif char == "?":
            steps.append((_no_slash, False))
        elif char == "[":
            accepts, at = _class(pattern, at)
            steps.append((accepts, False))
        else:
            if char == "\\" and at < len(pattern):
                char = pattern[at]
                at += 1
            steps.append((char.__eq__, False))
    return _Glob(steps)


def _class(pattern: str, at: int) -> tuple[_Accepts, int]:
    """What `[…]` accepts, whose `[` stands before `at`, and where it ends."""
    start = at
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    first = at
    ranges: list[tuple[str, str]] = []
    while at < len(pattern) and (pattern[at] != "]" or at == first):
        low, at = _character(pattern, at)
        high = low
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            high, at = _character(pattern, at + 1)
        ranges.append((low, high))
    if at >= len(pattern):
        return "[".__eq__, start

    def accepts(char: str) -> bool:
        inside = any(low <= char <= high for low, high in ranges)
        return char != "/" and inside != negated

    return accepts, at + 1


def _character(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at], at + 1
