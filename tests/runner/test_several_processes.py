"""Several rflow processes on one state: never two for one run, queues keep their order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

FLOW = """
rflow 1

flow f {
  arg name: string
  concurrency POLICY
  node work: sh {
    script = \"\"\"
      echo "begin $<args.name>" >> log
      while [ ! -e "go-$<args.name>" ] && [ ! -e go-all ]; do sleep 0.02; done
      echo "end $<args.name>" >> log
    \"\"\"
    LOCK
    pure
  }
}
"""


RFLOW = [sys.executable, "-m", "rflow.cli"]


class Place:
    """A folder with a flow, and the processes that were started there."""

    def __init__(self, folder: Path, policy: str, lock: str = "") -> None:
        self.folder = folder
        (folder / "f.rflow").write_text(FLOW.replace("POLICY", policy).replace("LOCK", lock))
        self.processes: list[subprocess.Popen[bytes]] = []

    def rflow(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rflow.cli", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a run in a process of its own; returns when the run exists."""
        process = subprocess.Popen(
            [*RFLOW, "run", "f.rflow", "--yes", "--name", name, "--arg", f"name={name}"],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        self.until(lambda: name in self.statuses() or process.poll() is not None)
        return process

    def statuses(self) -> dict[str, str]:
        done = self.rflow("runs", "--format", "json")
        if done.returncode:
            return {}
        return {run["name"]: run["status"] for run in json.loads(done.stdout)}

    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    def go(self, name: str) -> None:
        (self.folder / f"go-{name}").touch()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to hold; the test's own limit ends a wait that never ends."""
        while not holds():
            time.sleep(0.02)

    def end(self) -> None:
        self.go("all")
        for process in self.processes:
            process.communicate()


@pytest.fixture
def place(tmp_path: Path) -> object:
    made: list[Place] = []

    def make(policy: str, lock: str = "") -> Place:
        made.append(Place(tmp_path, policy, lock))
        return made[0]

    yield make
    for one in made:
        one.end()


Make = Callable[..., Place]


@pytest.mark.slow
def test_queue_goes_in_order_and_survives_the_death_of_a_process(place: Make) -> None:
    at = place("queue")
    first = at.start("a")
    at.until(lambda: at.log() == ["begin a"])
    second, third = at.start("b"), at.start("c")
    second.kill()
    second.wait()
    at.go("a")
    assert first.wait() == 0
    assert at.statuses()["c"] == "pending", "c waits for b, whose process died"
    resumed = subprocess.Popen(
        [sys.executable, "-m", "rflow.cli", "resume", "b"],
        cwd=at.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    at.until(lambda: "begin b" in at.log())
    at.go("all")
    assert resumed.wait() == 0
    assert third.wait() == 0
    assert at.log() == [f"{what} {name}" for name in "abc" for what in ("begin", "end")]


@pytest.mark.slow
def test_forbid_names_the_run_that_goes_on(place: Make) -> None:
    at = place("forbid")
    at.start("a")
    at.until(lambda: at.log() == ["begin a"])
    done = at.rflow("run", "f.rflow", "--yes", "--arg", "name=b")
    assert done.returncode == 2
    assert "RF935" in done.stderr
    at.go("all")


@pytest.mark.slow
def test_latest_keeps_only_the_newest_that_waits(place: Make) -> None:
    at = place("latest")
    first = at.start("a")
    at.until(lambda: at.log() == ["begin a"])
    second = at.start("b")
    third = at.start("c")
    assert second.wait() == 3
    at.go("all")
    assert first.wait() == 0
    assert third.wait() == 0
    assert at.statuses() == {"a": "success", "b": "cancelled", "c": "success"}


@pytest.mark.slow
def test_replace_cancels_what_goes_on(place: Make) -> None:
    at = place("replace")
    first = at.start("a")
    at.until(lambda: at.log() == ["begin a"])
    second = at.start("b")
    assert first.wait() == 3
    at.until(lambda: "begin b" in at.log())
    at.go("b")
    assert second.wait() == 0
    assert at.statuses() == {"a": "cancelled", "b": "success"}
    assert at.log() == ["begin a", "begin b", "end b"]


@pytest.mark.slow
def test_a_lock_holds_across_runs(place: Make) -> None:
    at = place("allow", 'lock "the-one"')
    first = at.start("a")
    at.until(lambda: at.log() == ["begin a"])
    second = at.start("b")
    at.until(lambda: at.statuses().get("b") == "waiting")
    assert at.log() == ["begin a"]
    assert "the-one" in at.rflow("why", "b", "work").stdout
    at.go("a")
    at.go("b")
    assert first.wait() == 0
    assert second.wait() == 0
    assert at.log() == ["begin a", "end a", "begin b", "end b"]


@pytest.mark.slow
def test_two_processes_never_act_for_one_run(place: Make) -> None:
    at = place("allow")
    first = at.start("a")
    at.until(lambda: at.log() == ["begin a"])
    others = [
        subprocess.Popen(
            [sys.executable, "-m", "rflow.cli", "resume", "a"],
            cwd=at.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "COLUMNS": "200"},
        )
        for _ in range(3)
    ]
    at.go("a")
    assert first.wait() == 0
    for other in others:
        other.communicate()
    assert at.log() == ["begin a", "end a"]
