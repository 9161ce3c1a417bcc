"""What holds for any tree and any text."""

from __future__ import annotations

import random
from pathlib import Path

import trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rflow.dsl import ast
from rflow.dsl.diagnostics import Source
from rflow.dsl.format import format_text
from rflow.dsl.parse import TOKENS, parse, parse_fast
from rflow.dsl.printer import print_module
from rflow.dsl.recover import parse_slowly
from rflow.dsl.render import render_text

SAMPLE = (Path(__file__).parent / "sample.rflow").read_text(encoding="utf-8")
BROKEN = (Path(__file__).parent / "slips.rflow").read_text(encoding="utf-8")
MADE_UP = ("exponential", "min", "max")
STARTS = [m.start(m.lastindex or 0) for m in TOKENS.finditer(SAMPLE)]
quick = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@given(trees.modules)
@quick
def test_printed_trees_parse_to_themselves(module: ast.Module) -> None:
    text = print_module(module, "")
    assert parse_fast(text) == module


@given(trees.modules)
@quick
def test_both_parsers_agree(module: ast.Module) -> None:
    source = Source("a.rflow", print_module(module, ""))
    slow, found = parse_slowly(source)
    fast = parse_fast(source.text)
    assert found == []
    assert slow == fast
    assert list(map(repr, ast.walk(slow))) == list(map(repr, ast.walk(fast)))


@given(trees.modules)
@quick
def test_formatting_a_printed_tree_is_idempotent(module: ast.Module) -> None:
    text, _ = format_text(Source("a.rflow", print_module(module, "")))
    assert text is not None
    assert format_text(Source("a.rflow", text))[0] == text


spaces = st.sampled_from(
    [
        " ",
        "\n",
        "\n\n\n",
        "  ",
        " # c\n",
        "\n# c\n",
        "\n\n# c\n\n",
        "\n## d\n",
        " ## e\n",
        " ### f\n",
    ]
)


@given(st.lists(st.tuples(st.sampled_from(STARTS), spaces), max_size=20))
@quick
def test_formatting_keeps_every_comment(insertions: list[tuple[int, str]]) -> None:
    text = SAMPLE
    for at, space in sorted(insertions, reverse=True):
        text = text[:at] + space + text[at:]
    module = parse_fast(text)
    shown, found = format_text(Source("a.rflow", text))
    assert shown is not None
    assert found == []
    again = parse_fast(shown)
    assert again == module
    assert shown.count("#") >= sum(1 for _ in again.comments)
    comments = sorted(c.text.lstrip("#") for c in module.comments)
    assert sorted(c.text.lstrip("#") for c in again.comments) == comments
    assert format_text(Source("a.rflow", shown))[0] == shown
    assert all(line == line.rstrip() for line in shown.split("\n"))
    assert "\n\n\n" not in shown


@given(trees.modules, st.integers(1, 5))
@quick
def test_lines_above_shift_every_span(module: ast.Module, lines: int) -> None:
    text = print_module(module, "")
    before = [n.span for n in ast.walk(parse_fast(text)) if not isinstance(n, ast.Module)]
    moved = parse_fast("\n" * lines + text)
    after = [n.span for n in ast.walk(moved) if not isinstance(n, ast.Module)]
    assert after == [(a + lines, b + lines) for a, b in before]


def test_names_stand_where_their_spans_say() -> None:
    for node in ast.walk(parse_fast(SAMPLE)):
        span = node.span  # type: ignore[attr-defined]
        text = SAMPLE[slice(*span)]
        if isinstance(node, ast.Name) and node.text not in MADE_UP:
            assert text == node.text
        elif isinstance(node, ast.Ref) and text.startswith("$"):
            assert text.startswith("$<")
            assert text.endswith(">")
        elif isinstance(node, ast.Node | ast.Flow):
            assert text.endswith("}")
        elif isinstance(node, ast.Str):
            assert text[0] == text[-1] in "\"'"


@given(st.text())
@quick
def test_any_text_gives_a_tree_or_diagnostics(text: str) -> None:
    source = Source("a.rflow", text)
    module, found = parse(source)
    assert module is not None or found
    for diagnostic in found:
        for label in (diagnostic.primary, *diagnostic.labels):
            assert 0 <= label.span[0] <= label.span[1] <= len(text)
    render_text(found, color=True, width=80)


PIECES = [
    *("{", "}", "[", "]", "(", ")", ",", ":", "=", "==", "#", "##", "$<", ">", "|", "'", '"'),
    *('"""', "-", "..", ".", " ", "\\", ";", "&&", "||", "!", "${x}", "{{x}}", "“x”", "é", "\x00"),
    *("flow ", "node ", "after ", "each ", "when ", "retry ", "3", "30s", "0.5", "a", "a.b", "x ="),
    *("<<EOT", "//", "/*", "rflow ", "test ", "-a", "\n", "\n\n"),
]


@given(st.integers(0, 2**32), st.sampled_from([SAMPLE, BROKEN]))
@settings(deadline=None, max_examples=150)
def test_mutated_files_give_diagnostics(seed: int, text: str) -> None:
    chance = random.Random(seed)
    chars = list(text)
    first = chance.randrange(len(chars))
    chars = chars[first : first + chance.randrange(1500)] if chance.random() < 0.7 else chars
    head = "rflow 1\nflow a {\n" if chance.random() < 0.6 else ""
    for _ in range(chance.randrange(1, 12)):
        at = chance.randrange(len(chars) + 1)
        if chance.random() < 0.5:
            chars[at:at] = chance.choice(PIECES)
        else:
            del chars[at : at + chance.randrange(1, 20)]
    source = Source("a.rflow", head + "".join(chars))
    module, found = parse(source)
    assert module is not None or found
    render_text(found, color=False, width=60)
    assert parse(source) == (module, found)
