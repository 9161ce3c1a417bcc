"""The notation of types: what it reads, what it refuses, and that it reads what it writes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.plugins.notation import (
    SCALARS,
    Signature,
    parse_signature,
    parse_type,
    show_signature,
    show_type,
)
from rflow.plugins.types import (
    ANY,
    BOOL,
    STRING,
    Constant,
    Lambda,
    List,
    Map,
    Optional,
    Record,
    Type,
    Union,
    Variable,
)

CHANNEL = Union((Constant("a"), Constant("b")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("string", STRING),
        (" list( string ) ", List(STRING)),
        ("map(list(int))", Map(List(SCALARS["int"]))),
        ('"a" | "b"', CHANNEL),
        ('("a" | "b")?', Optional(CHANNEL)),
        ('("a" | "b") | "a"', CHANNEL),
        ("T?", Optional(Variable("T"))),
        ("string??", Optional(STRING)),
        ("-3 | 0.5 | true", Union((Constant(-3), Constant(0.5), Constant(True)))),
        ("1 | true", Union((Constant(1), Constant(True)))),
        ("{branch: string, sha: string,}", Record((("branch", STRING), ("sha", STRING)))),
        ("{}", Record(())),
        ("(it: T) -> bool", Lambda(Variable("T"), BOOL)),
        (r'"a\"b\\c\u00e9"', Constant('a"b\\cé')),
    ],
)
def test_reads(text: str, expected: Type) -> None:
    assert parse_type(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a type is missing at its end"),
        ("strng", "there is no type `strng`"),
        ("list", "`(` is missing"),
        ("list(string", "`)` is missing"),
        ('"a" | "b"?', "in parentheses"),
        ("{a: string, a: int}", "stands twice"),
        ("{a}", "`:` is missing"),
        ("string int", "stands behind its end"),
        ("string;", "has no place in a type"),
        ("list(" * 100 + "int" + ")" * 100, "too deeply"),
        ("(" * 5000, "too long"),
        (r'"\q"', "not well formed"),
    ],
)
def test_refuses(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="is not a type") as caught:
        parse_type(text)
    assert why in str(caught.value)


def types() -> st.SearchStrategy[Type]:
    constants = st.one_of(
        st.text(max_size=8).map(Constant),
        st.integers(-99, 99).map(Constant),
        st.booleans().map(Constant),
        st.floats(allow_nan=False, allow_infinity=False).map(Constant),
    )
    leaves: st.SearchStrategy[Type] = st.one_of(
        st.sampled_from(list(SCALARS.values())), constants, st.sampled_from("TU").map(Variable)
    )
    names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)

    def grow(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
        alone = inner.filter(lambda t: not isinstance(t, Union | Optional | Lambda))
        bare = inner.filter(lambda t: not isinstance(t, Optional))
        fields = st.dictionaries(names, inner, max_size=3)
        return st.one_of(
            inner.map(List),
            inner.map(Map),
            bare.map(Optional),
            fields.map(lambda found: Record(tuple(found.items()))),
            st.lists(alone, min_size=2, max_size=4, unique_by=repr).map(
                lambda found: Union(tuple(found))
            ),
        )

    return st.recursive(leaves, grow, max_leaves=8)


@given(types())
def test_what_is_shown_is_read_back(shown: Type) -> None:
    again = parse_type(show_type(shown))
    assert again == shown
    assert show_type(again) == show_type(shown)


@given(st.text(max_size=40))
def test_any_text_gives_a_type_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_type(text)


def test_signatures() -> None:
    found = parse_signature("(list(T), (it: T) -> bool, int?) -> T?")
    assert found == Signature(
        List(Variable("T")),
        (Lambda(Variable("T"), BOOL), Optional(SCALARS["int"])),
        Optional(Variable("T")),
    )
    assert parse_signature(show_signature(found)) == found
    assert parse_signature("(any) -> string") == Signature(ANY, (), STRING)
    with pytest.raises(ValueError, match="may be left out"):
        parse_signature("(string, int?, int) -> string")
