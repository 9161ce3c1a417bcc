"""A run killed with SIGKILL at every record of its journal ends in the same world.

Real processes, real kinds, a real database: `drive_and_die` drives the run and dies, `rflow
resume` goes on. What is compared are the files that the flow's effects left, and that no node
whose success was recorded ran again.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rflow.cli.flows import flows_of
from rflow.plugins.host import Host
from rflow.runner import events as ev
from rflow.runner.events import Record
from rflow.runner.problems import StateError
from rflow.runner.service import Service

HERE = Path(__file__).parent
RFLOW = [sys.executable, "-m", "rflow.cli"]
RECORDS_MAX = 60


class Crash:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, good: bool) -> None:
        self.world = folder / "world"
        self.world.mkdir(parents=True)
        (self.world / "left").write_text("old left")
        (self.world / "right-b").write_text("old right")
        self.state = folder / ".rflow"
        flow = folder / "crash.rflow"
        flow.write_text((HERE / "crash.rflow").read_text())
        self.service = Service.open(self.state, Host.load())
        prepared = self.service.prepare(
            flows_of(str(flow)).plan("crash"),
            directory=folder,
            args={"world": str(self.world), "good": "true" if good else "false"},
            by="starter@example.com",
        )
        self.run = self.service.create(prepared)
        self.said = ""

    def drive(self, number: int) -> int:
        """Drive it in a process that dies at a record; its exit code, -9 if it was killed."""
        return self._with_approvals(
            [sys.executable, str(HERE / "drive_and_die.py"), str(self.state), self.run, str(number)]
        )

    def resume(self) -> int:
        """Go on with the command a user would give."""
        return self._with_approvals([*RFLOW, "resume", self.run, "--state", str(self.state)])

    def _with_approvals(self, argv: list[str]) -> int:
        ended = threading.Event()
        people = threading.Thread(target=self._approve, args=(ended,))
        people.start()
        try:
            done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
        finally:
            ended.set()
            people.join()
        self.said = done.stdout.decode() + done.stderr.decode()
        return done.returncode

    def _approve(self, ended: threading.Event) -> None:
        """What two people do who watch the run: approve the gate when it asks."""
        service = Service.open(self.state, Host.of())
        given: set[str] = set()
        while not ended.wait(0.02):
            state = service.fold(self.run)
            for by in ("one@example.com", "two@example.com"):
                if by not in given and service.waiting_gates(state):
                    with contextlib.suppress(StateError):  # it was decided before the kill
                        service.decide(self.run, "go", by=by, decision="approve")
                    given.add(by)
        service.close()

    def files(self) -> dict[str, str]:
        """The world: all files and folders of it, with their contents. How often the stumbling
        node tried is not part of it."""
        return {
            str(path.relative_to(self.world)): path.read_text() if path.is_file() else "folder"
            for path in sorted(self.world.rglob("*"))
            if path.name != "stumbles"
        }

    def records(self) -> list[Record]:
        return self.service.records(self.run)


EXPECTED = {
    True: {
        "last": "last",
        "left": "new left 7",
        "made": "folder",
        "right-a": "new right",
        "right-b": "new right",
        "told": "told\n",
    },
    False: {"left": "old left", "right-b": "old right", "told": "told\n"},
}


def _count(tmp_path: Path, good: bool) -> int:
    calm = Crash(tmp_path / "calm", good)
    assert calm.drive(0) == 0
    assert calm.files() == EXPECTED[good]
    return len(calm.records())


def _check(crash: Crash, good: bool) -> None:
    records = crash.records()
    end = records[-1].event
    assert isinstance(end, ev.RunEnded)
    assert end.status == ("success" if good else "failed")
    assert crash.files() == EXPECTED[good]
    done: set[str] = set()
    for record in records:
        event = record.event
        if isinstance(event, ev.AttemptStarted):
            assert event.node not in done, f"{event.node} ran again"
        elif isinstance(event, ev.AttemptSucceeded):
            done.add(event.node)


@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
def test_a_run_that_is_not_killed(tmp_path: Path, good: bool) -> None:
    assert _count(tmp_path, good) <= RECORDS_MAX


@pytest.mark.slow
@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
@pytest.mark.parametrize("part", range(6))
def test_killed_at_every_record(tmp_path: Path, good: bool, part: int) -> None:
    for number in range(2 + part, RECORDS_MAX, 6):
        for when in (number, -number):
            crash = Crash(tmp_path / f"at{when}", good)
            killed = crash.drive(when)
            if killed == 0:
                _check(crash, good)  # the run was over before that record
                continue
            assert killed == -9
            if not crash.service.summary(crash.run).concluded:  # killed after the last record
                assert crash.resume() == (0 if good else 3), crash.said
            _check(crash, good)
