"""The builder of the error path: what has no meaning is reported, and something takes its place.

A literal without a value gives an empty one, so that the item it stands in is not lost; an item
whose name could not be read is left out of the tree.
"""

from __future__ import annotations

from typing import Any, cast

from rflow.dsl import ast
from rflow.dsl.ast import Span
from rflow.dsl.build_expr import Values
from rflow.dsl.parse import FastBuilder, NotParsed
from rflow.dsl.slips_literal import report_literal
from rflow.dsl.strings import BadLiteral
from rflow.dsl.tokens import Report


class SlowBuilder(FastBuilder):
    """A builder that reports. `words` are operators, `nodes` literals that stand in for tokens
    that were written in another way."""

    def __init__(self, text: str, report: Report) -> None:
        super().__init__(text)
        self.report = report
        self.words: dict[Span, str] = {}
        self.deep: set[int] = set()
        self.nodes: dict[Span, ast.Str | ast.Ref | ast.Int | ast.Duration] = {}

    def bad(self, problem: str, span: Span) -> None:
        if problem == "too_deep_expression":
            if span[0] in self.deep:
                return
            self.deep.add(span[0])
        report_literal(self.report, self.text, problem, span)

    def operator(self, token: Span) -> str:
        return self.words.get(token) or super().operator(token)

    # -- literals

    def string(self, v: Values) -> ast.Str:
        if isinstance(node := self.nodes.get(v[0]), ast.Str):
            return node
        try:
            return super().string(v)
        except BadLiteral as bad:
            self.bad(bad.problem, bad.span)
            return ast.Str((), span=v[0])

    def ref(self, v: Values) -> ast.Ref:
        node = self.nodes.get(v[0])
        return node if isinstance(node, ast.Ref) else super().ref(v)

    def integer(self, v: Values) -> ast.Int:
        if isinstance(node := self.nodes.get(v[0]), ast.Int):
            return node
        try:
            return super().integer(v)
        except BadLiteral as bad:
            self.bad(bad.problem, bad.span)
            return ast.Int(0, span=v[0])

    def number(self, v: Values) -> ast.Float:
        try:
            return super().number(v)
        except BadLiteral as bad:
            self.bad(bad.problem, bad.span)
            return ast.Float(0.0, span=v[0])

    def duration(self, v: Values) -> ast.Duration:
        if isinstance(node := self.nodes.get(v[0]), ast.Duration):
            return node
        try:
            return super().duration(v)
        except BadLiteral as bad:
            self.bad(bad.problem, bad.span)
            return ast.Duration(1_000, "1s", span=v[0])

    def read_ref(self, start: int, end: int) -> ast.Ref:
        try:
            return super().read_ref(start, end)
        except BadLiteral as bad:
            self.bad(bad.problem, bad.span)
        except NotParsed:
            self.bad("reference", (start, end))
        return ast.Ref(ast.Path(("args",), span=(start, end)), (), span=(start, end))

    # -- tokens that are made up have no text

    def word_in(self, token: Span, skip: int) -> ast.Name:
        if token[0] == token[1]:
            return ast.Name("", span=token)
        if self.text[token[0]] not in ":|":
            skip = 0
        return super().word_in(token, skip)

    def key_name(self, token: Span) -> ast.Name:
        if self.text[token[1] - 1] in "=:＝：":
            return super().key_name(token)
        return ast.Name(self.text[slice(*token)], span=token)

    def first(self, v: Values) -> Values:
        return [] if _nameless(v[0]) else v

    def more(self, v: Values) -> Values:
        return cast(Values, v[0]) if _nameless(v[1]) else super().more(v)

    def more_after_comma(self, v: Values) -> Values:
        return cast(Values, v[0]) if _nameless(v[2]) else super().more_after_comma(v)


def _nameless(item: Any) -> bool:
    name, kind = getattr(item, "name", None), getattr(item, "kind", None)
    return any(isinstance(part, ast.Name) and not part.text for part in (name, kind))
