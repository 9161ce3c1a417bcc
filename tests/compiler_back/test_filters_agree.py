"""The built-in filters give what their signatures say, for whatever typing lets through."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rflow.compiler.expr import EvalError, Get, Json, Lambda, Literal, Pipe, Root, dig, evaluate
from rflow.compiler.types import (
    Argument,
    Type,
    TypeMismatch,
    apply_filter,
    check_value,
    of_value,
    parse_type,
    present,
    show_type,
    signature,
)
from rflow.compiler.types import Lambda as LambdaType
from rflow.plugins.host import Host

HOST = Host.load()
SPECS = HOST.specs().filters
TYPES = [
    *("string", "int", "float", "bool", "duration", "list(string)", "list(int)", "map(int)"),
    *("string?", "{a: int, b: string}", "list({a: int, b: string})", "any", '"a" | "b"'),
]
words = st.text("ab-/. 1", max_size=5)
small = st.integers(-3, 9)
record = st.fixed_dictionaries({"a": small, "b": words})
VALUES: dict[str, st.SearchStrategy[Json]] = {
    "string": words,
    "int": small,
    "float": st.floats(-9, 9),
    "bool": st.booleans(),
    "duration": st.integers(0, 5000),
    "list(string)": st.lists(words, max_size=3),
    "list(int)": st.lists(small, max_size=3),
    "map(int)": st.dictionaries(words, small, max_size=2),
    "string?": st.none() | words,
    "{a: int, b: string}": record,
    "list({a: int, b: string})": st.lists(record, max_size=3),
    "any": st.one_of(words, small, st.booleans(), st.lists(small, max_size=2), record),
    '"a" | "b"': st.sampled_from(["a", "b"]),
}
# Chains over `it`: their bodies and, for the type of `it`, their types.
CHAINS = [Get("it", ()), Literal(True), Literal("x"), Pipe(Get("it", ()), "json", ())]


class Nothing:
    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        return dig(None, path)


def typed(body: object, it: Type) -> Type:
    match body:
        case Literal(value):
            return of_value(value)
        case Pipe():
            return parse_type("string")
        case _:
            return it


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_signature_can_be_read(name: str) -> None:
    assert signature(SPECS[name]).subject is not None


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_results_are_of_the_type_that_typing_says(data: st.DataObject) -> None:
    spec = SPECS[data.draw(st.sampled_from(sorted(SPECS)))]
    wanted = signature(spec)
    subject = data.draw(st.sampled_from(TYPES))
    count = data.draw(st.integers(0, len(wanted.args)))
    types: list[Argument] = []
    drawn: list[str] = []
    args: list[Literal | Lambda] = []
    for parameter in wanted.args[:count]:
        if isinstance(present(parameter), LambdaType):
            body = data.draw(st.sampled_from(CHAINS))
            types.append(lambda it, body=body: typed(body, it))  # type: ignore[misc]
            args.append(Lambda(body))
        else:
            type_ = data.draw(st.sampled_from(TYPES))
            drawn.append(type_)
            types.append(parse_type(type_))
            args.append(Literal(data.draw(VALUES[type_])))
    try:
        result = apply_filter(spec, parse_type(subject), types)
    except TypeMismatch:
        return
    value = data.draw(VALUES[subject])
    known = "any" not in (subject, *drawn)
    try:
        found = evaluate(Pipe(Literal(value), spec.name, tuple(args)), Nothing(), HOST.filters())
    except EvalError as error:
        crashed = "is at fault" in error.message
        said = error.message
    else:
        said = f"{value!r} gives {found!r}, said to be {show_type(result)}"
        crashed = check_value(found, result) is not None and result != parse_type("duration")
    assert not (crashed and known), (spec.name, args, said)
