"""Tokens as the error path has them."""

from __future__ import annotations

from collections.abc import Callable

from rflow.dsl import ast
from rflow.grammar.tables import SYMBOLS

ID = {name: number for number, name in enumerate(SYMBOLS)}

Report = Callable[..., None]
"""`report(code, span, message, label="", help=None, suggestion=None)`."""


class Token:
    """A token; `first` on its line, which is indented by `indent`.

    `value` is the node it gives and `word` the word it is, where its text would give another.
    `odd` says why it is no ordinary name: it has a `hyphen`, `letters` of another script, or is
    `bare` text such as a URL.
    """

    __slots__ = ("end", "first", "indent", "kind", "odd", "start", "value", "word")

    def __init__(self, kind: int, start: int, end: int, first: bool, indent: int) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.first = first
        self.indent = indent
        self.value: ast.Str | ast.Ref | ast.Int | ast.Duration | None = None
        self.word = ""
        self.odd = ""

    @property
    def span(self) -> ast.Span:
        return self.start, self.end
