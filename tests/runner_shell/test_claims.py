"""Claims: one process acts for a run, and a dead one for none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from rflow.runner.problems import StateError
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir

HOLDER = """
import sys
from pathlib import Path
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir
claim = SqliteJournal(StateDir(Path(sys.argv[1]))).claim("r1")
print("has it" if claim else "has it not", flush=True)
sys.stdin.read()
"""


def holder(state: StateDir) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_one_process_has_it_until_it_is_killed(state: StateDir, journal: SqliteJournal) -> None:
    first, said = holder(state)
    assert said == "has it"
    assert journal.claimed("r1") == first.pid
    assert journal.claim("r1") is None
    assert journal.claim("r2") is not None
    second, said = holder(state)
    assert said == "has it not"
    second.communicate()
    assert journal.claimed("r1") == first.pid
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert journal.claimed("r1") is None
    with journal.claim("r1") as claim:  # type: ignore[union-attr]
        assert journal.claimed("r1") == os.getpid()
        assert journal.claim("r1") is None
        claim.release()
    assert journal.claimed("r1") is None


def test_a_program_that_was_started_does_not_keep_it(journal: SqliteJournal) -> None:
    claim = journal.claim("r1")
    assert claim is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as program:
        claim.release()
        assert journal.claimed("r1") is None
        program.communicate()


def test_asking_takes_nothing(journal: SqliteJournal) -> None:
    for _ in range(3):
        assert journal.claimed("r1") is None
    assert journal.claim("r1") is not None


def test_a_link_in_the_place_of_the_lock_is_refused(
    state: StateDir, journal: SqliteJournal
) -> None:
    state.make_run("r1")
    victim = state.root / "victim"
    victim.write_text("whole")
    state.lock("r1").symlink_to(victim)
    with pytest.raises(StateError, match="RF907"):
        journal.claim("r1")
    assert victim.read_text() == "whole"
