"""The plan as JSON, and back.

This module owns the form in which plans are stored, compared and pinned by their digest. It is
canonical: equal plans give equal bytes. UTF-8, no spaces; the fields of an object in the order of
`plan`, but for those that have their default, which are left out; maps by their sorted keys. A
place is `[source, start, end]`. Expressions are written short:

    a string, a number, true, false, null      themselves
    any other constant                          ["lit", value]
    a value of the run                          ["get", root, …path]
    an interpolated string                      ["text", …parts]
    a list, a map                               ["list", …items], ["map", [key, value], …]
    an operator, a choice                       ["op", operator, …operands], ["if", a, b, c]
    a filter, a chain over `it`                 ["pipe", subject, name, …args], ["it", body]

`schema` describes the same as JSON Schema. How a field is written follows from its type in `plan`,
so the two cannot drift apart; a change that older readers misread needs a new `PLAN_VERSION`.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from msgspec import NODEFAULT, StructMeta, structs
from rflow.compiler.plan import PLAN_VERSION, Place, Plan
from rflow.compiler.tree import (
    Apply,
    Choose,
    Expr,
    Format,
    Get,
    Lambda,
    ListOf,
    Literal,
    MapOf,
    Pipe,
)

Writer = Callable[[Any], Any]
Reader = Callable[[Any], Any]


class PlanError(ValueError):
    """What was read is no plan that this version of rflow understands."""


def dumps(plan: Plan) -> bytes:
    """The plan as canonical JSON; ValueError if a text in it cannot be written as UTF-8."""
    body = {"version": PLAN_VERSION, **_forms(Plan)[0](plan)}
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


@lru_cache(maxsize=1)  # a run begins with the plan that it has just written
def loads(data: bytes) -> Plan:
    """The plan that was written; PlanError says why it is none."""
    try:
        body = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"this is not the JSON of a plan: {error}") from None
    if not isinstance(body, dict) or "version" not in body:
        raise PlanError("this is JSON, but no plan: it has no `version`")
    version = body.pop("version")
    if version != PLAN_VERSION:
        if isinstance(version, int) and version > PLAN_VERSION:
            raise PlanError(
                f"this plan has version {version}, written by a newer rflow; "
                f"this one reads version {PLAN_VERSION}"
            )
        raise PlanError(f"this plan has version {version!r}; this rflow reads {PLAN_VERSION}")
    try:
        plan = _forms(Plan)[1](body)
    except PlanError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise PlanError(f"this is no well-formed plan: {error}") from None
    assert isinstance(plan, Plan)
    return plan


def digest(data: bytes) -> str:
    """`sha256:…` of the bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number of JSON")


# -- objects, by the types of their fields -----------------------------------------------------


@cache
def _forms(form: Any) -> tuple[Writer, Reader]:
    """How values of a type, as an annotation of `plan`, are written and read."""
    if form == Expr:
        return write_expr, read_expr
    if form is Place:
        return (lambda p: [p.source, p.start, p.end]), (lambda raw: Place(*_ints(raw, 3)))
    if isinstance(form, StructMeta):
        return _object(form)
    origin, args = typing.get_origin(form), typing.get_args(form)
    if origin is tuple:
        return _array(args)
    if origin is dict:
        return _map(args[1])
    if origin in (types.UnionType, typing.Union):
        return _optional(args)
    if origin is typing.Literal:
        return _same, _one_of(args)
    return _same, _scalar(form)


def _same(value: Any) -> Any:
    return value


def _ints(raw: Any, count: int) -> list[int]:
    if len(raw) != count or not all(type(item) is int for item in raw):
        raise PlanError(f"{raw!r} is not a place")
    return list(raw)


def _scalar(form: Any) -> Reader:
    accepted = (int, float) if form is float else (form,)

    def read(raw: Any) -> Any:
        if type(raw) not in accepted:
            raise PlanError(f"{raw!r} stands where a value of type `{form.__name__}` is wanted")
        return raw

    return read


def _one_of(options: tuple[Any, ...]) -> Reader:
    def read(raw: Any) -> Any:
        if raw not in options:
            raise PlanError(f"{raw!r} is none of {', '.join(map(repr, options))}")
        return raw

    return read


def _optional(forms: tuple[Any, ...]) -> tuple[Writer, Reader]:
    present = tuple(form for form in forms if form is not type(None))
    if set(present) == set(typing.get_args(Expr)):
        return _write_optional_expr, lambda raw: None if raw is None else read_expr(raw)
    (form,) = present
    write, read = _forms(form)
    return (
        lambda value: None if value is None else write(value),
        lambda raw: None if raw is None else read(raw),
    )


def _write_optional_expr(expr: Expr | None) -> Any:
    """A missing value, as an expression, is not the same as no expression."""
    if expr is None:
        return None
    return ["lit", None] if expr == Literal(None) else write_expr(expr)


def _array(forms: tuple[Any, ...]) -> tuple[Writer, Reader]:
    if forms[-1] is Ellipsis:
        write, read = _forms(forms[0])
        return (
            lambda value: [write(item) for item in value],
            lambda raw: tuple(read(item) for item in _listed(raw)),
        )
    pairs = [_forms(form) for form in forms]

    def read_all(raw: Any) -> Any:
        if len(_listed(raw)) != len(pairs):
            raise PlanError(f"a list of {len(raw)} stands where one of {len(pairs)} is wanted")
        return tuple(read(item) for (_, read), item in zip(pairs, raw, strict=True))

    return (
        lambda value: [write(item) for (write, _), item in zip(pairs, value, strict=True)],
        read_all,
    )


def _listed(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise PlanError(f"{raw!r} stands where a list is wanted")
    return raw


def _map(form: Any) -> tuple[Writer, Reader]:
    write, read = _forms(form)
    return (
        lambda value: {key: write(value[key]) for key in sorted(value)},
        lambda raw: {key: read(item) for key, item in raw.items()},
    )


def _object(cls: Any) -> tuple[Writer, Reader]:
    hints = typing.get_type_hints(cls)
    fields = [(f.name, f.default, *_forms(hints[f.name])) for f in structs.fields(cls)]
    readers = {name: read for name, _, _, read in fields}
    required = {name for name, default, _, _ in fields if default is NODEFAULT}

    def write_object(value: Any) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for name, default, write, _ in fields:
            item = getattr(value, name)
            if item is not default and item != default:
                written[name] = write(item)
        return written

    def read_object(raw: Any) -> Any:
        try:
            return cls(**{name: readers[name](item) for name, item in raw.items()})
        except (KeyError, TypeError):
            noun = cls.__name__.lower()
            for name in sorted(raw.keys() - readers.keys()):
                raise PlanError(f"`{name}` is no field of {noun}") from None
            for name in sorted(required - raw.keys()):
                raise PlanError(f"the field `{name}` of {noun} is missing") from None
            raise

    return write_object, read_object


# -- expressions -------------------------------------------------------------------------------


def write_expr(expr: Expr | Lambda) -> Any:
    """The short form of an expression; see the module."""
    return _WRITERS[type(expr)](expr)


_WRITERS: dict[type, Writer] = {
    Literal: lambda e: ["lit", e.value] if isinstance(e.value, list | dict) else e.value,
    Get: lambda e: ["get", e.root, *e.path],
    Format: lambda e: ["text", *map(write_expr, e.parts)],
    ListOf: lambda e: ["list", *map(write_expr, e.items)],
    MapOf: lambda e: ["map", *([key, write_expr(item)] for key, item in e.entries)],
    Apply: lambda e: ["op", e.op, *map(write_expr, e.args)],
    Choose: lambda e: ["if", *map(write_expr, (e.condition, e.then, e.otherwise))],
    Pipe: lambda e: ["pipe", write_expr(e.subject), e.name, *map(write_expr, e.args)],
    Lambda: lambda e: ["it", write_expr(e.body)],
}


def read_expr(raw: Any) -> Expr:
    """The expression of a short form."""
    if not isinstance(raw, list):
        if isinstance(raw, dict):
            raise PlanError("an object is no expression")
        return Literal(raw)
    reader = _READERS.get(raw[0]) if raw and isinstance(raw[0], str) else None
    if reader is None:
        raise PlanError(f"an expression cannot begin with {raw[:1]!r}")
    return reader(raw)


def _read_get(raw: list[Any]) -> Expr:
    path = tuple(raw[2:])
    if not all(type(part) in (str, int) for part in path):
        raise PlanError(f"{raw!r} is no path")
    return Get(_ROOT(raw[1]), path)


def _read_if(raw: list[Any]) -> Expr:
    _, condition, then, otherwise = raw
    return Choose(read_expr(condition), read_expr(then), read_expr(otherwise))


_READERS: dict[str, Callable[[list[Any]], Expr]] = {
    "get": _read_get,
    "lit": lambda raw: Literal(raw[1]),
    "text": lambda raw: Format(tuple(map(read_expr, raw[1:]))),
    "list": lambda raw: ListOf(tuple(map(read_expr, raw[1:]))),
    "map": lambda raw: MapOf(tuple((_TEXT(key), read_expr(item)) for key, item in raw[1:])),
    "op": lambda raw: Apply(_TEXT(raw[1]), tuple(map(read_expr, raw[2:]))),
    "if": _read_if,
    "pipe": lambda raw: Pipe(read_expr(raw[1]), _TEXT(raw[2]), tuple(map(_read_arg, raw[3:]))),
}


def _read_arg(raw: Any) -> Expr | Lambda:
    if isinstance(raw, list) and raw[:1] == ["it"]:
        return Lambda(read_expr(raw[1]))
    return read_expr(raw)


_ROOT = _one_of(typing.get_args(typing.get_type_hints(Get)["root"]))
_TEXT: Reader = _scalar(str)
