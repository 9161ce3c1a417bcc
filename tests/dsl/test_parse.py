"""What texts mean: the tree of each construct, with its spans."""

from __future__ import annotations

from pathlib import Path

import pytest
from rflow.dsl import ast
from rflow.dsl.diagnostics import Source
from rflow.dsl.parse import parse, parse_fast
from rflow.grammar.tables import KEYWORDS

SAMPLE = (Path(__file__).parent / "sample.rflow").read_text(encoding="utf-8")


def flow(lines: str) -> ast.Flow:
    module = parse_fast(f"rflow 1\nflow a {{\n{lines}\n}}\n")
    (found,) = module.declarations
    assert isinstance(found, ast.Flow)
    return found


def value(text: str) -> ast.Expr:
    (item,) = flow(f"let x = {text}").items
    assert isinstance(item, ast.Let)
    return item.value


def shown(expr: ast.Expr) -> str:
    """The shape of an expression, with all its parentheses."""
    match expr:
        case ast.Binary():
            return f"({shown(expr.left)} {expr.op} {shown(expr.right)})"
        case ast.Unary():
            return f"({expr.op} {shown(expr.operand)})"
        case ast.IfExpr():
            parts = (expr.condition, expr.then, expr.otherwise)
            return "(if {} then {} else {})".format(*map(shown, parts))
        case ast.Int():
            return str(expr.value)
        case _:
            raise AssertionError(expr)


def test_the_sample_page() -> None:
    module, found = parse(Source("sample.rflow", SAMPLE))
    assert found == []
    assert module is not None
    assert [type(d).__name__ for d in module.declarations] == [
        *("Import", "People", "Pipeline", "Flow", "Flow")
    ]
    release = module.declarations[3]
    assert isinstance(release, ast.Flow)
    assert release.doc == "Build, migrate and promote the shop."
    assert release.stage == ast.Name("shop.production")
    assert len(release.items) == 21
    assert len(module.comments) == 9


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1 + 2 * 3", "(1 + (2 * 3))"),
        ("(1 + 2) * 3", "((1 + 2) * 3)"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("1 or 2 and 3", "(1 or (2 and 3))"),
        ("not 1 == 2 and 3", "((not (1 == 2)) and 3)"),
        ("not not 1", "(not (not 1))"),
        ("-1 * 2", "((- 1) * 2)"),
        ("1 - -2", "(1 - (- 2))"),
        ("1 + 2 < 3 or 4 in 5", "(((1 + 2) < 3) or (4 in 5))"),
        ("1 matches 2 and 3 != 4", "((1 matches 2) and (3 != 4))"),
        ("if 1 then 2 else if 3 then 4 else 5 + 6",
         "(if 1 then 2 else (if 3 then 4 else (5 + 6)))"),
        ("(if 1 then 2 else 3) + 4", "((if 1 then 2 else 3) + 4)"),
    ],
)  # fmt: skip
def test_operators(text: str, shape: str) -> None:
    assert shown(value(text)) == shape


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('""', ()),
        ('"a"', ("a",)),
        (r'"\n\t\r\"\\\u{48}\u{1F600}\$<x"', ('\n\t\r"\\H\U0001f600$<x',)),
        ('"$x ${y} $"', ("$x ${y} $",)),
        ('"a$<args.b>c"', ("a", ast.Ref(ast.Path(("args", "b"))), "c")),
        ("'a\\n$<b>\"'", ('a\\n$<b>"',)),
        ("''", ()),
    ],
)
def test_strings(text: str, parts: tuple[object, ...]) -> None:
    string = value(text)
    assert isinstance(string, ast.Str)
    assert string.parts == parts


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("\n  a\n    b\n  ", "a\n  b\n"),
        ("\n  a\n\n   \n  b", "a\n\n\nb"),
        ("a\n  b\n  c\n", "a\nb\nc\n"),
        ("one", "one"),
        ("", ""),
        ("\n", ""),
        ("\n   ", ""),
        ("\n\n", "\n"),
        ("\n\ta\n\t b\n", "a\n b\n"),
        ("\r\n  a\r\n  b\r\n", "a\nb\n"),
        ('\n  a \\n \\$<x> \\"""\n', 'a \\n $<x> """\n'),
        ("\n      deep\n  ", "deep\n"),
    ],
)
def test_block_strings(text: str, content: str) -> None:
    string = value(f'"""{text}"""')
    assert isinstance(string, ast.Str)
    assert string.style == "block"
    assert "".join(p for p in string.parts if isinstance(p, str)) == content


def test_where_the_parts_of_a_string_begin() -> None:
    text = 'rflow 1\nflow a { let x = "ab$<args.b>\\nc$<args.d>" }'
    string = next(n for n in ast.walk(parse_fast(text)) if isinstance(n, ast.Str))
    assert [text[at : at + 2] for at in string.offsets] == ["ab", "$<", "\\n", "$<"]
    block = 'rflow 1\nflow a { let x = """\n    one\n    $<args.b>\n  two""" }'
    string = next(n for n in ast.walk(parse_fast(block)) if isinstance(n, ast.Str))
    assert [block[at : at + 3] for at in string.offsets] == ["  o", "$<a", "\n  "]


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("1s5ms", 1005)],
)
def test_durations(text: str, ms: int) -> None:
    assert value(text) == ast.Duration(ms, text)


def test_references() -> None:
    reference = value("$<refs.a.0.b | default('x', 2) | filter(it.r | eq(\"eu\")) | short>")
    assert isinstance(reference, ast.Ref)
    assert reference.head == ast.Path(("refs", "a", 0, "b"))
    first, second, third = reference.filters
    assert first.args == (ast.Str(("x",), "raw"), ast.Int(2))
    (chain,) = second.args
    assert isinstance(chain, ast.Ref)
    assert chain.head == ast.Path(("it", "r"))
    assert third == ast.Filter(ast.Name("short"))
    assert value("$<true | x>") == ast.Ref(ast.Bool(True), (ast.Filter(ast.Name("x")),))
    assert value("$<\n  args.a\n  | x\n>") == value("$<args.a | x>")


@pytest.mark.parametrize("word", KEYWORDS)
def test_every_keyword_can_be_a_name(word: str) -> None:
    found = flow(
        f"""
        arg {word}: {word} = 1
        let {word} = {{ {word} = 2 }}
        secret {word} from {word} "x"
        node {word}: {word} after {word}, {word} {{ {word} = 1  {word} = $<args.{word}>
          output {word}: {word}? each {word} in $<{word}> at most 1 }}
        sequence {word} {{ use {word} as {word} after {word} {{ {word} = 3 }} }}
        trigger {word}: {word}
        concurrency {word}
        retry 2 using {word}
        approve {word} {{ by {word} }}
        """
    )
    names = [n.text for n in ast.walk(found) if isinstance(n, ast.Name)]
    assert names.count(word) == len(names) - 1


def test_a_word_before_an_equals_sign_is_an_input() -> None:
    (node,) = flow("node a: sh { timeout = 1 after = 2 when = 3 retry 4 pure = 5 pure }").items
    assert isinstance(node, ast.Node)
    kinds = [type(c).__name__ for c in node.clauses]
    assert kinds == ["Input", "Input", "Input", "Retry", "Input", "Pure"]


def test_newlines_and_commas_do_not_matter() -> None:
    one = flow("node a: sh { x = 1, y = [1, 2,], z = { a = 1, b = 2, }, retry 3, pure, }")
    two = flow("node a\n:\n sh\n{ x\n=\n1 y = [1,\n2] z = {a=1 b=2}\nretry\n3\npure }")
    assert one == two
    assert flow("approve a { by b, c, count 2, self }") == flow(
        "approve a { by b, c count 2 self }"
    )


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("int", ast.TypeName("int")),
        ("list(map(int))?", ast.OptionalType(
            ast.GenericType("list", ast.GenericType("map", ast.TypeName("int"))))),
        ('"a" | -3 | true | x', ast.UnionType((
            ast.LiteralType(ast.Str(("a",))), ast.LiteralType(ast.Int(-3)),
            ast.LiteralType(ast.Bool(True)), ast.TypeName("x")))),
        ('("a" | "b")?', ast.OptionalType(ast.UnionType((
            ast.LiteralType(ast.Str(("a",))), ast.LiteralType(ast.Str(("b",))))))),
    ],
)  # fmt: skip
def test_types(text: str, type_: ast.TypeExpr) -> None:
    (arg,) = flow(f"arg a: {text} = 1").items
    assert isinstance(arg, ast.Arg)
    assert arg.type == type_
    assert arg.default == ast.Int(1)


def test_retries() -> None:
    found = flow(
        "retry 3 retry none retry 3 backoff 1s..30s retry 4 every 5s retry 5 using fib { a = 1 }"
    ).items
    assert [(r.attempts, r.policy.text, [i.name.text for i in r.inputs]) for r in found] == [
        (3, "exponential", []),
        (1, "none", []),
        (3, "exponential", ["min", "max"]),
        (4, "constant", ["delay"]),
        (5, "fib", ["a"]),
    ]  # type: ignore[union-attr]


def test_comments_and_docs() -> None:
    text = """rflow 1 # one
## Not of the import.
import "a" ## not a doc
## First.
##   Second.
##
# between
flow a { # two
  ## Of b.
  let b = 1
  ### not a doc
  let c = 2
  ## of nothing
}
# last"""
    module = parse_fast(text)
    found = module.declarations[1]
    assert isinstance(found, ast.Flow)
    assert found.doc == "First.\n  Second.\n"
    assert [getattr(i, "doc", None) for i in found.items] == ["Of b.", None]
    assert [c.text for c in module.comments] == [
        "# one",
        "## Not of the import.",
        "## not a doc",
        "# between",
        "# two",
        "### not a doc",
        "## of nothing",
        "# last",
    ]
    assert all(text[slice(*c.span)] == c.text for c in module.comments)


def test_comments_within_tokens_of_several_words() -> None:
    text = "rflow 1\nflow a { node b: # one\n sh { c # two\n = 1 } arg d: x | # three\n y }"
    module = parse_fast(text)
    assert [c.text for c in module.comments] == ["# one", "# two", "# three"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse(Source("a", "\ufeffrflow 1\nflow a { let b = 1 }"))[1] == []


def test_what_can_be_read_of_a_broken_file() -> None:
    text = "rflow 1\nflow a {\n  let b = 1\n  node c sh { x: 1 y = 2 }\n  foo\n}\nflow d { }\n"
    module, found = parse(Source("a", text))
    assert module is not None
    assert [d.code.id for d in found] == ["RF141", "RF107", "RF124"]
    first, second = module.declarations
    assert isinstance(first, ast.Flow)
    assert isinstance(second, ast.Flow)
    assert len(first.items) == 2
    node = first.items[1]
    assert isinstance(node, ast.Node)
    assert len(node.clauses) == 2
