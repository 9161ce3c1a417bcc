"""Texts as other services show them: exactly as they are written.

What a message says often comes from outside: a branch, a commit's message. Markup in it does
nothing, it mentions nobody and refers to nothing. Pure; each function says for which service.

Where a service has no way to escape, an invisible character stands in between: U+2060, the word
joiner, which breaks what a service looks for and nothing that people read.
"""

from __future__ import annotations

import re

JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_FEW = re.compile(r"([\\`*_{}\[\]()#+\-.!<>|~:])")
_REFERENCE = re.compile(
    r"""([@#!$%~&^](?=[\w"'{(\[/])|GH-(?=\d)|:(?=//)|www(?=\.))""", re.IGNORECASE
)
_MENTION = re.compile(r"@(?=\S)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LEADING = re.compile(r"^[ \t]+", re.MULTILINE)


def plain(text: str) -> str:
    """Without control characters and those that turn the direction of writing; lines end with
    a newline, lone surrogates are replaced."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
    return _CONTROLS.sub("", text.replace("\r", "\n")).replace("\t", "    ")


def line(text: str) -> str:
    """In one line."""
    return " ".join(plain(text).split())


def cut(text: str, limit: int) -> str:
    """No longer than `limit` characters; an ellipsis says that something is missing."""
    return text if len(text) <= limit else text[: max(0, limit - 1)].rstrip() + "…"


def slack(text: str) -> str:
    """For Slack: `&`, `<` and `>` are all that it reads in a text that is not marked up."""
    text = _MENTION.sub(f"@{JOINER}", plain(text))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(text: str, *, few: bool = False) -> str:
    """For Markdown: GitHub, GitLab, Gitea, Mattermost, Discord; with `few` for services that
    know only the escapes of the first Markdown: Bitbucket."""
    text = _REFERENCE.sub(lambda found: found[1] + JOINER, plain(text))
    text = (_FEW if few else _PUNCTUATION).sub(r"\\\1", text)
    text = _LEADING.sub(lambda found: "\u00a0" * len(found[0]), text)
    return re.sub(r"[ ]*\n", "  \n", text)


def card(text: str) -> str:
    """For the runs of text of an Adaptive Card, in which only `{{DATE(…)}}` means something."""
    return plain(text).replace("{{", f"{{{JOINER}{{")
