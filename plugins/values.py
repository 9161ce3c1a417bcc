"""Whether a value fits a type, for what plugins declare and return.

Standard library only. A message never quotes the value, since the value may be a secret.
"""

from __future__ import annotations

import math
import re
from typing import assert_never

from rflow.plugins.notation import show_type
from rflow.plugins.types import (
    Constant,
    Json,
    Lambda,
    List,
    Map,
    Optional,
    Record,
    Scalar,
    Type,
    Union,
    Variable,
)

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def check_value(value: Json, type: Type) -> str | None:
    """None if the value fits the type, else one line that says why not."""
    return _check(value, type, "it")


def _check(value: Json, type: Type, where: str) -> str | None:
    match type:
        case Scalar():
            return _check_scalar(value, type, where)
        case Constant(expected):
            same = value == expected and isinstance(value, bool) == isinstance(expected, bool)
            return None if same else f"{where} must be {show_type(type)}"
        case Union(members):
            if any(_check(value, member, where) is None for member in members):
                return None
            return f"{where} must be {_any_of(members)}"
        case Optional(item):
            return None if value is None else _check(value, item, where)
        case List(item):
            if not isinstance(value, list):
                return _not(value, type, where)
            found = (_check(one, item, f"{where}[{i}]") for i, one in enumerate(value))
            return next((wrong for wrong in found if wrong), None)
        case Map(item):
            if not isinstance(value, dict):
                return _not(value, type, where)
            found = (_check(one, item, f"{where}.{key}") for key, one in value.items())
            return next((wrong for wrong in found if wrong), None)
        case Record(fields):
            return _check_record(value, dict(fields), type, where)
        case Variable() | Lambda():
            return f"{where} has no value of the type {show_type(type)}"
        case _:
            assert_never(type)


def _check_scalar(value: Json, type: Scalar, where: str) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "any": True,
        "string": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": number and isinstance(value, int),
        "float": number,
        "duration": number,
        "artifact": isinstance(value, str),
    }[type.name]
    if not fits:
        return _not(value, type, where)
    if type.name == "artifact" and not _DIGEST.fullmatch(str(value)):
        return f"{where} must be the digest of an artifact, sha256: and 64 hexadecimal digits"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where} must be a finite number"
    if type.name == "duration" and isinstance(value, int | float) and value < 0:
        return f"{where} must not be negative"
    return None


def _check_record(value: Json, fields: dict[str, Type], type: Type, where: str) -> str | None:
    if not isinstance(value, dict):
        return _not(value, type, where)
    for name in sorted(value):
        if name not in fields:
            return f"{where} has a field `{name}` that {show_type(type)} has not"
    for name, item in fields.items():
        if name not in value and not isinstance(item, Optional):
            return f"{where} lacks the field `{name}`"
        if wrong := _check(value.get(name), item, f"{where}.{name}"):
            return wrong
    return None


def _not(value: Json, type: Type, where: str) -> str:
    return f"{where} is {_kind_of(value)}, not {_article(show_type(type))}"


def _kind_of(value: Json) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "a bool"
        case int():
            return "an int"
        case float():
            return "a float"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a map"
        case _:
            return f"a {type(value).__name__} of Python's"


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _any_of(members: tuple[Type, ...]) -> str:
    shown = [show_type(member) for member in members]
    return f"{', '.join(shown[:-1])} or {shown[-1]}"
