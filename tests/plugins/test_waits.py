"""`wait.until` and `flow.run`: nodes that wait without a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rflow.plugins import NodeError, Parked
from rflow.plugins.derive import build
from rflow.plugins.kinds.flow import Run
from rflow.plugins.kinds.wait import Until
from rflow.plugins.local_context import LocalContext, perform, run_node


def test_a_time(ctx: LocalContext) -> None:
    node = Until(time="2030-01-31T09:00:00+01:00")
    with pytest.raises(Parked) as caught:
        perform(node.run, ctx)
    assert caught.value.due == 1896076800.0
    assert perform(node.run, ctx) is None


def test_a_delay(ctx: LocalContext) -> None:
    assert run_node(Until(delay=600.0), ctx) is None
    assert ctx.waits == [("delay", None, 600.0)]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "one of `time` and `delay`"),
        ({"time": "2030-01-01T00:00:00Z", "delay": 1.0}, "not both"),
        ({"time": "tomorrow"}, "`tomorrow` is no time"),
        ({"time": "2030-01-01T00:00:00"}, "lacks its offset"),
    ],
)
def test_wrong_times(ctx: LocalContext, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(NodeError, match=message) as caught:
        run_node(build(Until, inputs), ctx)
    assert not caught.value.retry


def test_a_run_of_its_own(tmp_path: Path) -> None:
    ctx = LocalContext(tmp_path, runs=["running", "running", "waiting", "running", "success"])
    found = run_node(Run("smoke", {"url": "x"}), ctx)
    assert (found.run, found.status) == ("run-2", "success")
    assert ctx.started == [("smoke", {"url": "x"}, ctx.key)]
    assert ctx.waits
    assert all(0 < (delay or 0) <= 60 for _, _, delay in ctx.waits)


def test_a_run_that_fails(tmp_path: Path) -> None:
    ctx = LocalContext(tmp_path, runs=["failed"])
    with pytest.raises(NodeError, match="the run run-2 of `smoke` ended as failed"):
        run_node(Run("smoke"), ctx)


def test_without_waiting(tmp_path: Path) -> None:
    ctx = LocalContext(tmp_path, runs=["pending"])
    assert run_node(Run("smoke", wait=False), ctx).status == "pending"
    assert not ctx.waits
