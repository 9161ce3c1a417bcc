"""Widths of texts, and that nothing from outside moves the cursor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.cli.cells import cells, clean, clean_lines, clean_log, fit, pad, wrap
from rflow.cli.terminal import Pen


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\x1b[31mred\x1b[0m", 3), ("", 0), ("é", 1)],
)
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


@given(st.text(), st.integers(1, 40))
def test_a_text_that_was_fitted_fits(text: str, width: int) -> None:
    shown = clean(text)
    assert cells(fit(shown, width)) <= width
    assert cells(pad(shown, width)) == width


def test_cutting_a_coloured_text_ends_the_colour() -> None:
    assert fit(Pen(True).red("abcdef"), 4) == "\x1b[31mabc…\x1b[0m"


@given(st.text())
def test_cleaned_texts_hold_no_control_characters(text: str) -> None:
    for shown in (clean(text), clean_log(text, color=False)):
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert "\x1b" not in clean_lines(text)


def test_a_log_line_keeps_its_colours_and_nothing_else() -> None:
    line = "\x1b[32mok\x1b[0m \x1b[2J\x1b]0;title\x07\x1b[1Aup\x08"
    assert clean_log(line, color=True) == "\x1b[32mok\x1b[0m up\\x08\x1b[0m"
    assert clean_log(line, color=False) == "ok up\\x08"
    assert clean_log("10%\r50%\r100%", color=False) == "100%"


@given(st.lists(st.text("abc", min_size=1, max_size=8)), st.integers(12, 40))
def test_wrapped_lines_fit_and_lose_nothing(words: list[str], width: int) -> None:
    wrapped = wrap(" ".join(words), width, "  ")
    assert all(cells(line) <= width for line in wrapped.split("\n"))
    assert wrapped.split() == words
