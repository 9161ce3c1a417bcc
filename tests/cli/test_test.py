"""`rflow test`: what it prints, in each form, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Tree

import pytest

FLOW = """rflow 1

flow release {
  arg fast: bool = false
  node build: sh { script = "make"  output version: string  pure }
  approve go after build { by "oncall@example.com" }
  node slow: sh after go {
    when not $<args.fast>
    script = "sleep"
    pure
  }
  node web: sh after slow { script = "deploy"  undo sh { script = "back" } }
  node ping: http.check after web { url = "https://shop.example.com"  retry none }
  on failure rollback
}

test "it is undone \N{LATIN SMALL LETTER E WITH ACUTE} & <kept>" {
  run release
  answer go approve by "oncall@example.com" after 2h
  fail ping always
  expect run failed
  expect undone web
}
"""
WRONG = """
test "it goes well" {
  run release
  expect run success
  expect web before build
}
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "release.rflow"
    path.write_text(FLOW, encoding="utf-8")
    return path


def test_what_passes(rflow: Any, flow: Path) -> None:
    done = rflow("test")
    assert done.returncode == 0
    assert done.stdout.startswith(
        "release.rflow\n  ok      it is undone é & <kept> (a run of 2h)\n"
    )
    assert "1 passed in" in done.stdout
    assert done.stderr == ""


def test_what_fails_says_where_what_and_in_which_order(rflow: Any, flow: Path) -> None:
    flow.write_text(FLOW + WRONG, encoding="utf-8")
    done = rflow("test", "release.rflow")
    assert done.returncode == 1
    start = done.stdout.index("  FAILED")
    lines = done.stdout[start:].splitlines()
    assert lines[:3] == [
        "  FAILED  it goes well",
        "    release.rflow:27: expect run success",
        "      but the run ended failed",
    ]
    assert lines[3].startswith("        go failed: nobody decided in time")
    assert "    release.rflow:28: expect web before build" in lines
    assert "      but web was not started" in lines
    assert "    what happened:" in lines
    assert "  7d  the run ended failed" in done.stdout
    assert lines[-1].startswith("1 passed, 1 failed in ")


def test_some_by_name(rflow: Any, flow: Path) -> None:
    flow.write_text(FLOW + WRONG, encoding="utf-8")
    done = rflow("test", "-k", "IT IS undone")
    assert done.returncode == 0
    assert "1 passed" in done.stdout
    none = rflow("test", "-k", "nothing")
    assert none.returncode == 2
    assert "no test is called `nothing`" in none.stderr


def test_json(rflow: Any, flow: Path) -> None:
    flow.write_text(FLOW + WRONG, encoding="utf-8")
    done = rflow("test", "--format", "json", "--coverage")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["passed"], found["failed"]) == (1, 1)
    good, bad = found["tests"]
    assert good["passed"]
    assert (good["status"], good["run_s"], good["line"]) == ("failed", 7200.0, 17)
    assert bad["unmet"][0]["expected"] == "expect run success"
    assert bad["unmet"][0]["line"] == 27
    missed = {
        (p["kind"], p["node"]) for p in found["coverage"]["release.rflow"]["release"]["missed"]
    }
    assert missed == {("when false", "slow"), ("retry", "build"), ("retry", "slow")}


def test_junit(rflow: Any, flow: Path) -> None:
    flow.write_text(FLOW + WRONG, encoding="utf-8")
    done = rflow("test", "--format", "junit")
    assert done.returncode == 1
    root = Tree.fromstring(done.stdout)
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.attrib["tests"] == "2"
    assert suite.attrib["failures"] == "1"
    good, bad = suite
    assert good.attrib["name"] == "it is undone é & <kept>"
    assert len(good) == 0
    (failure,) = bad
    assert failure.attrib["message"] == "the run ended failed"
    assert "release.rflow:28: expect web before build" in (failure.text or "")


def test_coverage_as_text(rflow: Any, flow: Path) -> None:
    done = rflow("test", "--coverage")
    assert "release: 7 of 11 reached (63 %)" in done.stdout
    assert "  release.rflow:8: the condition of `slow` never failed to hold" in done.stdout
    assert "  release.rflow:6: `go` was never rejected" in done.stdout


def test_chaos(rflow: Any, flow: Path) -> None:
    assert rflow("test", "--chaos").returncode == 0


def test_mistakes_come_first(rflow: Any, flow: Path) -> None:
    flow.write_text(FLOW + 'test "x" {\n  run relase\n  expect run failed\n}\n', encoding="utf-8")
    done = rflow("test")
    assert done.returncode == 1
    assert "RF280" in done.stderr
    assert done.stdout == ""


def test_without_tests(rflow: Any, hello: Path) -> None:
    done = rflow("test", "hello.rflow")
    assert done.returncode == 2
    assert "there are no tests" in done.stderr
