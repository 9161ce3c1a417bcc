"""Texts as other services show them, read by a real reader of Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rflow.plugins.kinds import escape

MARKDOWN = MarkdownIt("gfm-like", {"html": True})
WITHOUT_SPACE = str.maketrans(dict.fromkeys("\u2060\u00a0 \n"))

# fmt: off
WORDS = [
    "@all", "@here ", "<!channel>", "<@U1>", "#1", "!2", "GH-3", "/close", "\n/merge\n", "www.x.de",
    "[x](https://evil.example)", "![](https://evil.example/x)", "https://evil.example", "a@b.de",
    "**b**", "_i_", "~~s~~", "`c`", "```\n", "# h", "> q", "- l", "1. l", "1) l", "    code", "\tx",
    "|a|b|\n|-|-|\n", "<b>", "<!--", "&lt;", "&amp;", "\\", "---", "===", "{{DATE(x)}}", ":tada:",
    "[rflow:x]: #", "\n", " ", "\r\n", "$x$", "%1", "~l", "^1", "\x00", "\u202e", "\ud800",
]
# fmt: on
HOSTILE = st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=8).map("".join)


@given(HOSTILE)
def test_markdown_says_what_the_text_says(text: str) -> None:
    tokens = MARKDOWN.parse(escape.markdown(text))
    inner = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    assert {child.type for child in inner} <= {"text", "text_special", "hardbreak", "softbreak"}
    said = "".join(child.content for child in inner)
    expected = escape.plain(text)
    assert said.translate(WITHOUT_SPACE) == "".join(expected.split()).translate(WITHOUT_SPACE)


@given(HOSTILE)
def test_nobody_and_nothing_is_referred_to(text: str) -> None:
    shown = escape.markdown(text).replace("\\", "")
    assert not re.search(r"[@#!$%~&^](?=\w)", shown)
    assert not re.search(r"\bGH-\d|https?://|www\.", shown, re.IGNORECASE)


@given(HOSTILE)
def test_no_line_is_a_quick_action(text: str) -> None:
    assert not re.search(r"^\s*/", escape.markdown(text), re.MULTILINE)


@given(HOSTILE)
def test_few_escapes_do_for_the_first_markdown(text: str) -> None:
    written = escape.markdown(text, few=True)
    assert not re.search(r"(?<!\\)(\\\\)*[*_`\[\]<>#]", written)
    assert not re.search(r"@\\?\{", written)


@given(HOSTILE)
def test_slack_reads_nothing(text: str) -> None:
    shown = escape.slack(text)
    assert not {"<", ">"} & set(shown)
    assert not re.search(r"&(?!amp;|lt;|gt;)|@(?=\w)", shown)


@given(HOSTILE)
def test_a_card_computes_nothing(text: str) -> None:
    assert "{{" not in escape.card(text)


@given(st.text(), st.integers(1, 20))
def test_what_is_cut_fits(text: str, limit: int) -> None:
    assert len(escape.cut(text, limit)) <= max(limit, 1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x00b\u202ec", "abc"), ("a\r\nb\rc", "a\nb\nc"), ("\ud800", "?"), ("a\tb", "a    b")],
)
def test_what_nobody_reads_is_left_out(text: str, shown: str) -> None:
    assert escape.plain(text) == shown


def test_a_line() -> None:
    assert escape.line("  Release\r\nX-Evil: 1\n ") == "Release X-Evil: 1"
