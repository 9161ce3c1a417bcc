"""Stand-ins of a rehearsal: what a node puts out that is not mocked, and what it changes. Pure.

A stand-in follows from the node and the output alone, so that two rehearsals agree:
`string` → `image.version`, a union → its first member, `int` → 1, `float` → 1.0, `bool` → true,
`duration` → one minute, `artifact` → a digest, a list → one stand-in, a map → none, a record →
its fields, `T?` → missing.
"""

from __future__ import annotations

from hashlib import sha256

from rflow.compiler.plan import Json
from rflow.compiler.types import Constant, List, Map, Optional, Record, Type, Union, parse_type


def stand_in(type_: Type, name: str) -> Json:
    """A value of the type, for what is called `name`."""
    match type_:
        case Optional():
            return None
        case Constant(value):
            return value
        case Union(members):
            return stand_in(members[0], name)
        case List(item):
            return [stand_in(item, name)]
        case Map():
            return {}
        case Record(fields):
            return {field: stand_in(item, f"{name}.{field}") for field, item in fields}
        case _:
            return _scalar(getattr(type_, "name", "any"), name)


def _scalar(type_: str, name: str) -> Json:
    match type_:
        case "int":
            return 1
        case "float":
            return 1.0
        case "bool":
            return True
        case "duration":
            return 60
        case "artifact":
            return f"sha256:{sha256(name.encode()).hexdigest()}"
        case _:
            return name


def output_of(type_text: str, name: str) -> Json:
    """A stand-in for an output whose type is written so."""
    return stand_in(parse_type(type_text), name)
