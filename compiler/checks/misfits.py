"""What is said of an expression that is not what its place wants.

This module owns the words and the suggestions; that something is wrong is found in `lower`.
"""

from __future__ import annotations

import re

from rflow.compiler.checks import expression_codes as codes
from rflow.compiler.checks.report import Report
from rflow.compiler.types import (
    ARTIFACT,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    Constant,
    List,
    Map,
    Optional,
    Record,
    Type,
    TypeMismatch,
    Union,
    a_type,
    assignable,
    constants,
    one_of,
    present,
)
from rflow.dsl import ast
from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import closest
from rflow.plugins.types import Specs

SCALARS = (STRING, INT, FLOAT, BOOL, DURATION, ARTIFACT)


EXAMPLES = {
    INT: "write a whole number, such as `3`",
    FLOAT: "write a number, such as `0.5`",
    BOOL: "write `true` or `false`",
}
"""What a value of the type looks like."""


class Misfits:
    """The mistakes of one flow's expressions."""

    def __init__(self, report: Report, specs: Specs) -> None:
        self.report = report
        self.specs = specs

    def missing(self, span: Span, type_: Type) -> None:
        """Report a value that may be missing where one is needed."""
        self.report.error(
            codes.MAY_MISS,
            span,
            f"this may be missing: it is {a_type(type_)}",
            help="give it a default, `| default(…)`, or a `when` under which it is there",
        )

    def misfit(self, node: ast.Expr, given: Type, wanted: Type, what: str) -> None:
        """Report a value of the wrong type, by the most telling of the codes."""
        if isinstance(given, Optional) and assignable(given.item, wanted):
            self.missing(node.span, given)
            return
        known = constants(wanted)
        if known is not None and isinstance(given, Constant):
            texts = [c.value for c in known if isinstance(c.value, str)]
            meant = closest(given.value, texts) if isinstance(given.value, str) else None
            self.report.error(
                codes.NOT_AMONG,
                node.span,
                f"{what} cannot be {a_type(given)}",
                help=None if meant else f"it can be {one_of(known)}",
                suggestion=f'"{meant}"' if meant else None,
            )
            return
        self.report.error(
            codes.WRONG_TYPE,
            node.span,
            f"{what} takes {a_type(wanted)}, but this is {a_type(given)}",
            help=_conversion(given, wanted),
        )

    def wrong_operands(
        self,
        op: str,
        nodes: tuple[ast.Expr, ...],
        types: tuple[Type, ...],
        wrong: TypeMismatch,
        span: Span,
    ) -> None:
        at = nodes[wrong.index].span if wrong.index is not None else span
        if op in ("==", "!=", "in"):
            self._never(op, nodes, types, span)
        elif wrong.index is not None and isinstance(types[wrong.index], Optional):
            self.missing(at, types[wrong.index])
        elif op in ("and", "or", "not"):
            self.report.error(codes.NOT_BOOL, at, wrong.message, help=wrong.help)
        else:
            self.report.error(codes.OPERANDS, at, wrong.message, help=wrong.help)

    def _never(
        self, op: str, nodes: tuple[ast.Expr, ...], types: tuple[Type, ...], span: Span
    ) -> None:
        """A comparison that is decided before the run: which of its sides is the odd one?"""
        left, right = types
        if op == "in":
            if not isinstance(right, List):
                message = f"`in` looks into a list, a map or a string, but this is {a_type(right)}"
                if isinstance(right, Map | Record) or assignable(right, STRING):
                    message = f"`in` needs a string here, but this is {a_type(left)}"
                self.report.error(codes.OPERANDS, span, message)
                return
            right = right.item
        index = 0 if isinstance(left, Constant) and not isinstance(right, Constant) else 1
        odd, other = (left, right) if index == 0 else (right, left)
        known = constants(other)
        word = "always" if op == "!=" else "never"
        meant = None
        hint = None
        if known is not None and isinstance(odd, Constant):
            texts = [c.value for c in known if isinstance(c.value, str)]
            meant = closest(odd.value, texts) if isinstance(odd.value, str) else None
            hint = f"it can be {one_of(known)}"
        elif assignable(odd, STRING) != assignable(other, STRING):
            hint = 'nothing is turned into a string by itself; write `"$<…>"`'
        self.report.error(
            codes.NEVER,
            nodes[index].span if known is not None else span,
            f"this comparison can {word} hold: one side is {a_type(left)}, the other "
            f"{a_type(right)}"
            if known is None
            else f"this comparison {word} holds: {a_type(odd)} is none of the possible values",
            help=None if meant else hint,
            suggestion=f'"{meant}"' if meant else None,
        )

    def unknown_filter(self, name: ast.Name) -> None:
        known = self.specs.filters
        meant = next((f.name for f in known.values() if f.northflank == name.text), None)
        meant = meant or closest(name.text, list(known))
        self.report.error(
            codes.UNKNOWN_FILTER,
            name.span,
            f"there is no filter `{name.text}`",
            help=None if meant else "the reference lists the filters; a plugin can add some",
            suggestion=meant,
        )

    def twice(self, name: ast.Name, noun: str, first: Span) -> None:
        """Report that a key or an input is given a second time."""
        self.report.error(
            codes.GIVEN_TWICE,
            name.span,
            f"the {noun} `{name.text}` is given twice",
            labels=(self.report.label(first, "first given here"),),
            help="take one of them out",
        )


def is_scalar(type_: Type) -> bool:
    """Whether a value of the type can stand in a string."""
    if type_ in SCALARS or isinstance(type_, Constant):
        return True
    return isinstance(type_, Union) and all(is_scalar(member) for member in type_.members)


def _reads_as(text: str, to: Type) -> bool:
    """Whether the text would be one without its quotes."""
    if to == BOOL:
        return text in ("true", "false")
    return re.fullmatch(r"-?\d+" if to == INT else r"-?\d+(\.\d+)?", text) is not None


def _conversion(given: Type, wanted: Type) -> str | None:
    """How to make one of the other, where there is a usual way."""
    to = present(wanted)
    given = present(given)
    if to == STRING and isinstance(given, Constant):
        value = given.value
        return f'write it in quotes: `"{str(value).lower() if isinstance(value, bool) else value}"`'
    if to == STRING and is_scalar(given):
        return 'nothing is turned into a string by itself: write it into one, `"$<…>"`'
    if to == STRING:
        return "`| json` makes a string of it" if not isinstance(given, Optional) else None
    if assignable(given, STRING) and to in (INT, FLOAT, BOOL):
        if isinstance(given, Constant):
            reads = _reads_as(str(given.value), to)
            return "write it without the quotes" if reads else EXAMPLES.get(to)
        return "a string is no number: declare it with the type that is meant"
    if to == DURATION and assignable(given, FLOAT):
        return "a duration has a unit: `30s`, `10m`, `2h`"
    if isinstance(to, List) and not isinstance(given, List) and assignable(given, to.item):
        return "write it as a list: `[…]`"
    return None
