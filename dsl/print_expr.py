"""Expressions, types and strings as text on one line: the flat half of the printer."""

from __future__ import annotations

import re
from typing import assert_never

from rflow.dsl import ast
from rflow.dsl.build_expr import PRECEDENCE
from rflow.dsl.strings import UNITS

_WORD = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
ATOM = 9


def precedence(expr: ast.Expr) -> int:
    """How tightly the outermost operator of an expression binds; `if` binds least."""
    if isinstance(expr, ast.Binary):
        return PRECEDENCE[expr.op]
    if isinstance(expr, ast.Unary):
        return PRECEDENCE["not" if expr.op == "not" else "sign"]
    return 0 if isinstance(expr, ast.IfExpr) else ATOM


def needs_parentheses(expr: ast.Expr, parent: ast.Binary | ast.Unary, *, right: bool) -> bool:
    """Whether an operand must stand in parentheses to stay one."""
    outer, inner = precedence(parent), precedence(expr)
    if isinstance(parent, ast.Unary):
        return inner < outer
    comparison = outer == PRECEDENCE["=="]
    return inner < outer or (inner == outer and (right or comparison))


def flat(expr: ast.Expr) -> str:
    """An expression on one line; a block string must not be in it."""
    match expr:
        case ast.Bool():
            return "true" if expr.value else "false"
        case ast.Int():
            return str(expr.value)
        case ast.Float():
            return decimal(expr.value)
        case ast.Duration():
            return duration(expr)
        case ast.Str():
            return string(expr)
        case ast.Ref():
            return f"$<{reference(expr)}>"
        case ast.ListExpr():
            return f"[{', '.join(flat(item) for item in expr.items)}]"
        case ast.MapExpr():
            if not expr.entries:
                return "{ }"
            return f"{{ {', '.join(f'{key(k)} = {flat(v)}' for k, v in expr.entries)} }}"
        case ast.Binary():
            left, right = operand(expr.left, expr), operand(expr.right, expr, right=True)
            return f"{left} {expr.op} {right}"
        case ast.Unary():
            return ("not " if expr.op == "not" else "-") + operand(expr.operand, expr)
        case ast.IfExpr():
            parts = flat(expr.condition), flat(expr.then), flat(expr.otherwise)
            return "if {} then {} else {}".format(*parts)
        case _:
            assert_never(expr)


def decimal(value: float) -> str:
    """The shortest digits that give this number, without an exponent."""
    text = repr(value)
    if "e" in text:
        from decimal import Decimal

        text = format(Decimal(text), "f")
    return text if "." in text else f"{text}.0"


def operand(expr: ast.Expr, parent: ast.Binary | ast.Unary, *, right: bool = False) -> str:
    """An operand, in parentheses where it needs them."""
    text = flat(expr)
    return f"({text})" if needs_parentheses(expr, parent, right=right) else text


def key(name: ast.Name) -> str:
    """The name of a map's entry."""
    return name.text if _WORD.fullmatch(name.text) else f'"{_escaped(name.text)}"'


def reference(ref: ast.Ref) -> str:
    """What stands between `$<` and `>`, or as an argument of a filter."""
    head = ref.head
    text = ".".join(map(str, head.parts)) if isinstance(head, ast.Path) else flat(head)
    for applied in ref.filters:
        text += f" | {applied.name.text}"
        if applied.args:
            args = (reference(a) if isinstance(a, ast.Ref) else flat(a) for a in applied.args)
            text += f"({', '.join(args)})"
    return text


def duration(value: ast.Duration) -> str:
    """As it was written; from the number where it was not."""
    if value.text:
        return value.text
    rest, text = value.ms, ""
    for unit, size in UNITS.items():
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def string(value: ast.Str) -> str:
    """A string on one line, or a block string of one line."""
    if value.style == "raw":
        return f"'{''.join(p for p in value.parts if isinstance(p, str))}'"
    if value.style == "block":
        return f'"""{block_text(value)}"""'
    return f'"{"".join(_escaped(p) if isinstance(p, str) else flat(p) for p in value.parts)}"'


def _escaped(text: str) -> str:
    out = []
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif char.isprintable():
            out.append(char)
        else:
            out.append(f"\\u{{{ord(char):x}}}")
    return "".join(out).replace("$<", "\\$<")


def block_text(value: ast.Str) -> str:
    """What stands between the quotes of a block string, before it is indented."""
    return "".join(
        p.replace('"""', '\\"""').replace("$<", "\\$<") if isinstance(p, str) else flat(p)
        for p in value.parts
    )


def type_text(type_: ast.TypeExpr) -> str:
    """A type."""
    match type_:
        case ast.TypeName():
            return type_.name
        case ast.LiteralType():
            return flat(type_.value)
        case ast.UnionType():
            return " | ".join(
                f"({type_text(m)})" if isinstance(m, ast.UnionType) else type_text(m)
                for m in type_.members
            )
        case ast.GenericType():
            return f"{type_.name}({type_text(type_.item)})"
        case ast.OptionalType():
            inner = type_text(type_.item)
            if isinstance(type_.item, ast.UnionType | ast.OptionalType):
                inner = f"({inner})"
            return f"{inner}?"
        case _:
            assert_never(type_)


def retry(clause: ast.Retry) -> str:
    """A retry clause, without the block of inputs that `using` may have."""
    names = tuple(i.name.text for i in clause.inputs)
    values = [i.value for i in clause.inputs]
    delays = [v for v in values if isinstance(v, ast.Duration)]
    policy = clause.policy.text
    if policy == "none" and clause.attempts == 1 and not names:
        return "retry none"
    start = f"retry {clause.attempts}"
    if policy == "exponential" and not names:
        return start
    if policy == "exponential" and names == ("min", "max") and len(delays) == 2:
        return f"{start} backoff {duration(delays[0])}..{duration(delays[1])}"
    if policy == "constant" and names == ("delay",) and delays:
        return f"{start} every {duration(delays[0])}"
    return f"{start} using {policy}"
