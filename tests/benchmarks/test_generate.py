"""What the benchmarks compare is comparable: both forms of a generated flow say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml
from rflow.dsl import ast
from rflow.dsl.diagnostics import Source
from rflow.dsl.parse import parse

GENERATE = Path(__file__).parents[2] / "benchmarks/generate.py"
SIZE = 60


def generated(form: str, size: int = SIZE) -> str:
    command = [sys.executable, str(GENERATE), form, str(size)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def tree(form: str) -> ast.Module:
    module, diagnostics = parse(Source(f"{form}.rflow", generated(form)))
    assert diagnostics == []
    assert module is not None
    return module


def nodes(module: ast.Module) -> list[ast.Node]:
    return [part for part in ast.walk(module) if isinstance(part, ast.Node)]


def test_the_same_size_gives_the_same_text() -> None:
    assert generated("flow") == generated("flow")


def test_every_form_is_a_flow_of_that_many_nodes() -> None:
    assert [len(nodes(tree(form))) for form in ("flow", "chain", "fan")] == [SIZE, SIZE, 1]


def test_the_yaml_says_the_same_as_the_flow() -> None:
    content = yaml.safe_load(generated("yaml"))["nodes"]
    found = {}
    for node in nodes(tree("flow")):
        names = [part.name.text for part in ast.walk(node) if isinstance(part, ast.Input)]
        afters = [name.text for name in node.after]
        found[node.name.text] = (node.kind.text, afters, names)

    assert found == {
        name: (node["kind"], node.get("after", []), list(node["inputs"]))
        for name, node in content.items()
    }


def test_each_node_has_what_the_benchmark_says() -> None:
    for node in nodes(tree("flow"))[2:]:
        references = [part for part in ast.walk(node) if isinstance(part, ast.Ref)]
        names = [part for part in ast.walk(node) if isinstance(part, ast.Input)]
        assert len(references) == 2
        assert len(names) in (3, 4)
        assert len(node.after) in (1, 2)
