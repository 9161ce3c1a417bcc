"""What `rflow fmt` makes of files."""

from __future__ import annotations

import textwrap

import pytest
from rflow.dsl.diagnostics import Source
from rflow.dsl.format import format_text


def formatted(text: str) -> str:
    shown, found = format_text(Source("a.rflow", textwrap.dedent(text)))
    assert found == []
    assert shown is not None
    assert format_text(Source("a.rflow", shown)) == (shown, [])
    return shown


def body(text: str) -> str:
    lines = formatted(f"rflow 1\n\nflow a {{\n{textwrap.dedent(text)}\n}}\n").split("\n")
    return "\n".join(line.removeprefix("  ") for line in lines[3:-2])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("let  a=1", "let a = 1"),
        ("let a =\n  1 +\n 2", "let a = 1 + 2"),
        ("let a = ((1))", "let a = 1"),
        ("let a = (1 + 2) * (3 * 4)", "let a = (1 + 2) * (3 * 4)"),
        ("let a = not (not true)", "let a = not not true"),
        ("let a = (not true) == false", "let a = (not true) == false"),
        ("let a = (1 == 2) == true", "let a = (1 == 2) == true"),
        ("let a = [1,2 , 3,]", "let a = [1, 2, 3]"),
        ("let a = [\n1, 2]", "let a = [\n  1,\n  2,\n]"),
        ("let a = [ # why\n1]", "let a = [\n  # why\n  1,\n]"),
        ("let a = [1, # one\n2]", "let a = [\n  1,  # one\n  2,\n]"),
        ("let a = { b=1 cc = 2 }", "let a = { b = 1, cc = 2 }"),
        ("let a = { b=1\n cc = 2 }", "let a = {\n  b  = 1\n  cc = 2\n}"),
        ('let a = { "b c" = 1, "d" = 2 }', 'let a = { "b c" = 1, d = 2 }'),
        ("let a = $< b.c|d( 1,'x' ) |e>", "let a = $<b.c | d(1, 'x') | e>"),
        ('let a = "\\u{41}\\u{7}\\$<x\\\\"', 'let a = "A\\u{7}\\$<x\\\\"'),
        ("arg a:list( int )?=[]", "arg a: list(int)? = []"),
        ("retry 3 using exponential", "retry 3"),
        ("node a : sh{}", "node a: sh { }"),
        ("node a: sh { x = 1 pure }", "node a: sh { x = 1  pure }"),
        ("node a: sh { x = 1,\npure }", "node a: sh {\n  x = 1\n  pure\n}"),
        ("node a: sh { # why\n}", "node a: sh {  # why\n}"),
        ("node a: sh {\n# why\n}", "node a: sh {\n  # why\n}"),
        ("node a: # why\nsh { }", "# why\nnode a: sh { }"),
        ("node a: ## why\nsh { }", "# why\nnode a: sh { }"),
        ("trigger a: webhook {}", "trigger a: webhook"),
        ("on failure rollback {}", "on failure rollback"),
        ("let a = 1\n\n\n\nlet b = 2", "let a = 1\n\nlet b = 2"),
        ("\n\nlet a = 1\n\n", "let a = 1"),
        ("##  a\n##b\nlet a = 1", "##  a\n## b\nlet a = 1"),
        ("let a = 1 # one\nlet bb = 2 # two", "let a = 1   # one\nlet bb = 2  # two"),
        ("let a = 1 # one\n\nlet bb = 2 # two", "let a = 1  # one\n\nlet bb = 2  # two"),
        ("let a = 1\n# end", "let a = 1\n# end"),
    ],
)
def test_items(before: str, after: str) -> None:
    assert body(before) == after


def test_runs_of_inputs_are_aligned() -> None:
    before = """
    node a: sh {
      a = 1
      bbb = 2
      # a comment ends the run
      cc = 3
      dddd = [
        1]
      e = 1

      ffff = 2
      pure
    }"""
    assert body(before) == textwrap.dedent(
        """\
        node a: sh {
          a   = 1
          bbb = 2
          # a comment ends the run
          cc = 3
          dddd = [
            1,
          ]
          e = 1

          ffff = 2
          pure
        }"""
    )


def test_block_strings_move_with_their_block() -> None:
    before = 'node a: sh { script = """\n  one\n\n    two $<a.b>\n""" x = """y""" }'
    assert body(before) == textwrap.dedent(
        '''\
        node a: sh {
          script = """
            one

              two $<a.b>
          """
          x = """y"""
        }'''
    )


def test_long_lines_are_spread() -> None:
    words = ", ".join(f'"{n:030}"' for n in range(4))
    assert body(f"let a = [{words}]").count("\n") == 5
    condition = " and ".join(f'$<args.some_argument_{n}> == "{n}"' for n in range(4))
    shown = body(f"node a: sh {{ when {condition} }}")
    assert all(len(line) <= 96 for line in shown.split("\n"))
    assert "\n    and $<args.some_argument_3>" in shown


def test_declarations_stand_apart() -> None:
    text = 'rflow 1\nimport "a"\nimport "b"\nflow a { let b = 1 }\npipeline p { stage s }\n'
    assert formatted(text) == (
        'rflow 1\n\nimport "a"\nimport "b"\n\nflow a { let b = 1 }\n\npipeline p { stage s }\n'
    )


def test_comments_at_both_ends() -> None:
    text = "# licence\n\nrflow 1 # the version\n# alone\n\n\n# last"
    assert formatted(text) == "# licence\n\nrflow 1  # the version\n# alone\n\n# last\n"


def test_carriage_returns_go() -> None:
    assert formatted("rflow 1\r\n\r\nflow a {\r\n  let b = 1 # c\r\n}\r\n") == (
        "rflow 1\n\nflow a {\n  let b = 1  # c\n}\n"
    )


def test_a_broken_file_is_left_alone() -> None:
    text, found = format_text(Source("a.rflow", "rflow 1\nflow a {"))
    assert text is None
    assert [d.code.id for d in found] == ["RF102"]


def test_a_warning_does_not_stop_it() -> None:
    text, found = format_text(Source("a", 'rflow 1\nflow a { let b = "${args.c}" }'))
    assert text is not None
    assert [d.code.id for d in found] == ["RF142"]
