"""Huge and hostile texts: the work grows with the text and no faster, and nothing is raised.

Work is counted in calls of Python functions, not in time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from rflow.dsl.diagnostics import Source
from rflow.dsl.parse import parse

HEAD = "rflow 1\nflow a { let b = "
CASES: dict[str, Callable[[int], str]] = {
    "a string": lambda n: f'{HEAD}"{"x" * n}" }}',
    "escapes": lambda n: f'{HEAD}"{chr(92)}n{"x" * n}" }}',
    "many escapes": lambda n: HEAD + '"' + "\\n" * (n // 2) + '" }',
    "quotes in a block string": lambda n: HEAD + '"""' + '" ' * (n // 2) + '""" }',
    "an open string": lambda n: HEAD + '"' + "x" * n,
    "an open block string": lambda n: HEAD + '"""' + 'x" ' * (n // 3),
    "references": lambda n: HEAD + '"' + "$<a.b>" * (n // 6) + '" }',
    "broken references": lambda n: HEAD + '"' + "$<a.b " * (n // 6) + '" }',
    "braces": lambda n: "rflow 1\n" + "{" * n,
    "blocks": lambda n: "rflow 1\nflow a { " + "sequence a { " * (n // 13),
    "brackets": lambda n: HEAD + "[" * n,
    "not": lambda n: HEAD + "not " * (n // 4),
    "signs": lambda n: HEAD + "-" * n,
    "operators": lambda n: HEAD + "1" + " + 1" * (n // 4) + " }",
    "if": lambda n: HEAD + "if 1 then 1 else " * (n // 17),
    "question marks": lambda n: "rflow 1\nflow a { arg b: int" + "?" * n + " }",
    "filters": lambda n: HEAD + "$<a.b" + " | c(1" * (n // 6) + ")" * (n // 6) + "> }",
    "dots": lambda n: HEAD + "a" + ".a" * (n // 2) + " }",
    "hyphens": lambda n: "a" + "-a" * (n // 2),
    "units": lambda n: HEAD + "1h" * (n // 2) + " }",
    "digits": lambda n: HEAD + "1" * n + " }",
    "junk": lambda n: "%" * n,
    "scattered junk": lambda n: "% " * (n // 2),
    "letters": lambda n: "é" * n,
    "words": lambda n: "a " * (n // 2),
    "quotes": lambda n: '"' * n,
    "triple quotes": lambda n: '""" ' * (n // 4),
    "dollars": lambda n: "$<" * (n // 2),
    "lines": lambda n: "\n" * n,
    "comments": lambda n: "#\n" * (n // 2),
    "doc comments": lambda n: "##\n" * (n // 3),
    "slashes": lambda n: "//\n" * (n // 3),
    "colons": lambda n: "rflow 1\nflow a {\n" + "b: c\n" * (n // 5) + "}",
    "closing braces": lambda n: "rflow 1\n" + "}" * n,
    "nul": lambda n: "\0" * n,
}


def calls(text: str) -> int:
    """How many Python functions parsing the text calls."""
    count = 0

    def counted(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        parse(Source("a.rflow", text))
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_linear(make: Callable[[int], str]) -> None:
    small, large = calls(make(2_000)), calls(make(8_000))
    assert large <= 5 * small + 2_000


@pytest.mark.slow
@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_a_megabyte(make: Callable[[int], str]) -> None:
    source = Source("a.rflow", make(1_000_000))
    module, found = parse(source)
    assert module is not None or found


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "[" * 101 + "]" * 101 + " }",
        HEAD + "1" + " + 1" * 101 + " }",
        HEAD + "not " * 101 + "true }",
        HEAD + "[" * 60 + "1" + " + 1" * 60 + "]" * 60 + " }",
        "rflow 1\nflow a { " + "sequence s { " * 100 + "}" * 101,
    ],
    ids=["lists", "operators", "prefixes", "both", "blocks"],
)
def test_too_deep(text: str) -> None:
    assert "RF129" in {d.code.id for d in parse(Source("a", text))[1]}


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "[" * 99 + "]" * 99 + " }",
        HEAD + "1" + " + 1" * 99 + " }",
        HEAD + "not " * 99 + "true }",
        "rflow 1\nflow a { " + "sequence s { " * 99 + "}" * 100,
        HEAD + '"""' + '" ' * 50_000 + '""" }',
    ],
    ids=["lists", "operators", "prefixes", "blocks", "quotes"],
)
def test_deep_enough(text: str) -> None:
    module, found = parse(Source("a", text))
    assert found == []
    assert module is not None
    assert module == module


@pytest.mark.parametrize("mistake", ["", "%"])
def test_too_many_tokens(monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    """On the quick path, and on the one for files with mistakes."""
    for module in ("parse", "lexing"):
        monkeypatch.setattr(f"rflow.dsl.{module}.TOKENS_MAX", 1000)
    text = f"{HEAD}{mistake}[{'1, ' * 450}] }}"
    assert "RF152" not in [d.code.id for d in parse(Source("a.rflow", text))[1]]
    text = f"{HEAD}{mistake}[{'1, ' * 501}] }}"
    module_, found = parse(Source("a.rflow", text))
    assert module_ is None
    assert found[-1].code.id == "RF152"
    assert found[-1].primary.span[0] >= 1000


def test_too_many_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rflow.dsl.limits.REFERENCES_MAX", 10)
    texts = [f'{HEAD}"{"$<run.id>" * count}" }}' for count in (10, 11)]
    found = [[d.code.id for d in parse(Source("a.rflow", text))[1]] for text in texts]
    assert found == [[], ["RF152"]]
