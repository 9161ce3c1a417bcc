"""Filters and types: what a filter gives for the types that it is given.

This module owns the unification of a signature's variables (`T`, `U`) with the types of a call.
A variable stands for the smallest type that all its uses fit; `1 | default("x")` is a mistake all
the same, since a string is no number: a variable is widened within one scalar type only. What is
before the `|` is passed on as it is by `(T?, …) -> T` and `(list(T), …) -> T`, so that `"a" | "b"`
stays that; `(T, …) -> T` makes another value of the same sort, so that it becomes `string`. The
variable `N` stands for numbers and durations only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rflow.compiler.operators import a_type
from rflow.compiler.relations import TypeMismatch, assignable, join, present, widen
from rflow.plugins.notation import Signature, parse_signature, show_type
from rflow.plugins.types import (
    ANY,
    DURATION,
    FLOAT,
    FilterSpec,
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

Argument = Type | Callable[[Type], Type]
"""A filter's argument: its type, or, where the signature has a lambda, the function that gives
the type of its body for the type of `it`. (It may raise TypeMismatch itself.)"""


def signature(spec: FilterSpec) -> Signature:
    """The filter's signature, read once."""
    return parse_signature(spec.signature)


def apply_filter(spec: FilterSpec, subject: Type, args: Sequence[Argument]) -> Type:
    """The type of `subject | name(args)`; TypeMismatch with the index of the wrong argument."""
    wanted = signature(spec)
    _count(spec, wanted, len(args))
    bound: dict[str, Type] = {}
    if isinstance(subject, Optional) and not isinstance(wanted.subject, Optional):
        raise TypeMismatch(
            f"this may be missing (it is {a_type(subject)}), and `{spec.name}` needs a value",
            None,
            "give it a default first: `| default(…)`",
        )
    if isinstance(wanted.subject, Variable):
        subject = widen(subject)
    if not _unify(wanted.subject, subject, bound):
        needed = _shown(_resolve(wanted.subject, {}, keep=True))
        raise TypeMismatch(f"`{spec.name}` takes {needed}, but this is {a_type(subject)}")
    for index, (parameter, arg) in enumerate(zip(wanted.args, args, strict=False)):
        if isinstance(present(parameter), Lambda):
            _apply_lambda(spec, parameter, arg, index, bound)
        elif callable(arg):
            raise TypeMismatch(f"`{spec.name}` takes no chain over `it` here", index)
        elif not _unify(parameter, arg, bound):
            needed = _shown(_resolve(present(parameter), bound, keep=True))
            raise TypeMismatch(
                f"`{spec.name}` takes {needed} as its {_ORDINALS[min(index, 5)]} argument, "
                f"but this is {a_type(arg)}",
                index,
            )
    return _resolve(wanted.result, bound)


def _shown(type_: Type) -> str:
    return "a number or a duration" if type_ == Variable("N") else f"`{show_type(type_)}`"


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "last")


def _count(spec: FilterSpec, wanted: Signature, given: int) -> None:
    least = sum(1 for arg in wanted.args if not isinstance(arg, Optional))
    most = len(wanted.args)
    if least <= given <= most:
        return
    amount = str(most) if least == most else f"{least} to {most}"
    noun = "argument" if most == 1 else "arguments"
    said = f"no {noun}" if most == 0 else f"{amount} {noun}"
    raise TypeMismatch(
        f"`{spec.name}` takes {said}, not {given}",
        most if given > most else None,
        f"its form is `{spec.signature}`",
    )


def _apply_lambda(
    spec: FilterSpec, parameter: Type, arg: Argument, index: int, bound: dict[str, Type]
) -> None:
    wanted = present(parameter)
    assert isinstance(wanted, Lambda)
    if not callable(arg):
        raise TypeMismatch(
            f"`{spec.name}` takes a chain over `it` here, but this is {a_type(arg)}",
            index,
            f"write what to do with each element: `{spec.name}(it | …)`",
        )
    body = arg(_resolve(wanted.item, bound))
    if not _unify(wanted.result, body, bound):
        needed = _shown(_resolve(wanted.result, bound, keep=True))
        raise TypeMismatch(
            f"the chain of `{spec.name}` must give {needed}, but this gives {a_type(body)}",
            index,
        )


def _unify(wanted: Type, given: Type, bound: dict[str, Type]) -> bool:
    """Whether `given` fits `wanted`; binds the variables of `wanted` on the way."""
    match wanted:
        case Variable(name):
            return _bind(name, given, bound)
        case Optional(item):
            return _unify(item, present(given), bound)
        case List(item):
            if isinstance(given, List):
                return _unify(item, given.item, bound)
            return given == ANY and _unify(item, ANY, bound)
        case Map(item):
            if isinstance(given, Map):
                return _unify(item, given.item, bound)
            if isinstance(given, Record):
                return all(_unify(item, field, bound) for _, field in given.fields)
            return given == ANY and _unify(item, ANY, bound)
        case Record(fields):
            if isinstance(given, Record):
                own = dict(given.fields)
                return all(
                    _unify(item, own[name], bound) if name in own else isinstance(item, Optional)
                    for name, item in fields
                )
            return given == ANY and all(_unify(item, ANY, bound) for _, item in fields)
        case Union(members):
            parts = given.members if isinstance(given, Union) else (given,)
            return all(any(_unify(m, part, bound) for m in members) for part in parts)
        case _:
            return assignable(given, wanted)


def _bind(name: str, given: Type, bound: dict[str, Type]) -> bool:
    if name == "N" and not (assignable(given, FLOAT) or assignable(given, DURATION)):
        return False
    known = bound.get(name)
    if known is None or known == ANY:
        bound[name] = given
        return True
    if assignable(given, known):
        return True
    one, other = widen(present(known)), widen(present(given))
    if not (assignable(one, other) or assignable(other, one)):
        return False
    bound[name] = join(known, given)
    return True


def _resolve(type_: Type, bound: dict[str, Type], *, keep: bool = False) -> Type:
    """The type with its variables replaced; one that was never bound is `any` (or is kept)."""
    match type_:
        case Variable(name):
            return bound.get(name, type_ if keep else ANY)
        case List(item):
            return List(_resolve(item, bound, keep=keep))
        case Map(item):
            return Map(_resolve(item, bound, keep=keep))
        case Optional(item):
            inner = _resolve(item, bound, keep=keep)
            return inner if isinstance(inner, Optional) else Optional(inner)
        case Record(fields):
            return Record(tuple((n, _resolve(item, bound, keep=keep)) for n, item in fields))
        case Union(members):
            return Union(tuple(_resolve(member, bound, keep=keep) for member in members))
        case Lambda(item, result):
            return Lambda(_resolve(item, bound, keep=keep), _resolve(result, bound, keep=keep))
        case Scalar():
            return type_
        case _:
            return type_
