"""Every flow that people are shown is one that compiles: the examples and the README's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from rflow.cli.serving import compile_file
from rflow.server.catalog import Catalog

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FLOWS = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.rflow"))


def rflow(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("rflow"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", FLOWS)
def test_an_example_has_no_mistakes(name: str) -> None:
    done = rflow("check", EXAMPLES / name, cwd=EXAMPLES)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FLOWS)
def test_an_example_is_formatted(name: str) -> None:
    done = rflow("fmt", "--diff", "--check", EXAMPLES / name, cwd=EXAMPLES)

    assert done.returncode == 0, done.stdout + done.stderr


def test_all_examples_can_be_served_together() -> None:
    catalog = Catalog(EXAMPLES, compile_file)
    assert [refused.text for refused in catalog.refused()] == []
    assert {served.path for served in catalog.flows()} <= {*FLOWS}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first.rflow", "groups.rflow", "retry.rflow"])
def test_an_example_that_needs_nobody_can_be_run(name: str, tmp_path: Path) -> None:
    done = rflow("run", EXAMPLES / name, "--yes", "--state", tmp_path / "state", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_flow_of_the_readme_has_no_mistakes(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```rflow\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "readme.rflow").write_text(block, encoding="utf-8")
    for command in (("check",), ("fmt", "--diff", "--check")):
        done = rflow(*command, "readme.rflow", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
