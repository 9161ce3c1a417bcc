"""A run begins with the plan of the last time only while it would be made again the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rflow.cli import cache, kept_plan

from .conftest import HELLO, Rflow


@pytest.fixture(autouse=True)
def place(rflow: Rflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, in the environment that `rflow` has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))


def run(rflow: Rflow) -> str:
    done = rflow("run", "hello.rflow", "--yes")
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_same_again(rflow: Rflow, hello: Path) -> None:
    rflow("check", "hello.rflow")  # the plugins are known from here on
    assert kept_plan.recall("hello.rflow", None) is None
    run(rflow)
    known = kept_plan.recall("hello.rflow", None)
    assert known is not None
    assert (known.plan.flow, known.directory) == ("hello", hello.parent)
    assert kept_plan.recall("hello.rflow", "hello") is None, "it was not asked for by its name"
    run(rflow)
    plans = {run["plan"] for run in json.loads(rflow("runs", "--format", "json").stdout)}
    assert len(plans) == 1


def test_an_edit_makes_another(rflow: Rflow, hello: Path) -> None:
    run(rflow)
    run(rflow)
    hello.write_text(HELLO.replace("greet", "wave"))
    assert kept_plan.recall("hello.rflow", None) is None
    run(rflow)
    assert "wave" in rflow("show", "last").stdout
    hello.write_text("rflow 1\n\nflow hello { node }\n")
    assert rflow("run", "hello.rflow", "--yes").returncode == 1


def test_another_plugin_makes_another(
    rflow: Rflow, hello: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(rflow)
    run(rflow)
    assert kept_plan.recall("hello.rflow", None) is not None
    monkeypatch.setattr("rflow.plugins.cache.stamp", lambda: "edited")
    assert kept_plan.recall("hello.rflow", None) is None


def test_what_is_no_plan_is_none(
    rflow: Rflow, hello: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("", "{", '{"version": 0}'):
        monkeypatch.setattr(cache, "recall", lambda argv, text=text: (text, "", "/"))
        assert kept_plan.recall("hello.rflow", None) is None
    assert kept_plan.recall("-", None) is None
