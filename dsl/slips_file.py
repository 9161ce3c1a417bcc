"""Slips in the first line: codes, and the version line that is made up where it is missing."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code
from rflow.dsl.parse import VERSION
from rflow.dsl.tokens import ID, Report, Token

_REST = "\nflow a {\n  let b = 1\n}\n"

RF115 = Code(
    "RF115",
    "missing version line",
    "A file begins with the version of the language that it is written in: `rflow 1`.",
    _REST.lstrip(),
    "rflow 1\n" + _REST,
)
RF116 = Code(
    "RF116",
    "unknown version of the language",
    f"This version of rflow reads version {VERSION} of the language.",
    "rflow 2\n" + _REST,
    "rflow 1\n" + _REST,
)


def version_line(token: Token, second: Token, text: str, report: Report) -> int:
    """How many tokens the version line takes up, reported where it is missing or unknown."""
    if token.kind != ID["RFLOW"]:
        report(
            RF115,
            (0, 0) if token.kind == ID["END"] else token.span,
            "the file does not begin with the version of the language",
            help="write `rflow 1` as the first line",
        )
        return 0
    word = text[second.start : second.end]
    if second.kind != ID["INT"] or second.first:
        report(
            RF115,
            token.span,
            "behind `rflow` the version of the language is missing",
            help="write `rflow 1`",
        )
        odd = second.kind in (ID["FLOAT"], ID["STRING"], ID["NAME"]) and not second.first
        return 2 if odd else 1
    if word != str(VERSION):
        later = word.isdigit() and int(word[:9]) > VERSION
        report(
            RF116,
            second.span,
            f"version {word[:20]} of the language is not known",
            help="get a newer rflow" if later else "write `rflow 1`",
        )
    return 2
