"""How types relate: what fits where, what two have in common, what a comparison can mean.

This module owns the order of types (`assignable`) and what follows from it (`join`, `narrow`,
`comparable`); it never looks at an expression and never changes a value. There is no coercion:
the only widening is that an `int` stands where a `float` is wanted, that a record stands where a
map is wanted, and that a value stands where a missing one would be allowed. `any` fits
everywhere, both ways: what only the run can know, the run checks (`values.check_value`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rflow.plugins.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    STRING,
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

CONSTANTS_MAX = 64
"""A union of more constants than this is widened to the scalars they are of."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BASES: dict[type, Scalar] = {str: STRING, int: INT, float: FLOAT, bool: BOOL}


def base(constant: Constant) -> Scalar:
    """The scalar type that the value of a constant is of."""
    return _BASES[type(constant.value)]


def widen(type_: Type) -> Type:
    """The type without its constants: `"a" | "b"` is a string."""
    match type_:
        case Constant():
            return base(type_)
        case Union(members):
            return join_all(widen(member) for member in members)
        case List(item):
            return List(widen(item))
        case Map(item):
            return Map(widen(item))
        case Optional(item):
            return Optional(widen(item))
        case Record(fields):
            return Record(tuple((name, widen(item)) for name, item in fields))
        case _:
            return type_


def assignable(value: Type, to: Type) -> bool:
    """Whether every value of the one type may stand where the other is wanted."""
    if value is to or to == ANY:
        return not isinstance(value, Optional) or isinstance(to, Optional)
    if isinstance(to, Optional):
        return assignable(value.item if isinstance(value, Optional) else value, to.item)
    match value:
        case Scalar("any"):
            return True
        case Optional():
            return False
        case Union(members):
            return all(assignable(member, to) for member in members)
        case Constant():
            return _constant_fits(value, to)
        case _ if isinstance(to, Union):
            return any(assignable(value, member) for member in to.members)
        case Scalar("int"):
            return to in (INT, FLOAT)
        case Scalar() | Variable():
            return value == to
        case List(item):
            return isinstance(to, List) and assignable(item, to.item)
        case Map(item):
            return isinstance(to, Map) and assignable(item, to.item)
        case Record(fields):
            return _record_fits(dict(fields), to)
        case Lambda(item, result):
            return (
                isinstance(to, Lambda)
                and assignable(to.item, item)
                and assignable(result, to.result)
            )


def _constant_fits(value: Constant, to: Type) -> bool:
    match to:
        case Constant():
            return type(value.value) is type(to.value) and value.value == to.value
        case Scalar(name):
            own = base(value)
            return own == to or (name == "float" and own == INT)
        case Union(members):
            return any(_constant_fits(value, member) for member in members)
        case _:
            return False


def _record_fits(fields: dict[str, Type], to: Type) -> bool:
    match to:
        case Map(item):
            return all(assignable(field, item) for field in fields.values())
        case Record(wanted):
            return all(
                assignable(fields[name], field) if name in fields else isinstance(field, Optional)
                for name, field in wanted
            )
        case _:
            return False


# -- what two types have in common -------------------------------------------------------------


def join(a: Type, b: Type) -> Type:
    """The smallest type in whose place values of both may stand."""
    return join_all((a, b))


def join_all(types: Iterable[Type]) -> Type:
    """The smallest type in whose place values of all may stand; `any` for none at all."""
    missing = False
    found: list[Type] = []
    constants: dict[tuple[type, object], Constant] = {}
    for type_ in types:
        if isinstance(type_, Optional):
            missing, type_ = True, type_.item
        for member in type_.members if isinstance(type_, Union) else (type_,):
            if isinstance(member, Constant):
                constants.setdefault((type(member.value), member.value), member)
            else:
                _add(found, member)
    if INT in found and any(base(constant) == FLOAT for constant in constants.values()):
        _add(found, FLOAT)
    kept: list[Type] = [
        c for c in constants.values() if not any(_constant_fits(c, f) for f in found)
    ]
    if len(kept) > CONSTANTS_MAX:
        for constant in constants.values():
            _add(found, base(constant))
        kept = []
    if ANY in found:
        joined: Type = ANY
    else:
        members = (*kept, *found)
        joined = members[0] if len(members) == 1 else Union(members) if members else ANY
    return Optional(joined) if missing else joined


def _add(found: list[Type], member: Type) -> None:
    """Put `member` among types that have nothing in common, merged where it has."""
    for index, other in enumerate(found):
        merged = _merge(other, member)
        if merged is not None:
            found[index] = merged
            return
    found.append(member)


def _merge(a: Type, b: Type) -> Type | None:
    if ANY in (a, b):
        return ANY
    if assignable(a, b):
        return b
    if assignable(b, a):
        return a
    match a, b:
        case List(one), List(other):
            return List(join(one, other))
        case Map(one), Map(other):
            return Map(join(one, other))
        case Record(one_fields), Record(other_fields):
            return _merge_records(dict(one_fields), dict(other_fields))
        case (Record(fields), Map(item)) | (Map(item), Record(fields)):
            return Map(join_all((item, *(field for _, field in fields))))
        case _:
            return None


def _merge_records(one: dict[str, Type], other: dict[str, Type]) -> Record:
    fields: list[tuple[str, Type]] = []
    for name in (*one, *(name for name in other if name not in one)):
        if name in one and name in other:
            fields.append((name, join(one[name], other[name])))
        else:
            item = one.get(name) or other[name]
            fields.append((name, item if isinstance(item, Optional) else Optional(item)))
    return Record(tuple(fields))


def of_value(value: Json) -> Type:
    """The smallest type of a value. A number of seconds is a number, a digest is a string."""
    if value is None:
        return Optional(ANY)
    if isinstance(value, list):
        return List(join_all(of_value(item) for item in value))
    if isinstance(value, dict):
        if all(_WORD.fullmatch(name) for name in value):
            return Record(tuple((name, of_value(item)) for name, item in value.items()))
        return Map(join_all(of_value(item) for item in value.values()))
    return Constant(value)


# -- comparing ---------------------------------------------------------------------------------


def comparable(a: Type, b: Type) -> bool:
    """Whether a value of the one can ever equal one of the other."""
    if isinstance(a, Optional) and isinstance(b, Optional):
        return True
    a, b = present(a), present(b)
    if ANY in (a, b):
        return True
    if isinstance(a, Union):
        return any(comparable(member, b) for member in a.members)
    if isinstance(b, Union):
        return any(comparable(a, member) for member in b.members)
    match a, b:
        case Constant(), Constant():
            numbers = {base(a), base(b)} <= {INT, FLOAT}
            return (base(a) == base(b) or numbers) and a.value == b.value
        case (Constant(), Scalar(name)) | (Scalar(name), Constant()):
            own = base(a if isinstance(a, Constant) else b)  # type: ignore[arg-type]
            return own.name == name or {own.name, name} == {"int", "float"}
        case Scalar(one), Scalar(other):
            return one == other or {one, other} == {"int", "float"}
        case (List(one), List(other)) | (Map(one), Map(other)):
            return comparable(one, other)
        case Record(one_fields), Record(other_fields):
            fields = dict(other_fields)
            return all(n not in fields or comparable(t, fields[n]) for n, t in one_fields)
        case (Record(), Map()) | (Map(), Record()):
            return True
        case _:
            return False


def present(type_: Type) -> Type:
    """The type of the value when it is not missing: `T` of `T?`."""
    return type_.item if isinstance(type_, Optional) else type_


def narrow(type_: Type, to: Constant, *, equal: bool) -> Type | None:
    """What is left of a type once a value of it is known to equal a constant, or not to.

    None: nothing is left, so that the comparison is decided. A missing value equals no constant.
    """
    inner = present(type_)
    members = inner.members if isinstance(inner, Union) else (inner,)
    if equal:
        held = [m if isinstance(m, Constant) else to for m in members if comparable(m, to)]
        return join_all(held) if held else None
    left = [m for m in members if not (isinstance(m, Constant) and comparable(m, to))]
    if not left:
        return None
    joined = join_all(left)
    return Optional(joined) if isinstance(type_, Optional) else joined


def constants(type_: Type) -> tuple[Constant, ...] | None:
    """The constants that a type consists of, None if it has other values too."""
    inner = present(type_)
    members = inner.members if isinstance(inner, Union) else (inner,)
    found = tuple(member for member in members if isinstance(member, Constant))
    return found if len(found) == len(members) else None


# -- what is wrong --------------------------------------------------------------------------


class TypeMismatch(Exception):
    """A value of the wrong type: what is said about it, and which value it is.

    `index` is that of the operand, or of the filter's argument, from 0; None for the value
    before the `|` and where no single one is wrong. `help` is a next step, if there is one.
    """

    def __init__(self, message: str, index: int | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.index = index
        self.help = help
