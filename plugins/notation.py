"""Types as text: `list(string)`, `"a" | "b"`, `{branch: string, sha: string}`, and back.

This module owns the one notation in which types stand in specs, in plans and in messages.
The standard library and msgspec only; it never looks at values and never decides what fits what
(see `compiler.types`).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Literal, get_args

from msgspec import Struct
from rflow.plugins.types import (
    Constant,
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

ScalarName = Literal["string", "int", "float", "bool", "duration", "artifact", "any"]
SCALARS: dict[str, Scalar] = {name: Scalar(name) for name in get_args(ScalarName)}

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>->|[(){},:|?])
    )""",
    re.VERBOSE,
)


class Signature(Struct, frozen=True):
    """`(T?, T) -> T`: what stands before the `|`, the arguments in brackets, the result.

    An `Optional` argument may be left out, and so may all that follow it.
    """

    subject: Type
    args: tuple[Type, ...]
    result: Type


@lru_cache(maxsize=1024)
def parse_type(text: str) -> Type:
    """The type that `text` writes; ValueError says what is wrong with it."""
    if (scalar := SCALARS.get(text)) is not None:
        return scalar
    reader = _Reader(text)
    found = reader.type()
    reader.end()
    return found


@lru_cache(maxsize=256)
def parse_signature(text: str) -> Signature:
    """The signature of a filter; ValueError says what is wrong with it."""
    reader = _Reader(text)
    reader.expect("(")
    types = [reader.argument()]
    while reader.skip(","):
        types.append(reader.argument())
    reader.expect(")")
    reader.expect("->")
    result = reader.type()
    reader.end()
    left_out = False
    for arg in types[1:]:
        if isinstance(arg, Optional):
            left_out = True
        elif left_out:
            raise reader.wrong(
                "an argument that must be given stands after one that may be left out"
            )
    return Signature(types[0], tuple(types[1:]), result)


def show_type(shown: Type) -> str:
    """The text that `parse_type` reads back as an equal type."""
    match shown:
        case Scalar(name) | Variable(name):
            return name
        case Constant(value):
            return json.dumps(value, ensure_ascii=False)
        case Union(members):
            return " | ".join(_show_member(member) for member in members)
        case List(item):
            return f"list({show_type(item)})"
        case Map(item):
            return f"map({show_type(item)})"
        case Record(fields):
            inner = ", ".join(f"{name}: {show_type(item)}" for name, item in fields)
            return f"{{{inner}}}"
        case Optional(item):
            text = show_type(item)
            return f"({text})?" if isinstance(item, Union | Lambda) else f"{text}?"
        case Lambda(item, result):
            return f"(it: {show_type(item)}) -> {show_type(result)}"


def show_signature(signature: Signature) -> str:
    """The text that `parse_signature` reads back as an equal signature."""
    parts = ", ".join(show_type(part) for part in (signature.subject, *signature.args))
    return f"({parts}) -> {show_type(signature.result)}"


def _show_member(member: Type) -> str:
    text = show_type(member)
    return f"({text})" if isinstance(member, Union | Optional | Lambda) else text


class _Reader:
    """A reader of one text by recursive descent; its depth is that of the type."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self.wrong(f"{text[at:].strip()[0]!r} has no place in a type")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind]))
            at = found.end()
        if len(self._tokens) > 4096:
            raise self.wrong("it is too long")

    def wrong(self, why: str) -> ValueError:
        text = self._text if len(self._text) <= 200 else self._text[:200] + "…"
        return ValueError(f"`{text}` is not a type: {why}")

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self.wrong(f"`{self._tokens[self._at][1]}` stands behind its end")

    def skip(self, sign: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign):
            self._at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.skip(sign):
            raise self.wrong(f"`{sign}` is missing {self._where()}")

    def _where(self) -> str:
        if self._at < len(self._tokens):
            return f"before `{self._tokens[self._at][1]}`"
        return "at its end"

    def type(self, depth: int = 0) -> Type:
        if depth > 64:
            raise self.wrong("it is nested too deeply")
        members = [self._postfix(depth)]
        while self.skip("|"):
            members.append(self._postfix(depth))
        if len(members) == 1:
            return members[0]
        flat: list[Type] = []
        for member in members:
            if isinstance(member, Optional):
                raise self.wrong('a union is made optional in parentheses: `("a" | "b")?`')
            for one in member.members if isinstance(member, Union) else (member,):
                if not any(_same(one, other) for other in flat):
                    flat.append(one)
        return flat[0] if len(flat) == 1 else Union(tuple(flat))

    def argument(self) -> Type:
        """A type, or a lambda with or without parentheses around it."""
        return self.type()

    def _postfix(self, depth: int) -> Type:
        found = self._primary(depth)
        while self.skip("?"):
            if not isinstance(found, Optional):
                found = Optional(found)
        return found

    def _primary(self, depth: int) -> Type:
        if self._at >= len(self._tokens):
            raise self.wrong("a type is missing at its end")
        kind, text = self._tokens[self._at]
        if kind == "string":
            self._at += 1
            return Constant(self._string(text))
        if kind == "number":
            self._at += 1
            return Constant(float(text) if re.search(r"[.eE]", text) else int(text))
        if kind == "word":
            self._at += 1
            return self._named(text, depth)
        if self._tokens[self._at : self._at + 3] == [
            ("sign", "("),
            ("word", "it"),
            ("sign", ":"),
        ]:
            return self._lambda(depth)
        if self.skip("("):
            found = self.type(depth + 1)
            self.expect(")")
            return found
        if self.skip("{"):
            return self._record(depth)
        raise self.wrong(f"a type is missing {self._where()}")

    def _string(self, text: str) -> str:
        try:
            value: str = json.loads(text, strict=False)
        except ValueError:
            raise self.wrong(f"the string {text} is not well formed") from None
        return value

    def _named(self, name: str, depth: int) -> Type:
        if name in ("true", "false"):
            return Constant(name == "true")
        if name in ("list", "map"):
            self.expect("(")
            item = self.type(depth + 1)
            self.expect(")")
            return List(item) if name == "list" else Map(item)
        if (scalar := SCALARS.get(name)) is not None:
            return scalar
        if len(name) == 1 and name.isupper():
            return Variable(name)
        known = ", ".join((*SCALARS, "list(T)", "map(T)"))
        raise self.wrong(f"there is no type `{name}`; there are {known}")

    def _lambda(self, depth: int) -> Type:
        self._at += 3
        item = self.type(depth + 1)
        self.expect(")")
        self.expect("->")
        return Lambda(item, self._postfix(depth + 1))

    def _record(self, depth: int) -> Type:
        fields: dict[str, Type] = {}
        while not self.skip("}"):
            if fields:
                self.expect(",")
                if self.skip("}"):
                    break
            if self._at >= len(self._tokens) or self._tokens[self._at][0] != "word":
                raise self.wrong(f"the name of a field is missing {self._where()}")
            name = self._tokens[self._at][1]
            self._at += 1
            if name in fields:
                raise self.wrong(f"the field `{name}` stands twice")
            self.expect(":")
            fields[name] = self.type(depth + 1)
        return Record(tuple(fields.items()))


def _same(one: Type, other: Type) -> bool:
    """Equal, where `1` and `true` and `1.0` are three things."""
    if isinstance(one, Constant) and isinstance(other, Constant):
        return type(one.value) is type(other.value) and one.value == other.value
    return one == other
