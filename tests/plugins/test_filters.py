"""The filters: each by examples, and the laws that must hold for any text."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.plugins import Filter
from rflow.plugins.builtin import rflow_filters
from rflow.plugins.derive import filter_spec
from rflow.plugins.notation import parse_signature, show_type
from rflow.plugins.types import (
    Lambda,
    List,
    Map,
    Optional,
    Scalar,
    Type,
    Union,
    Variable,
)
from rflow.plugins.values import check_value

FILTERS: dict[str, Filter] = {made.name: made for made in rflow_filters()}
CALL: dict[str, Callable[..., Any]] = {name: made.function for name, made in FILTERS.items()}

NORTHFLANK = [
    "toBase64",
    "fromBase64",
    "slug",
    "indexOf",
    "search",
    "replace",
    "replaceAll",
    "slice",
    "length",
    "toUpper",
    "toLower",
    "split",
    "join",
    "not",
    "or",
    "and",
    "if",
    "eq",
    "neq",
    "gt",
    "lt",
    "gte",
    "lte",
    "add",
    "subtract",
    "multiply",
    "divide",
    "remainder",
    "exp",
    "floor",
    "ceil",
    "get",
    "stringifyJSON",
    "parseJSON",
    "entries",
    "values",
    "keys",
    "find",
    "concat",
    "some",
    "every",
    "filter",
    "map",
    "arrSlice",
    "arrLength",
]


def test_all_that_northflank_offers_is_there() -> None:
    offered = {name for made in FILTERS.values() for name in made.northflank.split(", ")}
    assert set(NORTHFLANK) <= offered


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_each_has_a_spec(name: str) -> None:
    spec = filter_spec(FILTERS[name])
    assert spec.doc.endswith(".")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("base64", ["Ab"], "QWI="),
        ("from_base64", ["QWI="], "Ab"),
        ("slug", ["Release/1.2 (Müller)"], "release-1-2-muller"),
        ("short", ["4f2c1e0a9b8c7d6e"], "4f2c1e0a9b8c"),
        ("sh", ["it's"], "'it'\"'\"'s'"),
        ("upper", ["web"], "WEB"),
        ("lower", ["WEB"], "web"),
        ("trim", ["  a "], "a"),
        ("replace", ["a-b-c", "-", "+"], "a+b-c"),
        ("replace_all", ["a-b-c", "-", "+"], "a+b+c"),
        ("split", ["a,b,c", ","], ["a", "b", "c"]),
        ("split", ["a,b,c", ",", 2], ["a", "b"]),
        ("split", ["abc", ""], ["a", "b", "c"]),
        ("join", [["a", 1, True]], "a,1,true"),
        ("join", [["a", "b"], " "], "a b"),
        ("index_of", ["release/1", "/"], 7),
        ("index_of", ["release", "/"], -1),
        ("search", ["release/1.2", "[0-9]+"], 8),
        ("search", ["release", "[0-9]+"], -1),
        ("matches_regex", ["v1.2", r"v\d+\.\d+"], True),
        ("matches_regex", ["v1.2-rc", r"v\d+\.\d+"], False),
        ("replace_regex", ["v1.2", r"\d+", "n"], "vn.n"),
        ("starts_with", ["release/1", "release/"], True),
        ("ends_with", ["a.gz", ".gz"], True),
        ("default", [None, "x"], "x"),
        ("default", ["", "x"], ""),
        ("default", [False, True], False),
        ("required", ["x"], "x"),
        ("not", [True], False),
        ("and", [True, False], False),
        ("or", [True, False], True),
        ("choose", [True, 3, 1], 3),
        ("eq", ["a", "a"], True),
        ("eq", [1, True], False),
        ("eq", [[1], [True]], False),
        ("eq", [{"a": [1.0]}, {"a": [1]}], True),
        ("ne", ["a", "b"], True),
        ("gt", [2, 1], True),
        ("ge", [2, 2], True),
        ("lt", [2, 1], False),
        ("le", [1, 1.5], True),
        ("add", [2, 3], 5),
        ("subtract", [2, 3], -1),
        ("multiply", [2, 1.5], 3.0),
        ("divide", [3, 2], 1.5),
        ("remainder", [7, 3], 1),
        ("remainder", [-7, 3], -1),
        ("exp", [2, 3], 8.0),
        ("floor", [-1.5], -2),
        ("ceil", [1.2], 2),
        ("length", ["abc"], 3),
        ("length", [[1, 2]], 2),
        ("length", [{"a": 1}], 1),
        ("slice", ["release", 0, 3], "rel"),
        ("slice", [[1, 2, 3], 1], [2, 3]),
        ("slice", ["release", -2], "se"),
        ("contains", [["a", "b"], "a"], True),
        ("contains", [[1], True], False),
        ("concat", [[1], [2]], [1, 2]),
        ("first", [[1, 2]], 1),
        ("first", [[]], None),
        ("last", [[1, 2]], 2),
        ("get", [{"a": {"b": [1, 2]}}, "a.b.1"], 2),
        ("get", [[1, 2], 5], None),
        ("get", ["text", "a"], None),
        ("keys", [{"b": 1, "a": 2}], ["a", "b"]),
        ("values", [{"b": 1, "a": 2}], [2, 1]),
        ("entries", [{"a": 1}], [{"key": "a", "value": 1}]),
        ("json", [{"b": [1, None], "a": "ü"}], '{"a":"ü","b":[1,null]}'),
        ("parse_json", ['{"a": [1]}'], {"a": [1]}),
    ],
)
def test_examples(name: str, args: list[Any], expected: Any) -> None:
    found = CALL[name](*args)
    assert found == expected
    assert type(found) is type(expected)


def test_chains_over_it() -> None:
    items = [{"n": 1}, {"n": 2}]

    def second(it: dict[str, int]) -> bool:
        return it["n"] == 2

    assert CALL["find"](items, second) == {"n": 2}
    assert CALL["filter"](items, second) == [{"n": 2}]
    assert CALL["some"](items, second) is True
    assert CALL["every"](items, second) is False
    assert CALL["every"]([], second) is True
    assert CALL["map"](items, lambda it: it["n"]) == [1, 2]
    with pytest.raises(ValueError, match="true or false"):
        CALL["filter"](items, lambda it: it["n"])


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("from_base64", ["%%%"], "not the base64"),
        ("from_base64", ["/w=="], "not the base64"),
        ("slug", ["///"], "no letter or digit"),
        ("sh", ["a\0b"], "NUL"),
        ("split", ["a", ",", -1], "negative"),
        ("required", [None], "missing"),
        ("required", [None, "say why"], "^say why$"),
        ("divide", [1, 0], "divided by 0"),
        ("remainder", [1, 0], "divided by 0"),
        ("exp", [10, 9999], "no number"),
        ("exp", [-1, 0.5], "no number"),
        ("multiply", [10**18, 10**18], "too large"),
        ("add", ["a", 1], "numbers only"),
        ("gt", [True, 1], "numbers only"),
        ("slice", [3, 1], "a text or a list"),
        ("parse_json", ["{"], "not JSON at line 1"),
        ("parse_json", ["NaN"], "not JSON"),
        ("parse_json", ["[" * 100_000], "nested too deeply"),
        ("search", ["a", "("], "cannot be read"),
        ("matches_regex", ["a", r"(a)\1"], "refers back"),
        ("matches_regex", ["a", "(?=a)"], "looks around"),
        ("replace_regex", ["a", "a" * 600, "b"], "longer than"),
        ("search", ["a" * 100_001, "a"], "longer than"),
        ("search", ["a", "((a{99}){99}){99}"], "too large"),
    ],
)
def test_what_cannot_be_done_says_why(name: str, args: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CALL[name](*args)


@given(st.text())
def test_base64_and_back(text: str) -> None:
    assert CALL["from_base64"](CALL["base64"](text)) == text


@given(st.text())
def test_the_shape_of_a_slug(text: str) -> None:
    try:
        found = CALL["slug"](text)
    except ValueError:
        return
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", found)
    assert len(found) <= 63
    assert CALL["slug"](found) == found


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_a_shell_reads_what_sh_quoted(text: str) -> None:
    script = f"printf %s {CALL['sh'](text)}"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(JSON)
def test_json_and_back(value: Any) -> None:
    text = CALL["json"](value)
    assert CALL["parse_json"](text) == value
    assert json.loads(text) == value


@given(st.text(), st.text(min_size=1))
def test_split_and_join(text: str, separator: str) -> None:
    assert CALL["join"](CALL["split"](text, separator), separator) == text


@given(st.text(), st.integers(-10, 10), st.integers(-10, 10))
def test_a_slice_is_a_part(text: str, start: int, end: int) -> None:
    assert CALL["slice"](text, start, end) in text


NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


def values_of(wanted: Type) -> st.SearchStrategy[Any]:
    """Values of a type in a signature; `T` and `U` are ints, `N` is any number."""
    match wanted:
        case Scalar("string"):
            return st.text(max_size=6)
        case Scalar("int") | Variable("T" | "U"):
            return st.integers(-5, 5)
        case Scalar("float") | Variable("N"):
            return NUMBERS
        case Scalar("bool"):
            return st.booleans()
        case Optional(item):
            return st.none() | values_of(item)
        case List(item):
            return st.lists(values_of(item), max_size=3)
        case Map(item):
            return st.dictionaries(st.text(max_size=3), values_of(item), max_size=3)
        case Union(members):
            return st.one_of(*map(values_of, members))
        case Lambda(_, result):
            return values_of(result).map(lambda value: lambda it: value)
        case _:
            return JSON


@pytest.mark.parametrize("name", sorted(FILTERS))
@given(data=st.data())
def test_arguments_that_fit_give_a_value_or_say_why(name: str, data: st.DataObject) -> None:
    signature = parse_signature(FILTERS[name].signature)
    args = [data.draw(values_of(part)) for part in (signature.subject, *signature.args)]
    with contextlib.suppress(ValueError):
        found = CALL[name](*args)
        wanted = signature.result
        if not re.search(r"\b[A-Z]\b", show_type(wanted)):
            assert check_value(found, wanted) is None
        json.dumps(found, allow_nan=False)


def test_a_time_as_text() -> None:
    date = next(made.function for made in rflow_filters() if made.name == "date")
    assert date(1795426200.25) == "2026-11-23T09:30:00Z"
    assert date(0, "%d %b %Y, %H:%M %%") == "01 Jan 1970, 00:00 %"
    for seconds, form in ((0, "%Q"), (0, "%"), (1e18, "%Y")):
        with pytest.raises(ValueError, match="date: "):
            date(seconds, form)
