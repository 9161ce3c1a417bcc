"""The filters over what may be missing, truth, comparison and numbers, for use within `$<…>`.

Outside it the operators of the language do the same. Pure.
"""

from __future__ import annotations

import math

from rflow.plugins import Json, define_filter

Number = int | float
_LARGEST = 2**63


@define_filter("(T?, T) -> T", example='args.note | default("none")')
def default(value: Json, otherwise: Json) -> Json:
    """The value, or this one where it is missing."""
    return otherwise if value is None else value


@define_filter("(T?, string?) -> T", example='args.note | required("say why")')
def required(value: Json, message: str | None = None) -> Json:
    """The value; the run fails, with this message, where it is missing."""
    if value is None:
        raise ValueError(message or "required: the value is missing")
    return value


@define_filter("(bool) -> bool", northflank="not")
def not_(value: bool) -> bool:
    """Whether it is false."""
    return not value


@define_filter("(bool, bool) -> bool", example="args.a | and(args.b)", northflank="and")
def and_(value: bool, other: bool) -> bool:
    """Whether both are true."""
    return value and other


@define_filter("(bool, bool) -> bool", example="args.a | or(args.b)", northflank="or")
def or_(value: bool, other: bool) -> bool:
    """Whether one of the two is true."""
    return value or other


@define_filter(
    "(bool, T, T) -> T", example="args.large | choose(3, 1) gives 3 or 1", northflank="if"
)
def choose(value: bool, then: Json, otherwise: Json) -> Json:
    """The first argument if it is true, else the second."""
    return then if value else otherwise


@define_filter("(T, T) -> bool", example='it.region | eq("eu")', cleans=True, northflank="eq")
def eq(value: Json, other: Json) -> bool:
    """Whether the two are equal; `true` is not `1`."""
    return _same(value, other)


@define_filter("(T, T) -> bool", cleans=True, northflank="neq")
def ne(value: Json, other: Json) -> bool:
    """Whether the two differ."""
    return not _same(value, other)


@define_filter("(N, N) -> bool", cleans=True, northflank="gt")
def gt(value: Number, other: Number) -> bool:
    """Whether it is greater than the other."""
    return _number("gt", value) > _number("gt", other)


@define_filter("(N, N) -> bool", cleans=True, northflank="gte")
def ge(value: Number, other: Number) -> bool:
    """Whether it is greater than the other, or equal."""
    return _number("ge", value) >= _number("ge", other)


@define_filter("(N, N) -> bool", cleans=True, northflank="lt")
def lt(value: Number, other: Number) -> bool:
    """Whether it is less than the other."""
    return _number("lt", value) < _number("lt", other)


@define_filter("(N, N) -> bool", cleans=True, northflank="lte")
def le(value: Number, other: Number) -> bool:
    """Whether it is less than the other, or equal."""
    return _number("le", value) <= _number("le", other)


@define_filter("(N, N) -> N", example="2 | add(3) gives 5", northflank="add")
def add(value: Number, other: Number) -> Number:
    """The sum."""
    return _bounded("add", _number("add", value) + _number("add", other))


@define_filter("(N, N) -> N", example="5 | subtract(3) gives 2", northflank="subtract")
def subtract(value: Number, other: Number) -> Number:
    """The difference."""
    return _bounded("subtract", _number("subtract", value) - _number("subtract", other))


@define_filter("(N, N) -> N", example="2 | multiply(3) gives 6", northflank="multiply")
def multiply(value: Number, other: Number) -> Number:
    """The product."""
    return _bounded("multiply", _number("multiply", value) * _number("multiply", other))


@define_filter("(N, N) -> float", example="3 | divide(2) gives 1.5", northflank="divide")
def divide(value: Number, other: Number) -> float:
    """The quotient."""
    if _number("divide", other) == 0:
        raise ValueError("divide: nothing can be divided by 0")
    return float(_bounded("divide", _number("divide", value) / other))


@define_filter("(N, N) -> N", example="7 | remainder(3) gives 1", northflank="remainder")
def remainder(value: Number, other: Number) -> Number:
    """What is left of a division; it has the sign of the number before the bar."""
    if _number("remainder", other) == 0:
        raise ValueError("remainder: nothing can be divided by 0")
    if isinstance(value, int) and isinstance(other, int):
        return (abs(value) % abs(other)) * (-1 if value < 0 else 1)
    return math.fmod(_number("remainder", value), other)


@define_filter("(N, N) -> float", example="2 | exp(3) gives 8", northflank="exp")
def exp(value: Number, power: Number) -> float:
    """The number to this power."""
    try:
        found = math.pow(_number("exp", value), _number("exp", power))
    except (OverflowError, ValueError):
        raise ValueError("exp: the result is no number that can be written") from None
    return float(_bounded("exp", found))


@define_filter("(N) -> int", example="1.7 | floor gives 1", northflank="floor")
def floor(value: Number) -> int:
    """The greatest whole number that is not greater."""
    return math.floor(_number("floor", value))


@define_filter("(N) -> int", example="1.2 | ceil gives 2", northflank="ceil")
def ceil(value: Number) -> int:
    """The least whole number that is not less."""
    return math.ceil(_number("ceil", value))


def _number(name: str, value: Json) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: this takes numbers only")
    return value


def _bounded(name: str, value: Number) -> Number:
    if not math.isfinite(value) or (isinstance(value, int) and abs(value) >= _LARGEST):
        raise ValueError(f"{name}: the result is too large")
    return value


def _same(one: Json, other: Json) -> bool:
    """Equal as JSON: no bool is a number, also within lists and maps."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one == other


FILTERS = (
    default,
    required,
    not_,
    and_,
    or_,
    choose,
    eq,
    ne,
    gt,
    ge,
    lt,
    le,
    add,
    subtract,
    multiply,
    divide,
    remainder,
    exp,
    floor,
    ceil,
)
