"""A runner is killed, really: what its attempts were doing ends, what they had left does not."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rflow.runner.guard import VARIABLE, Guard, end_attempt, kill_leftovers
from rflow.runner.state_dir import StateDir

RUNNER = """
import os, subprocess, sys
from pathlib import Path
from rflow.runner.guard import Guard, VARIABLE
guard = Guard(Path(sys.argv[1]), grace_s=0.2)
mark = guard.mark()

def begin(script):
    value = guard.enter(mark)
    process = subprocess.Popen(
        ["sh", "-c", script], env={**os.environ, VARIABLE: value},
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )
    return value, [int(process.stdout.readline()) for _ in range(script.count("echo"))]

ended, service = begin("setsid sleep 600 >/dev/null 2>&1 & echo $!")
guard.leave(ended)
_, going = begin("trap '' TERM; setsid sleep 600 & echo $!; echo $$; while :; do sleep 0.05; done")
print(mark, guard._process, *service, *going, flush=True)
sys.stdin.read()
"""


class Runner:
    """A process that runs attempts: one has ended and left a service, one goes on."""

    def __init__(self, guards: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(guards)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.mark, *numbers = self.process.stdout.readline().split()
        self.guard, self.service, *self.going = map(int, numbers)
        self.watched = {number: os.pidfd_open(number) for number in map(int, numbers)}

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def ends(self, number: int, within_s: float = 30) -> bool:
        return bool(select.select([self.watched[number]], [], [], within_s)[0])

    def close(self) -> None:
        for fd in self.watched.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
        self.kill()


@pytest.fixture
def runner(state: StateDir):  # type: ignore[no-untyped-def]
    found = Runner(state.guards)
    yield found
    found.close()


def test_a_killed_runner_takes_its_attempts_along(state: StateDir, runner: Runner) -> None:
    assert len(list(state.guards.iterdir())) == 1
    runner.kill()
    for number in runner.going:
        assert runner.ends(number)
    assert runner.ends(runner.guard)
    assert not runner.ends(runner.service, 0)
    assert list(state.guards.iterdir()) == []


def test_if_the_guard_is_killed_too_the_next_start_does_it(state: StateDir, runner: Runner) -> None:
    os.kill(runner.guard, signal.SIGKILL)
    runner.kill()
    assert runner.ends(runner.guard)
    assert not runner.ends(runner.going[0], 0)
    assert kill_leftovers(state.guards, runner.mark[:-1], grace_s=0.1) == 0
    assert kill_leftovers(state.guards, runner.mark + "1", grace_s=0.1) == 0
    assert kill_leftovers(state.guards, runner.mark, grace_s=0.1) >= 2
    for number in runner.going:
        assert runner.ends(number, 0)
    assert not runner.ends(runner.service, 0)
    assert kill_leftovers(state.guards, runner.mark, grace_s=0.1) == 0


def test_there_is_nothing_to_kill(state: StateDir) -> None:
    assert kill_leftovers(state.guards, "") == 0
    assert kill_leftovers(state.guards, "nobody-1") == 0


def test_nothing_starts_before_it_is_needed_and_nothing_is_left(state: StateDir) -> None:
    guard = Guard(state.guards)
    guard.mark()
    assert not state.guards.exists()
    guard.close()
    values = [guard.enter(guard.mark()) for _ in range(3)]
    assert len({value.rpartition(".")[2] for value in values}) == 3
    assert len(list(state.guards.iterdir())) == 1
    for value in values:
        guard.leave(value)
        guard.leave(value)
    guard.close()
    guard.close()
    assert list(state.guards.iterdir()) == []


def test_closing_ends_what_still_goes_on(state: StateDir) -> None:
    guard = Guard(state.guards)
    environment = {**os.environ, VARIABLE: guard.enter(guard.mark())}
    with subprocess.Popen(["sleep", "600"], env=environment) as process:
        guard.close()
        assert process.wait(30) == -signal.SIGTERM


def test_slots_are_used_again(state: StateDir, guard: Guard) -> None:
    mark = guard.mark()
    for _ in range(100):
        values = [guard.enter(mark) for _ in range(3)]
        for value in values:
            guard.leave(value)
    (path,) = state.guards.iterdir()
    assert path.stat().st_size == 24


def test_one_attempt_alone(guard: Guard) -> None:
    mark = guard.mark()
    values = [guard.enter(mark) for _ in range(2)]
    processes = [
        subprocess.Popen(["sleep", "600"], env={**os.environ, VARIABLE: value}) for value in values
    ]
    assert end_attempt(values[0]) == 1
    assert processes[0].wait() == -signal.SIGTERM
    assert processes[1].poll() is None
    processes[1].kill()
    processes[1].wait()
