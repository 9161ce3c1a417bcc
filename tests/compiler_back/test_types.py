"""What fits where, what types have in common, and how text becomes a value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rflow.compiler.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    STRING,
    Constant,
    Json,
    List,
    Map,
    Optional,
    Record,
    Scalar,
    Type,
    TypeMismatch,
    Union,
    apply_filter,
    apply_operator,
    assignable,
    check_value,
    comparable,
    join,
    narrow,
    of_value,
    parse_type,
    read_duration,
    read_text,
    show_duration,
    show_type,
)
from rflow.plugins.types import FilterSpec

T = parse_type

values: st.SearchStrategy[Json] = st.recursive(
    st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab-", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
types: st.SearchStrategy[Type] = st.recursive(
    st.sampled_from(
        ["string", "int", "float", "bool", "duration", "artifact", '"a"', "3", "true"]
    ).map(T),
    lambda inner: (
        inner.map(List)
        | inner.map(Map)
        | inner.map(lambda i: i if isinstance(i, Optional) else Optional(i))
        | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2).map(
            lambda fields: Record(tuple(fields.items()))
        )
        | st.tuples(inner, inner).map(lambda pair: join(*pair))
    ),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "to", "fits"),
    [
        ("int", "float", True),
        ("float", "int", False),
        ("int", "string", False),
        ('"a"', "string", True),
        ("string", '"a"', False),
        ('"a" | "b"', '"c" | "b" | "a"', True),
        ('"a" | "d"', '"c" | "b" | "a"', False),
        ("3", "float", True),
        ("true", "int", False),
        ("1", "bool", False),
        ("1.0", "1", False),
        ("string", "string?", True),
        ("string?", "string", False),
        ("string?", "any", False),
        ("string?", "any?", True),
        ("any", "list(int)", True),
        ("list(any)", "list(int)", True),
        ("list(int)", "list(float)", True),
        ("list(int?)", "list(int)", False),
        ("{a: int, b: string}", "{a: float}", True),
        ("{a: int}", "{a: int, b: string?}", True),
        ("{a: int}", "{a: int, b: string}", False),
        ("{a: int, b: int}", "map(int)", True),
        ("{a: int, b: string}", "map(int)", False),
        ("map(int)", "{a: int}", False),
        ("artifact", "string", False),
        ("duration", "float", False),
        ("string | int", "string | int | bool", True),
    ],
)
def test_assignable(value: str, to: str, fits: bool) -> None:
    assert assignable(T(value), T(to)) is fits


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [
        ('"a"', '"b"', '"a" | "b"'),
        ('"a"', "string", "string"),
        ("int", "0.5", "float"),
        ("int", "float", "float"),
        ("1", "true", "1 | true"),
        ("string", "int", "string | int"),
        ("string?", '"a"', "string?"),
        ("list(any)", 'list("a")', 'list("a")'),
        ("list(int)", "list(string)", "list(int | string)"),
        ("{a: int}", "{a: string, b: int}", "{a: int | string, b: int?}"),
        ("map(int)", "{a: string}", "map(int | string)"),
        ("any", "string", "any"),
    ],
)
def test_join(a: str, b: str, both: str) -> None:
    assert show_type(join(T(a), T(b))) == both


@given(types, types)
def test_both_fit_what_they_have_in_common(a: Type, b: Type) -> None:
    both = join(a, b)
    assert assignable(a, both)
    assert assignable(b, both)


@given(types)
def test_types_survive_being_written(type_: Type) -> None:
    assert T(show_type(type_)) == type_


@given(values, types)
def test_a_value_fits_where_its_type_fits(value: Json, to: Type) -> None:
    own = of_value(value)
    assert check_value(value, own) is None
    if assignable(own, to):
        assert check_value(value, to) is None
        assert comparable(own, to)


def test_many_constants_become_their_scalar() -> None:
    assert of_value([f"n{i}" for i in range(1000)]) == List(STRING)
    assert of_value(["a", "b", "a"]) == List(Union((Constant("a"), Constant("b"))))


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("string", "3.10", "3.10"),
        ("string", "", ""),
        ("string?", "true", "true"),
        ("int", "-7", -7),
        ("float", "3", 3),
        ("float", "1e3", 1000.0),
        ("bool", "true", True),
        ("duration", "1h30m", 5400),
        ("duration", "500ms", 0.5),
        ('"a" | "b"', "b", "b"),
        ("1 | 2", "2", 2),
        ("int | string", "2", 2),
        ("int | string", "two", "two"),
        ("list(string)", '["a", "3.10"]', ["a", "3.10"]),
        ("list(duration)", '["10m", 3]', [600, 3]),
        ("map(int)", '{"a": 1}', {"a": 1}),
        ("{a: int, b: string?}", '{"a": 1}', {"a": 1}),
        ("artifact", "sha256:" + "0" * 64, "sha256:" + "0" * 64),
        ("any", '{"a": [1, null]}', {"a": [1, None]}),
    ],
)
def test_text_is_read_by_its_type(type_: str, text: str, value: Json) -> None:
    read = read_text(text, T(type_))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("type_", "text", "said"),
    [
        ("bool", "yes", '"yes" is not a bool, `true` or `false`'),
        ("bool", "True", "`true` or `false`"),
        ("int", "3.0", "a whole number such as `3`"),
        ("int", "٣", "a whole number"),
        ("int", "1_000", "a whole number"),
        ("int", "9" * 19, "a whole number"),
        ("float", "nan", "a number such as `0.5`"),
        ("float", "1e999", "a number such as `0.5`"),
        ("duration", "10", "`1h30m`"),
        ("duration", "30m1h", "`1h30m`"),
        ("duration", "", "`1h30m`"),
        ('"stable" | "canary"', "cannary", '`"stable"`'),
        ('"stable" | "canary"', "cannary", "did you mean `canary`?"),
        ("list(string)", "a,b", "written as JSON"),
        ("list(string)", '["a", 1]', "[1] is 1, but a string is needed"),
        ("map(int)", '{"a": 1, "a": 2}', "stands twice"),
        ("map(any)", '{"a": 1e999}', "too large"),
        ("map(any)", '{"a": "\\u0000"}', "NUL"),
        ("map(any)", '{"a": NaN}', "NaN"),
        ("list(any)", "[" * 100_000, "JSON"),
        ("string", "a\0b", "NUL"),
        ("string", "\udcff", "UTF-8"),
        ("{a: {b: int}}", '{"a": {}}', "a.b is missing"),
        ("artifact", "latest", "a digest"),
    ],
)
def test_text_that_is_refused_names_what_is_accepted(type_: str, text: str, said: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        read_text(text, T(type_))
    assert said in str(raised.value)


@given(types, st.text(max_size=12))
def test_text_gives_a_fitting_value_or_is_refused(type_: Type, text: str) -> None:
    try:
        value = read_text(text, type_)
    except ValueError:
        return
    assert check_value(value, type_) is None


@given(st.integers(0, 10**12))
def test_durations_survive_being_written(ms: int) -> None:
    assert math.isclose(read_duration(show_duration(ms / 1000)), ms / 1000)


def test_a_filter_binds_its_variables() -> None:
    def gives(signature: str, subject: str, *args: str) -> str:
        spec = FilterSpec("f", signature, "")
        return show_type(apply_filter(spec, T(subject), [T(arg) for arg in args]))

    assert gives("(T?, T) -> T", "string?", '"x"') == "string"
    assert gives("(T?, T) -> T", '("a" | "b")?', '"c"') == '"a" | "b" | "c"'
    assert gives("(T?, T) -> T", "int?", "0.5") == "float"
    assert gives("(T?, string?) -> T", "int?") == "int"
    assert gives("(list(T)) -> T?", "list(string)") == "string?"
    assert gives("(map(T)) -> list({key: string, value: T})", "{a: int}") == (
        "list({key: string, value: int})"
    )
    assert gives("(list(T), list(T)) -> list(T)", "list(any)", "list(int)") == "list(int)"
    assert gives("(string) -> string", "any") == "string"
    assert gives("(N, N) -> N", "2", "3") == "int"
    assert gives("(N, N) -> N", "2", "0.5") == "float"
    assert gives("(N, N) -> N", "duration", "duration") == "duration"
    assert gives("(T, int, int?) -> T", '"abc"', "1") == "string"
    assert gives("(list(T)) -> T?", 'list("a" | "b")') == '("a" | "b")?'


def test_a_filter_types_its_chain() -> None:
    sites = T("list({region: string, size: int})")
    mapped = FilterSpec("map", "(list(T), (it: T) -> U) -> list(U)", "")

    def region(it: Type) -> Type:
        assert isinstance(it, Record)
        return dict(it.fields)["region"]

    assert apply_filter(mapped, sites, [region]) == List(STRING)
    kept = FilterSpec("filter", "(list(T), (it: T) -> bool) -> list(T)", "")
    assert apply_filter(kept, sites, [lambda _: BOOL]) == sites
    with pytest.raises(TypeMismatch, match="must give `bool`") as raised:
        apply_filter(kept, sites, [lambda _: INT])
    assert raised.value.index == 0
    with pytest.raises(TypeMismatch, match="chain over `it`"):
        apply_filter(kept, sites, [BOOL])


@pytest.mark.parametrize(
    ("signature", "subject", "args", "index", "said"),
    [
        ("(T?, T) -> T", "int?", ['"x"'], 0, "its first argument"),
        ("(string) -> string", "int", [], None, "takes `string`, but this is an `int`"),
        ("(string) -> string", "string?", [], None, "may be missing"),
        ("(list(T)) -> T", "string", [], None, "takes `list(T)`"),
        ("(N, N) -> N", '"a"', ["1"], None, "takes a number or a duration"),
        ("(N, N) -> N", "int", ["duration"], 0, "takes `int` as its first argument"),
        ("(string, string?) -> string", "string", ['"a"', '"b"'], 1, "0 to 1 argument, not 2"),
        ("(string) -> string", "string", ['"a"'], 0, "takes no arguments, not 1"),
        ("(string, int) -> string", "string", [], None, "takes 1 argument, not 0"),
    ],
)
def test_a_filter_says_which_value_is_wrong(
    signature: str, subject: str, args: list[str], index: int | None, said: str
) -> None:
    with pytest.raises(TypeMismatch) as raised:
        apply_filter(FilterSpec("f", signature, ""), T(subject), [T(arg) for arg in args])
    assert said in raised.value.message
    assert raised.value.index == index


@pytest.mark.parametrize(
    ("op", "operands", "result"),
    [
        ("==", ('"a" | "b"', '"a"'), "bool"),
        ("==", ("string?", '"a"'), "bool"),
        ("<", ("int", "float"), "bool"),
        ("<", ("duration", "any"), "bool"),
        ("in", ("string", "list(string)"), "bool"),
        ("in", ("string", "map(int)"), "bool"),
        ("in", ('"a"', "string"), "bool"),
        ("+", ("int", "1"), "int"),
        ("/", ("int", "int"), "float"),
        ("+", ("duration", "duration"), "duration"),
        ("*", ("int", "duration"), "duration"),
        ("/", ("duration", "duration"), "float"),
        ("+", ("list(int)", "list(string)"), "list(int | string)"),
        ("neg", ("3",), "-3"),
        ("matches", ("string", '"release/*"'), "bool"),
    ],
)
def test_operators(op: str, operands: tuple[str, ...], result: str) -> None:
    assert show_type(apply_operator(op, tuple(T(o) for o in operands))) == result


@pytest.mark.parametrize(
    ("op", "operands", "said"),
    [
        ("==", ('"a" | "b"', '"c"'), "can never hold"),
        ("==", ("int", "string"), "can never hold"),
        ("==", ("duration", "int"), "can never hold"),
        ("in", ("int", "list(string)"), "can never hold"),
        ("<", ("string", "string"), "compares numbers or durations"),
        ("<", ("int?", "int"), "may be missing"),
        ("<", ("duration", "int"), "needs a `duration`"),
        ("+", ("string", "string"), "does not join strings"),
        ("+", ("duration", "int"), "cannot be added"),
        ("/", ("int", "duration"), "cannot be divided"),
        ("and", ("bool", "string"), "needs a `bool`"),
        ("not", ("int",), "needs a `bool`"),
        ("neg", ("string",), "needs a number"),
        ("matches", ("int", '"*"'), "needs a `string`"),
    ],
)
def test_operators_refuse(op: str, operands: tuple[str, ...], said: str) -> None:
    with pytest.raises(TypeMismatch) as raised:
        apply_operator(op, tuple(T(o) for o in operands))
    assert said in raised.value.message


def test_a_comparison_narrows() -> None:
    channel = T('"stable" | "canary" | "edge"')
    assert narrow(channel, Constant("edge"), equal=False) == T('"stable" | "canary"')
    assert narrow(channel, Constant("edge"), equal=True) == Constant("edge")
    assert narrow(channel, Constant("beta"), equal=True) is None
    assert narrow(Constant("edge"), Constant("edge"), equal=False) is None
    assert narrow(T("string?"), Constant("a"), equal=False) == T("string?")
    assert narrow(T("string?"), Constant("a"), equal=True) == Constant("a")
    assert narrow(ANY, Constant(1), equal=False) == ANY


@settings(max_examples=50)
@given(st.sampled_from([FLOAT, INT, BOOL, STRING, Scalar("duration")]), values)
def test_messages_are_one_line(type_: Type, value: Json) -> None:
    message = check_value(value, type_)
    assert message is None or "\n" not in message
