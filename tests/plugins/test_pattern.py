"""The regular expressions of rflow against Python's own, and against hostile ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.plugins.kinds import pattern

ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\W", "(a|b)", "(?:ab)", "x{2}"])


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    suffix = st.sampled_from(["", "*", "+", "?", "*?", "+?", "??", "{1,2}", "{2,}", "{0}"])
    return (
        st.tuples(inner, suffix).map(lambda p: f"(?:{p[0]}){p[1]}")
        | st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.tuples(inner, inner).map("|".join)
        | inner.map(lambda p: f"^{p}")
        | inner.map(lambda p: f"{p}$")
    )


PATTERNS = st.recursive(ATOMS, grow, max_leaves=5)
TEXTS = st.text("abx1 ", max_size=12)


@given(PATTERNS, TEXTS)
def test_it_finds_what_python_finds(source: str, text: str) -> None:
    expected = re.compile(source, re.ASCII).search(text)
    assert pattern.search(source, text) == (expected.span() if expected else None)
    assert pattern.full_match(source, text) == bool(re.fullmatch(source, text, re.ASCII))


@given(st.sampled_from(["a+", "[ab]", "b|x1", " +", "a.", "a{2}"]), TEXTS, st.text(max_size=3))
def test_it_replaces_what_python_replaces(source: str, text: str, new: str) -> None:
    assert pattern.replace(source, text, new) == re.sub(source, lambda _: new, text)


@given(st.text(r"ab()[]{}*+?|\^$.-,19d", max_size=20), TEXTS)
def test_any_pattern_gives_an_answer_or_says_why(source: str, text: str) -> None:
    try:
        pattern.search(source, text)
    except ValueError as error:
        assert str(error).startswith("the pattern")  # noqa: PT017


@pytest.mark.parametrize("source", ["(a*)*b", "(a|a)*b", "(a|aa)+$", "a*a*a*a*a*a*b", "(.*)*x"])
def test_what_makes_others_slow(source: str) -> None:
    """Each takes Python's own engine longer than anybody has."""
    assert pattern.search(source, "a" * 3_000 + "c") is None


def test_the_work_is_bounded() -> None:
    with pytest.raises(ValueError, match="too much work"):
        pattern.replace("a.*b|a", "a" * 20_000, "x")


def test_an_empty_match_moves_on() -> None:
    assert pattern.replace("x*", "ab", "-") == "-a-b-"
