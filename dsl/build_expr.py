"""The builder's methods for expressions, references and types.

Each method is called when a rule of the grammar is complete, with the values of its symbols: a
span for a token, what a method returned for the rest. They build the tree's final nodes; nothing
is visited twice. What the grammar lets through but has no meaning is a `BadLiteral`.
"""

from __future__ import annotations

from typing import Any, cast

from rflow.dsl import ast, make
from rflow.dsl.ast import Span
from rflow.dsl.strings import (
    BadLiteral,
    read_block,
    read_duration,
    read_float,
    read_int,
    read_raw,
    read_string,
)

Values = list[Any]

DEPTH_MAX = 100

PRECEDENCE = {
    "or": 1,
    "and": 2,
    "not": 3,
    "==": 4,
    "!=": 4,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "in": 4,
    "matches": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "sign": 7,
}
COMPARISONS = 4


class Prefixed:
    """`not` or `-` before an operand, until the operators of the whole chain are ordered."""

    __slots__ = ("op", "operand", "span")

    def __init__(self, op: str, span: Span, operand: ast.Expr | Prefixed) -> None:
        self.op = op
        self.span = span
        self.operand = operand


class Expressions:
    """The part of the builder for what stands behind `=`, `when`, `in` and `:`."""

    text: str
    comments: list[ast.Comment]

    def __init__(self, text: str) -> None:
        self.text = text
        self.comments = []
        self.rules: list[tuple[int, int, Any]] = []
        self.depths: dict[int, int] = {}
        self.ref_cache: dict[str, tuple[str | int, ...]] = {}

    def read_ref(self, start: int, end: int) -> ast.Ref:
        """The reference at text[start:end], `$<` and `>` included."""
        raise NotImplementedError

    def bad(self, problem: str, span: Span) -> None:
        """What the grammar lets through has no meaning. Returns only on the error path."""
        raise BadLiteral(problem, span)

    # -- tokens

    def word_in(self, token: Span, skip: int) -> ast.Name:
        """The word at the end of a token that begins with `:` or `|`, blanks and comments."""
        start, end = token
        word = self.text[start + skip : end].lstrip(" \t\r\n")
        if word[0] == "#":
            word = word[word.rfind("\n") + 1 :].lstrip(" \t\r")
            self.gap_comments(start + skip, end - len(word))
        return make.name(word, (end - len(word), end))

    def key_name(self, token: Span) -> ast.Name:
        """The name in the token `name =`."""
        start, end = token
        word = self.text[start : end - 1].rstrip(" \t\r\n")
        if "#" in word:
            name = word[: word.index("#")].rstrip(" \t\r\n")
            self.gap_comments(start + len(name), end - 1)
            word = name
        return make.name(word, (start, start + len(word)))

    def gap_comments(self, start: int, end: int) -> None:
        """Keep the comments that stand inside a token."""
        at = start
        while (at := self.text.find("#", at, end)) >= 0:
            stop = self.text.find("\n", at, end)
            stop = end if stop < 0 else stop
            self.comments.append(comment(self.text, at, stop))
            at = stop

    # -- literals and references

    def ref(self, v: Values) -> ast.Ref:
        return self.read_ref(*v[0])

    def string(self, v: Values) -> ast.Str:
        start, end = v[0]
        quote = self.text[start]
        if quote == "'":
            return read_raw(self.text, start, end)
        if self.text.startswith('"""', start) and end - start > 5:
            return read_block(self.text, start, end, self.read_ref)
        return read_string(self.text, start, end, self.read_ref)

    def plain_string(self, v: Values) -> ast.Str:
        string = self.string(v)
        if any(not isinstance(part, str) for part in string.parts):
            self.bad("nested_reference", string.span)
            return ast.Str((), span=string.span)
        return string

    def integer(self, v: Values) -> ast.Int:
        start, end = v[0]
        return make.integer(read_int(self.text[start:end], v[0]), v[0])

    def negative_integer(self, v: Values) -> ast.Int:
        value = self.integer(v[1:])
        return ast.Int(-value.value, span=(v[0][0], value.span[1]))

    def number(self, v: Values) -> ast.Float:
        start, end = v[0]
        return ast.Float(read_float(self.text[start:end], v[0]), span=v[0])

    def negative_number(self, v: Values) -> ast.Float:
        value = self.number(v[1:])
        return ast.Float(-value.value, span=(v[0][0], value.span[1]))

    def duration(self, v: Values) -> ast.Duration:
        start, end = v[0]
        return read_duration(self.text[start:end], v[0])

    def truth(self, v: Values) -> ast.Bool:
        start, end = v[0]
        return ast.Bool(self.text[start:end] == "true", span=v[0])

    # -- operators

    def operator(self, token: Span) -> str:
        """The operator that a token is."""
        start, end = token
        return self.text[start:end]

    def prefixed(self, v: Values) -> Prefixed:
        return Prefixed(self.operator(v[0]), v[0], v[1])

    def single(self, v: Values) -> Any:
        return self.ordered([v]) if isinstance(v[0], Prefixed) else v[0]

    def chain(self, v: Values) -> Values:
        return v

    def chain_more(self, v: Values) -> Values:
        chain = cast(Values, v[0])
        chain.append(v[1])
        chain.append(v[2])
        return chain

    def ordered(self, v: Values) -> ast.Expr:
        """A chain of operands and operators, as a tree (operators and operands on two stacks)."""
        operands: list[ast.Expr] = []
        operators: list[tuple[str, int, Span]] = []
        for index, item in enumerate(v[0]):
            if index % 2 == 0:
                while isinstance(item, Prefixed):
                    level = PRECEDENCE["not" if item.op == "not" else "sign"]
                    operators.append((item.op, level, item.span))
                    item = item.operand
                operands.append(item)
                continue
            op = self.operator(item)
            level = PRECEDENCE[op]
            while operators and operators[-1][1] >= level:
                if operators[-1][1] == level == COMPARISONS:
                    self.bad("chained_comparison", item)
                    return operands[-2]
                self._apply(operands, operators)
            operators.append((op, level, item))
        while operators:
            self._apply(operands, operators)
        return operands[0]

    def _apply(self, operands: list[ast.Expr], operators: list[tuple[str, int, Span]]) -> None:
        op, level, span = operators.pop()
        right = operands.pop()
        if level in (PRECEDENCE["not"], PRECEDENCE["sign"]):
            whole = (span[0], right.span[1])
            operands.append(self.deepen(ast.Unary(cast(Any, op), right, span=whole), right))
            return
        left = operands.pop()
        whole = (left.span[0], right.span[1])
        node = ast.Binary(cast(Any, op), left, right, span=whole)
        operands.append(self.deepen(node, left, right))

    def deepen(self, node: Any, *parts: ast.Expr) -> Any:
        """Note how deep `node` is; too deep a tree is refused."""
        depths = self.depths
        depth = 1 + max((depths.get(id(part), 0) for part in parts), default=0)
        if depth > DEPTH_MAX:
            self.bad("too_deep_expression", node.span)
            return parts[0]
        depths[id(node)] = depth
        return node

    def choose(self, v: Values) -> ast.IfExpr:
        span = (v[0][0], v[5].span[1])
        return cast(
            ast.IfExpr, self.deepen(ast.IfExpr(v[1], v[3], v[5], span=span), v[1], v[3], v[5])
        )

    def parenthesis(self, v: Values) -> Any:
        return v[1]

    def list_empty(self, v: Values) -> ast.ListExpr:
        return ast.ListExpr((), span=(v[0][0], v[1][1]))

    def list_full(self, v: Values) -> ast.ListExpr:
        node = ast.ListExpr(tuple(v[1]), span=(v[0][0], v[-1][1]))
        return cast(ast.ListExpr, self.deepen(node, *v[1])) if self.depths else node

    def map_of(self, v: Values) -> ast.MapExpr:
        entries, start, end = v[0]
        pairs = tuple((entry.name, entry.value) for entry in entries)
        node = ast.MapExpr(pairs, span=(start, end))
        if self.depths:
            return cast(ast.MapExpr, self.deepen(node, *(value for _, value in pairs)))
        return node

    def quoted_entry(self, v: Values) -> ast.Input:
        key = self.string(v)
        if any(not isinstance(part, str) for part in key.parts):
            self.bad("key_reference", key.span)
        text = "".join(part for part in key.parts if isinstance(part, str))
        name = ast.Name(text, span=key.span)
        return ast.Input(name, v[2], span=(key.span[0], v[2].span[1]))

    # -- inside `$<…>`

    def path(self, v: Values) -> ast.Path:
        start, end = v[0]
        word = self.text[start:end]
        parts = self.ref_cache.get(word)
        if parts is None:
            pieces = word.split(".")
            for piece in pieces[1:]:
                if piece[0].isdigit() and not (piece.isdigit() and len(piece) < 10):
                    self.bad("index", v[0])
            parts = tuple(int(p) if p.isdigit() and len(p) < 10 else p for p in pieces)
            self.ref_cache[word] = parts
        return make.path(parts, v[0])

    def piped(self, v: Values) -> tuple[Any, list[ast.Filter]]:
        return v[0], []

    def filter_bare(self, v: Values) -> tuple[Any, list[ast.Filter]]:
        name = self.word_in(v[1], 1)
        v[0][1].append(ast.Filter(name, (), span=(name.span[0], v[-1][1])))
        return cast("tuple[Any, list[ast.Filter]]", v[0])

    def filter_called(self, v: Values) -> tuple[Any, list[ast.Filter]]:
        name = self.word_in(v[1], 1)
        args = tuple(_argument(*piped) for piped in v[3])
        v[0][1].append(ast.Filter(name, args, span=(name.span[0], v[-1][1])))
        return cast("tuple[Any, list[ast.Filter]]", v[0])

    def argument_first(self, v: Values) -> Values:
        return v

    def argument_more(self, v: Values) -> Values:
        v[0].append(v[2])
        return cast(Values, v[0])

    # -- types

    def type_word(self, v: Values) -> ast.TypeExpr:
        token = v[0]
        name = self.word_in(token, 1 if self.text[token[0]] in ":|" else 0)
        if name.text in ("true", "false"):
            return ast.LiteralType(ast.Bool(name.text == "true", span=name.span), span=name.span)
        return ast.TypeName(name.text, span=name.span)

    def type_generic(self, v: Values) -> ast.TypeExpr:
        token = v[0]
        name = self.word_in(token, 1 if self.text[token[0]] in ":|" else 0)
        return ast.GenericType(name.text, v[2], span=(name.span[0], v[3][1]))

    def type_optional(self, v: Values) -> ast.TypeExpr:
        if isinstance(v[0], ast.OptionalType):
            self.bad("optional_twice", v[1])
            return cast(ast.TypeExpr, v[0])
        return ast.OptionalType(v[0], span=(v[0].span[0], v[1][1]))

    def union(self, v: Values) -> ast.TypeExpr:
        members = (v[0], *v[1])
        return ast.UnionType(members, span=(members[0].span[0], members[-1].span[1]))

    def type_string(self, v: Values) -> ast.TypeExpr:
        value = self.string(v)
        if any(not isinstance(part, str) for part in value.parts):
            self.bad("type_reference", value.span)
            value = ast.Str((), span=value.span)
        return ast.LiteralType(value, span=value.span)

    def type_integer(self, v: Values) -> ast.TypeExpr:
        return ast.LiteralType(self.integer(v), span=v[0])

    def type_number(self, v: Values) -> ast.TypeExpr:
        return ast.LiteralType(self.number(v), span=v[0])

    def type_negative_integer(self, v: Values) -> ast.TypeExpr:
        value = self.negative_integer(v)
        return ast.LiteralType(value, span=value.span)

    def type_negative_number(self, v: Values) -> ast.TypeExpr:
        value = self.negative_number(v)
        return ast.LiteralType(value, span=value.span)

    def type_truth(self, v: Values) -> ast.TypeExpr:
        return ast.LiteralType(self.truth(v), span=v[0])


def _argument(head: Any, filters: list[ast.Filter]) -> Any:
    if filters or isinstance(head, ast.Path):
        end = filters[-1].span[1] if filters else head.span[1]
        return ast.Ref(head, tuple(filters), span=(head.span[0], end))
    return head


def comment(text: str, start: int, end: int) -> ast.Comment:
    """The comment at text[start:end], without what trails."""
    body = text[start:end].rstrip()
    return make.comment(body, (start, start + len(body)))
