"""What expressions are worth, and how that is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.compiler.expr import (
    MASK,
    Apply,
    Choose,
    EvalError,
    Explained,
    Expr,
    Format,
    Get,
    Json,
    Lambda,
    ListOf,
    Literal,
    MapOf,
    Masked,
    Pipe,
    Root,
    dig,
    evaluate,
    explain,
    references,
    show_expr,
)
from rflow.compiler.globs import matches
from rflow.compiler.types import TypeMismatch, apply_operator, check_value, parse_type


@dataclass
class Values:
    """A scope over a dictionary, which notes what was asked for."""

    values: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        self.asked.append(f"{root}.{'.'.join(map(str, path))}")
        return dig(self.values.get(root), path)


FILTERS: dict[str, Callable[..., Json]] = {
    "default": lambda value, other: other if value is None else value,
    "upper": lambda value: value.upper(),
    "map": lambda items, chain: [chain(item) for item in items],
    "eq": lambda value, other: value == other,
    "refuse": lambda value: (_ for _ in ()).throw(ValueError("refuse: not this one")),
    "broken": lambda value: value.nothing,
}
SCOPE = Values(
    {
        "arg": {
            "n": 3,
            "s": "x",
            "yes": True,
            "tags": ["a", "b"],
            "note": None,
            "m": {"k": [1, 2]},
        },
        "secret": {"token": MASK},
        "node": {"web": {"url": "u"}},
    }
)


def L(value: Json) -> Literal:
    return Literal(value)


def A(*path: str | int) -> Get:
    return Get("arg", path)


def value(expr: Expr) -> Json:
    return evaluate(expr, SCOPE, FILTERS)


@pytest.mark.parametrize(
    ("op", "args", "result"),
    [
        ("==", (1, 1.0), True),
        ("==", (1, True), False),
        ("==", ([1, {"a": True}], [1.0, {"a": True}]), True),
        ("==", ([1], [True]), False),
        ("!=", ("a", "b"), True),
        ("==", (None, "a"), False),
        ("==", (None, None), True),
        ("<", (1, 1.5), True),
        (">=", (2, 2), True),
        ("in", (1, [2, 1.0]), True),
        ("in", (True, [1]), False),
        ("in", ("k", {"k": 1}), True),
        ("in", ("ell", "hello"), True),
        ("matches", ("release/1.2", "release/*"), True),
        ("matches", ("release/1/2", "release/*"), False),
        ("+", (1, 2), 3),
        ("+", ([1], [2]), [1, 2]),
        ("/", (4, 2), 2.0),
        ("/", (1, 2), 0.5),
        ("*", (2, 0.5), 1.0),
        ("-", (1, 2), -1),
        ("neg", (2,), -2),
        ("not", (True,), False),
        ("duration", (5400,), "1h30m"),
        ("duration", (0.5,), "500ms"),
    ],
)
def test_operators(op: str, args: tuple[Json, ...], result: Json) -> None:
    found = value(Apply(op, tuple(L(arg) for arg in args)))
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("expr", "code", "said"),
    [
        (Apply("/", (L(1), L(0))), "division", "divided by zero"),
        (Apply("+", (L(2**62), L(2**62))), "range", "64 bits"),
        (Apply("*", (L(1e300), L(1e300))), "range", "written down"),
        (Apply("+", (L("a"), L("b"))), "type", "needs a number"),
        (Apply("<", (L("a"), L("b"))), "type", "needs a number"),
        (Apply("+", (L(True), L(1))), "type", "needs a number"),
        (Apply("and", (L(True), L(1))), "type", "needs true or false"),
        (Apply("<", (A("note"), L(1))), "missing", "`args.note` is missing"),
        (Choose(A("note"), L(1), L(2)), "missing", "needs true or false"),
        (Format((L("a"), A("note"))), "missing", "`args.note` is missing"),
        (Format((A("tags"),)), "type", "cannot be a part of a string"),
        (Pipe(A("note"), "upper", ()), "missing", "`upper` needs a value"),
        (Pipe(A("s"), "nowhere", ()), "filter", "no filter `nowhere`"),
        (Pipe(A("s"), "refuse", ()), "filter", "`refuse`: not this one"),
        (Pipe(A("s"), "broken", ()), "filter", "or is at fault: AttributeError"),
        (Apply("matches", (L(1), L("*"))), "type", "takes a string"),
        (Apply("in", (L(1), L(2))), "type", "looks into"),
    ],
)
def test_errors(expr: Expr, code: str, said: str) -> None:
    with pytest.raises(EvalError) as raised:
        value(expr)
    assert raised.value.code == code
    assert said in str(raised.value)


def test_the_other_expressions() -> None:
    assert value(Format((L("v"), A("n"), L("-"), A("yes"), L(0.1), A("s")))) == "v3-true0.1x"
    assert value(MapOf((("a", ListOf((A("n"), L(None)))),))) == {"a": [3, None]}
    assert value(A("m", "k", 1)) == 2
    assert value(A("m", "k", 2)) is None
    assert value(Pipe(A("note"), "default", (L("d"),))) == "d"
    assert value(Pipe(A("tags"), "map", (Lambda(Pipe(Get("it", ()), "upper", ())),))) == ["A", "B"]
    nested = Lambda(Pipe(A("tags"), "map", (Lambda(Pipe(Get("it", ()), "eq", (A("s"),))),)))
    assert value(Pipe(A("tags"), "map", (nested,))) == [[False, False]] * 2


def test_only_what_decides_is_looked_at() -> None:
    scope = Values({"arg": {"yes": True}})
    assert evaluate(Apply("or", (A("yes"), A("x"))), scope, {}) is True
    assert evaluate(Choose(A("yes"), L(1), A("y")), scope, {}) == 1
    assert evaluate(Apply("and", (Apply("not", (A("yes"),)), A("z"))), scope, {}) is False
    assert scope.asked == ["arg.yes"] * 3


def test_references_in_the_order_of_the_text() -> None:
    expr = Choose(
        Apply("==", (A("a"), Pipe(A("b"), "f", (A("c"), Lambda(Get("it", ("d",))))))),
        Format((A("e"), L("x"))),
        MapOf((("k", ListOf((A("f"),))),)),
    )
    assert [get.path[0] for get in references(expr)] == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize(
    "expr",
    [
        Apply("==", (Get("secret", ("token",)), L("***"))),
        Apply("<", (Get("secret", ("token",)), L(3))),
        Apply("in", (L("*"), ListOf((Get("secret", ("token",)),)))),
        Apply("and", (Get("secret", ("token",)), L(True))),
        Choose(Get("secret", ("token",)), L(1), L(2)),
        Pipe(Get("secret", ("token",)), "broken", ()),
        Pipe(L("x"), "eq", (Get("secret", ("token",)),)),
        Pipe(A("tags"), "map", (Lambda(Get("secret", ("token",))),)),
        Format((L("a "), Get("secret", ("token",)))),
        Get("secret", ("token", "part")),
    ],
)
def test_what_is_made_from_a_secret_is_masked(expr: Expr) -> None:
    found = value(expr)
    assert isinstance(found, Masked)
    assert found in ("***", "a ***")


def test_a_decision_that_needs_no_secret_is_shown() -> None:
    assert value(Apply("and", (Get("secret", ("token",)), L(False)))) is False


def shown(part: Explained, depth: int = 0) -> list[str]:
    lines = [f"{'  ' * depth}{part.text} = {part.shown}"]
    for inner in part.parts:
        lines += shown(inner, depth + 1)
    return lines


def test_an_explanation_shows_each_part() -> None:
    expr = Apply(
        "or",
        (
            Apply("and", (Apply("==", (A("s"), L("stable"))), A("yes"))),
            Apply("<", (A("n"), L(2))),
        ),
    )
    assert shown(explain(expr, SCOPE, FILTERS)) == [
        '$<args.s> == "stable" and $<args.yes> or $<args.n> < 2 = false',
        '  $<args.s> == "stable" and $<args.yes> = false',
        '    $<args.s> == "stable" = false',
        '      $<args.s> = "x"',
        "    $<args.yes> = not looked at",
        "  $<args.n> < 2 = false",
        "    $<args.n> = 3",
    ]


def test_an_explanation_tells_errors_and_masks() -> None:
    expr = Apply("<", (Apply("/", (A("n"), L(0))), A("note")))
    assert shown(explain(expr, SCOPE, FILTERS)) == [
        "$<args.n> / 0 < $<args.note> = a number is divided by zero",
        "  $<args.n> / 0 = a number is divided by zero",
        "    $<args.n> = 3",
        "  $<args.note> = missing",
    ]
    masked = Apply("==", (Get("secret", ("token",)), L("a")))
    assert shown(explain(masked, SCOPE, FILTERS)) == [
        '$<secrets.token> == "a" = ***',
        "  $<secrets.token> = ***",
    ]


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (Apply("*", (Apply("+", (L(1), L(2))), L(3))), "(1 + 2) * 3"),
        (Apply("-", (L(1), Apply("-", (L(2), L(3))))), "1 - (2 - 3)"),
        (Apply("-", (Apply("-", (L(1), L(2))), L(3))), "1 - 2 - 3"),
        (Apply("not", (Apply("or", (L(True), L(False))),)), "not (true or false)"),
        (Apply("neg", (A("n"),)), "-$<args.n>"),
        (Format((L('a"'), Pipe(A("s"), "default", (L("d"),)))), '"a\\"$<args.s | default("d")>"'),
        (Format((Apply("duration", (A("n"),)),)), '"$<args.n>"'),
        (Pipe(A("x"), "filter", (Lambda(Pipe(Get("it", ("r",)), "eq", (L(1),))),)),
         "$<args.x | filter(it.r | eq(1))>"),
        (Choose(A("yes"), L(1), L(2)), "if $<args.yes> then 1 else 2"),
        (MapOf((("a", L(1)), ("b c", ListOf(())))), '{ a = 1, "b c" = [] }'),
        (Get("ran", ("web",)), "$<refs.web.ran>"),
        (Get("value", ("let.tag",)), "$<let.tag>"),
    ],
)  # fmt: skip
def test_an_expression_is_shown_as_it_is_written(expr: Expr, text: str) -> None:
    assert show_expr(expr) == text


@pytest.mark.parametrize(
    ("text", "pattern", "holds"),
    [
        ("main", "main", True),
        ("main", "mai", False),
        ("a/b", "*", False),
        ("a/b", "**", True),
        ("src/a/b.py", "src/**", True),
        ("src/a/b.py", "src/*/*.py", True),
        ("src/a/b.py", "**.py", True),
        ("v1.2", "v[0-9].?", True),
        ("vx.2", "v[!0-9].?", True),
        ("v/.2", "v[!0-9].?", False),
        ("]", "[]]", True),
        ("-", "[a-]", True),
        ("[x", "[x", True),
        ("*", "\\*", True),
        ("x", "\\*", False),
        ("", "*", True),
        ("", "", True),
        ("a\nb", "*", True),
        ("a.b", "a?b", True),
        ("axb", "a.b", False),
        ("aab", "*ab", True),
        ("ä", "?", True),
    ],
)
def test_globs(text: str, pattern: str, holds: bool) -> None:
    assert matches(text, pattern) is holds


def test_no_pattern_takes_long() -> None:
    assert not matches("a" * 5000, "*a" * 60 + "b")
    assert matches("a" * 5000, "**a" * 60)


def _simple(text: str, pattern: str) -> bool:
    """The same meaning, written as plainly as possible, for patterns of `a`, `/`, `*`, `?`."""
    if not pattern:
        return not text
    if pattern.startswith("**"):
        return any(_simple(text[at:], pattern[2:]) for at in range(len(text) + 1))
    if pattern.startswith("*"):
        end = (text + "/").index("/")
        return any(_simple(text[at:], pattern[1:]) for at in range(end + 1))
    head = text[:1]
    fits = head == pattern[0] or (pattern[0] == "?" and head not in ("", "/"))
    return fits and _simple(text[1:], pattern[1:])


@given(st.text("ab/", max_size=8), st.text("ab/*?", max_size=6))
def test_globs_agree_with_their_plain_meaning(text: str, pattern: str) -> None:
    while "***" in pattern:
        pattern = pattern.replace("***", "**")
    assert matches(text, pattern) is _simple(text, pattern)


OPERANDS: dict[str, st.SearchStrategy[Json]] = {
    "int": st.integers(-(2**63) + 1, 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "string": st.text(max_size=4),
    "duration": st.integers(0, 10**6),
    "list(int)": st.lists(st.integers(0, 3), max_size=3),
    "list(string)": st.lists(st.text("ab", max_size=1), max_size=3),
    "map(int)": st.dictionaries(st.text("ab", max_size=1), st.integers(0, 3), max_size=2),
}
OPERATORS = [
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "matches",
    "and",
    "or",
    "not",
    "+",
    "-",
    "*",
    "/",
    "neg",
]


@given(st.data())
def test_what_typing_allows_has_a_value_of_the_type_it_says(data: st.DataObject) -> None:
    op = data.draw(st.sampled_from(OPERATORS))
    names = [
        data.draw(st.sampled_from(sorted(OPERANDS))) for _ in range(1 + (op not in ("not", "neg")))
    ]
    try:
        result = apply_operator(op, tuple(parse_type(name) for name in names))
    except TypeMismatch:
        return
    operands = tuple(L(data.draw(OPERANDS[name])) for name in names)
    try:
        found = evaluate(Apply(op, operands), Values(), {})
    except EvalError as error:
        allowed = error.code in ("division", "range")
        found = None
    else:
        allowed = True
    assert allowed
    if found is not None and result != parse_type("duration"):
        assert check_value(found, result) is None


def test_deep_expressions_are_an_error_and_no_crash() -> None:
    expr: Expr = L(1)
    for _ in range(50_000):
        expr = Apply("neg", (expr,))
    with pytest.raises(EvalError) as raised:
        value(expr)
    assert raised.value.code == "depth"
    assert explain(expr, SCOPE, {}).error
