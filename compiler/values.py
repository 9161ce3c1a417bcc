"""Values and types: whether a value fits, and how text from outside becomes a value.

This module owns the messages for values that do not fit, as people read them in a terminal and
in the answer to a webhook. It never coerces: text is read by the type that was declared for it,
so `3.10` for a string stays `3.10`, and `yes` is no bool.
"""

from __future__ import annotations

import json
import math
import re

from rflow.compiler.durations import ACCEPTED, read_duration
from rflow.compiler.operate import INT_MAX, shown
from rflow.compiler.operators import one_of
from rflow.compiler.relations import constants
from rflow.plugins.notation import show_type
from rflow.plugins.types import (
    Constant,
    Json,
    List,
    Map,
    Optional,
    Record,
    Scalar,
    Type,
    Union,
)

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_INT = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_WANTED = {
    "string": "a string",
    "int": "an int, a whole number such as `3`",
    "float": "a float, a number such as `0.5`",
    "bool": "a bool, `true` or `false`",
    "duration": ACCEPTED,
    "artifact": "an artifact, a digest such as `sha256:4f2c…` of 64 digits",
    "any": "JSON",
}


def wanted(type_: Type) -> str:
    """What a type accepts, for a message: "an int, a whole number such as `3`"."""
    if (known := constants(type_)) is not None:
        return one_of(known)
    match type_:
        case Optional(item):
            return wanted(item)
        case Scalar(name):
            return _WANTED[name]
        case List():
            return f"a list, `{show_type(type_)}`"
        case Map() | Record():
            return f"a map, `{show_type(type_)}`"
        case _:
            return f"`{show_type(type_)}`"


def check_value(value: Json, type: Type) -> str | None:
    """None if the value fits the type, else a message that says which part does not."""
    problem = _problem(value, type, ())
    if problem is None:
        return None
    path, at, expected = problem
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    subject = f"{where.removeprefix('.')} is " if where else ""
    if at is None:
        return f"{subject or 'it is '}missing; {expected} is needed"
    return f"{subject}{shown(at)}, but {expected} is needed"


_Problem = tuple[tuple[str | int, ...], Json, str]


def _problem(value: Json, type_: Type, path: tuple[str | int, ...]) -> _Problem | None:
    match type_:
        case Optional(item):
            return None if value is None else _problem(value, item, path)
        case List(item) if isinstance(value, list):
            found = (_problem(v, item, (*path, i)) for i, v in enumerate(value))
            return next((p for p in found if p is not None), None)
        case Map(item) if isinstance(value, dict):
            found = (_problem(v, item, (*path, k)) for k, v in value.items())
            return next((p for p in found if p is not None), None)
        case Record(fields) if isinstance(value, dict):
            found = (_problem(value.get(name), item, (*path, name)) for name, item in fields)
            return next((p for p in found if p is not None), None)
        case Union(members):
            if any(_problem(value, member, ()) is None for member in members):
                return None
        case Constant(constant):
            if _is_constant(value, constant):
                return None
        case Scalar(name):
            if _is_scalar(value, name):
                return None
    return path, value, wanted(type_)


def _is_constant(value: Json, constant: str | int | float | bool) -> bool:
    if isinstance(constant, bool | str) or isinstance(value, bool):
        return type(value) is type(constant) and value == constant
    return value == constant


def _is_scalar(value: Json, name: str) -> bool:
    match name:
        case "string":
            return isinstance(value, str)
        case "int":
            return type(value) is int and abs(value) <= INT_MAX
        case "float" | "duration":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and math.isfinite(value) and (name == "float" or value >= 0)  # type: ignore[arg-type, operator]
        case "bool":
            return isinstance(value, bool)
        case "artifact":
            return isinstance(value, str) and DIGEST.fullmatch(value) is not None
        case _:
            return value is not None


# -- text from outside -------------------------------------------------------------------------


def read_text(text: str, type: Type) -> Json:
    """The value that a text from outside means for this type; ValueError names what is accepted.

    Scalars are written plainly (`3`, `true`, `10m`, any text at all for a string), lists and maps
    as JSON. A missing value cannot be written: it is given by giving nothing.
    """
    if _UNREADABLE.search(text):
        raise ValueError("it holds a NUL character or is not valid UTF-8 text")
    return _read(text, type)


def _read(text: str, type_: Type) -> Json:
    match type_:
        case Optional(item):
            return _read(text, item)
        case Scalar("string"):
            return text
        case Constant(constant):
            return _read_constant(text, constant)
        case Union(members):
            return _read_union(text, members, type_)
        case Scalar(name) if name != "any":
            return _read_scalar(text, name)
        case _:
            return _read_json(text, type_)


def _refused(text: str, type_: Type) -> ValueError:
    return ValueError(f"{shown(text)} is not {wanted(type_)}")


def _read_constant(text: str, constant: str | int | float | bool) -> Json:
    if isinstance(constant, str):
        if text == constant:
            return constant
    elif isinstance(constant, bool):
        if text == ("true" if constant else "false"):
            return constant
    else:
        pattern = _INT if isinstance(constant, int) else _FLOAT
        if pattern.fullmatch(text) and float(text) == constant:
            return constant
    raise ValueError(f"{shown(text)} is not {one_of((Constant(constant),))}")


_READ_FIRST = ("int", "float", "bool", "duration", "artifact")


def _read_union(text: str, members: tuple[Type, ...], whole: Type) -> Json:
    """The first that reads it: constants, then scalars from the narrowest, then the rest; a
    string, which reads anything, last."""

    def rank(member: Type) -> int:
        if isinstance(member, Constant):
            return 0
        if isinstance(member, Scalar):
            return 1 + _READ_FIRST.index(member.name) if member.name in _READ_FIRST else 9
        return 8

    for member in sorted(members, key=rank):
        try:
            return _read(text, member)
        except ValueError:
            continue
    known = [wanted(member) for member in members if not isinstance(member, Constant)]
    literal = tuple(member for member in members if isinstance(member, Constant))
    options = ([one_of(literal)] if literal else []) + known
    suggestion = _suggest(text, literal)
    raise ValueError(f"{shown(text)} is not {', nor '.join(options)}{suggestion}")


def _suggest(text: str, known: tuple[Constant, ...]) -> str:
    from rflow.dsl.diagnostics import closest

    meant = closest(text, tuple(c.value for c in known if isinstance(c.value, str)))
    return f"; did you mean `{meant}`?" if meant is not None else ""


def _read_scalar(text: str, name: str) -> Json:
    if name == "int" and _INT.fullmatch(text) and abs(int(text)) <= INT_MAX:
        return int(text)
    if name == "float" and _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return int(text) if _INT.fullmatch(text) and abs(int(text)) <= INT_MAX else float(text)
    if name == "bool" and text in ("true", "false"):
        return text == "true"
    if name == "duration":
        return read_duration(text)
    if name == "artifact" and DIGEST.fullmatch(text):
        return text
    raise ValueError(f"{shown(text)} is not {_WANTED[name]}")


def _read_json(text: str, type_: Type) -> Json:
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=_bounded,
            parse_float=_bounded_float,
        )
    except (ValueError, RecursionError) as error:
        why = str(error) or "it is nested too deeply"
        raise ValueError(f"{_refused(text, type_)}, written as JSON ({why})") from None
    if not storable(value):
        raise ValueError("it holds a NUL character or is not valid UTF-8 text")
    value = _read_durations(value, type_)
    message = check_value(value, type_)
    if message is not None:
        raise ValueError(message)
    return value


def storable(value: Json) -> bool:
    """Whether all texts in the value can be written down: no NUL, no lone surrogate."""
    match value:
        case str():
            return _UNREADABLE.search(value) is None
        case list():
            return all(storable(item) for item in value)
        case dict():
            return all(storable(key) and storable(item) for key, item in value.items())
        case _:
            return True


def _bounded_float(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _bounded(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > INT_MAX:
        raise ValueError(f"the number {digits[:20]}… is too large")
    return int(digits)


def _once(pairs: list[tuple[str, Json]]) -> Json:
    found: dict[str, Json] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shown(key)} stands twice")
        found[key] = value
    return found


def _no_constant(word: str) -> Json:
    raise ValueError(f"{word} is not a number of JSON")


def _read_durations(value: Json, type_: Type) -> Json:
    """Within JSON a duration may be written as text, as it is everywhere else: `["10m"]`."""
    match type_:
        case Scalar("duration") if isinstance(value, str):
            return read_duration(value)
        case Optional(item):
            return _read_durations(value, item)
        case List(item) if isinstance(value, list):
            return [_read_durations(v, item) for v in value]
        case Map(item) if isinstance(value, dict):
            return {k: _read_durations(v, item) for k, v in value.items()}
        case Record(fields) if isinstance(value, dict):
            known = dict(fields)
            return {k: _read_durations(v, known[k]) if k in known else v for k, v in value.items()}
        case _:
            return value
