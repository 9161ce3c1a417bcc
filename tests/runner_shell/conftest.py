"""What these tests share: state folders, summaries, events, and what attempts work with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rflow.compiler.plan import Contract, Node, Place, Plan, Retry
from rflow.plugins import Context
from rflow.plugins import node as author
from rflow.runner.bench import Bench
from rflow.runner.command import Command
from rflow.runner.gate import held
from rflow.runner.guard import Guard
from rflow.runner.journal import RunSummary
from rflow.runner.spawn import base_environment
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir

WAIT_S = 30.0  # for what comes at once; only a failure takes this long

needs_dash = pytest.mark.skipif(
    held(["/bin/sh", "-eu", "-c", ""], {}) is None, reason="only dash is started before it may act"
)


@dataclass(frozen=True)
class Early(author.Node, kind="test.early", early=True):
    """Does what the test says."""

    do: Any = None

    def run(self, ctx: Context) -> Any:
        return self.do(ctx)


def until(what: Callable[[], Any]) -> Any:
    """Wait for it."""
    over = time.monotonic() + WAIT_S
    while not (found := what()):
        assert time.monotonic() < over
        time.sleep(0.005)
    return found


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / ".rflow").make()


@pytest.fixture
def journal(state: StateDir) -> Iterator[SqliteJournal]:
    found = SqliteJournal(state)
    yield found
    found.close()


def summary(run: str = "r1", **changes: Any) -> RunSummary:
    """A run's summary as it is when the run is created."""
    known: dict[str, Any] = {
        "run": run,
        "flow": "release",
        "stage": None,
        "kind": "release",
        "name": run,
        "description": "",
        "status": "pending",
        "concluded": False,
        "created_at": 1.0,
        "started_at": None,
        "ended_at": None,
        "by": "oncall@example.com",
        "plan": "sha256:" + "0" * 64,
        "length": 0,
        "queue": "",
        "policy": "allow",
    }
    return RunSummary(**{**known, **changes})


def plan_of(*nodes: Node, kinds: dict[str, str] | None = None, **parts: Any) -> Plan:
    """A plan with these nodes and nothing else, but for what is given."""
    known: dict[str, Any] = {
        "flow": "release",
        "doc": "",
        "stage": None,
        "concurrency": "allow",
        "timeout_s": None,
        "args": (),
        "secrets": (),
        "triggers": (),
        "values": {},
        "loops": (),
        "groups": (),
        "nodes": nodes,
        "outputs": (),
        "rollback_on_failure": False,
        "kinds": kinds or {},
        "sources": (),
    }
    return Plan(**{**known, **parts})


def plan_node(id: str, kind: str, **parts: Any) -> Node:
    """A node of a plan."""
    known: dict[str, Any] = {"inputs": {}, "retry": Retry(1, ()), "contract": Contract("pure")}
    return Node(id, kind, "main", (), Place(0, 0, 0), **{**known, **parts})


def command_of(node: str, kind: str, **parts: Any) -> Command:
    """A command to run the node."""
    known: dict[str, Any] = {
        "run": "r1",
        "plan": "sha256:" + "0" * 64,
        "node": node,
        "plan_node": node.removeprefix("undo:"),
        "mode": "run",
        "attempt": 1,
        "key": "key-1",
        "kind": kind,
        "version": "test 1",
        "inputs": {},
        "program": {},
        "late": (),
        "late_program": (),
        "values": (),
    }
    return Command(**{**known, **parts})


@pytest.fixture
def guard(state: StateDir) -> Iterator[Guard]:
    found = Guard(state.guards)
    yield found
    found.close()


@pytest.fixture
def bench(state: StateDir, guard: Guard, tmp_path: Path) -> Callable[..., Bench]:
    """Makes a bench for these kinds and nodes."""

    def make(kinds: dict[str, Any], *nodes: Node, **parts: Any) -> Bench:
        known: dict[str, Any] = {
            "run": "r1",
            "run_name": "r1",
            "plan": plan_of(*nodes, kinds=dict.fromkeys(kinds, "test 1")),
            "directory": tmp_path,
            "state": state,
            "kinds": kinds.__getitem__,
            "filters": {},
            "reveal": lambda command, root, path: None,
            "environment": base_environment(os.environ),
            "guard": guard,
            "mark": guard.mark(),
            "grace_s": 1.0,
        }
        return Bench(**{**known, **parts})

    return make
