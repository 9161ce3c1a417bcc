"""The values that operators give, and what stands in for a value that must not be seen.

This module owns the meaning of each operator for values (`operators` has their types) and of a
scalar as text. It knows no scope and no filter, and it never coerces.
"""

from __future__ import annotations

import json
import math
from typing import Literal as Lit

from rflow.compiler.durations import show_duration
from rflow.compiler.globs import matches
from rflow.compiler.tree import Expr, Get, show_get
from rflow.plugins.types import Json

Number = int | float

INT_MAX = 2**63 - 1


class Masked(str):
    """What stands in for a secret. It is a string, so that it can be written down and shown."""

    __slots__ = ()


MASK = Masked("***")


class EvalError(Exception):
    """An expression without a value. `code` says of which sort the reason is."""

    def __init__(
        self,
        message: str,
        code: Lit["missing", "type", "division", "range", "filter", "depth"] = "type",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def holds_mask(value: object) -> bool:
    """Whether a secret is hidden in the value."""
    if isinstance(value, list):
        return any(holds_mask(item) for item in value)
    if isinstance(value, dict):
        return any(holds_mask(item) for item in value.values())
    return isinstance(value, Masked)


def operate(op: str, args: tuple[Expr, ...], values: list[Json]) -> Json:
    """The result of an operator, other than `and` and `or`, for the values of its operands."""
    if any(holds_mask(value) for value in values):
        return MASK
    if op in ("==", "!="):
        return equal(values[0], values[1]) == (op == "==")
    for arg, value in zip(args, values, strict=True):
        if value is None:
            raise EvalError(f"{what(arg)} is missing, and `{op}` needs a value", "missing")
    match op:
        case "not":
            return not truth(values[0], "`not`")
        case "in":
            return _within(values[0], values[1])
        case "matches":
            if isinstance(values[0], str) and isinstance(values[1], str):
                return matches(values[0], values[1])
            raise EvalError("`matches` takes a string and a pattern")
        case "neg":
            return checked(-number(values[0], "-"))
        case "duration":
            return show_duration(number(values[0], "a duration"))
        case "+" if isinstance(values[0], list) and isinstance(values[1], list):
            return values[0] + values[1]
        case _:
            return _arithmetic(op, number(values[0], op), number(values[1], op))


def equal(a: Json, b: Json) -> bool:
    """Equality of values: numbers by value, and a bool is no number."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _within(item: Json, whole: Json) -> bool:
    if isinstance(whole, list):
        return any(equal(item, other) for other in whole)
    if isinstance(whole, dict | str) and isinstance(item, str):
        return item in whole
    raise EvalError("`in` looks into a list, a map or a string")


def _arithmetic(op: str, a: Number, b: Number) -> Json:
    match op:
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case ">=":
            return a >= b
        case "+":
            return checked(a + b)
        case "-":
            return checked(a - b)
        case "*":
            return checked(a * b)
        case "/":
            if b == 0:
                raise EvalError("a number is divided by zero", "division")
            return checked(a / b)
        case _:
            raise EvalError(f"there is no operator `{op}`")


def number(value: Json, op: str) -> Number:
    """The value if it is a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise EvalError(f"`{op}` needs a number, but this is {shown(value)}")


def checked(value: Number) -> Number:
    """The number, if JSON and every store can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        raise EvalError("the result is no number that can be written down", "range")
    if isinstance(value, int) and abs(value) > INT_MAX:
        raise EvalError("the result has more than 64 bits", "range")
    return value


def truth(value: Json, who: str) -> bool:
    """The value if it is a bool; there is no truthiness."""
    if isinstance(value, bool):
        return value
    said = "it is missing" if value is None else f"this is {shown(value)}"
    raise EvalError(
        f"{who} needs true or false, but {said}", "missing" if value is None else "type"
    )


def scalar_text(value: Json) -> str:
    """A scalar as a part of a string or a script: `true`, `3`, `0.1`, the string itself."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    raise EvalError(
        "a missing value cannot be a part of a string"
        if value is None
        else "a list or a map cannot be a part of a string",
        "missing" if value is None else "type",
    )


def shown(value: Json) -> str:
    """The value as JSON, cut short where it is long, for a message."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def what(expr: Expr) -> str:
    """What is missing, for a message."""
    return f"`{show_get(expr)}`" if isinstance(expr, Get) else "a value"
