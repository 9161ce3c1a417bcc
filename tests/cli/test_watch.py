"""The watchers: the live view in a real terminal, plain lines, JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from rflow.cli.board import Board, Row
from rflow.cli.terminal import Pen
from rflow.cli.watch import BURST_MAX, JsonLines, Lines, Tail
from rflow.runner import events as ev
from rflow.runner.events import Record

from .terminal_emulator import in_terminal

T0 = 1_700_000_000.0

LIVE = """
from rflow.cli.board import Board, Row
from rflow.cli.terminal import Pen
from rflow.cli.watch import Live
from rflow.runner import events as ev
from rflow.runner.events import Record

logs = {"build": ["one", "two \\x1b[2J three"], "test": ["a long line " * 20]}

def read(node, attempt, offset):
    lines = logs.get(node, [])
    return lines[offset:], len(lines)

board = Board("7k2m", "release", "v1.4", [Row("build"), Row("test"), Row("deploy")])
live = Live(board, read, Pen(False))
live.begin()
number = 0
for event in [
    ev.RunStarted("g"),
    ev.AttemptStarted("build", 1, "k"),
    ev.AttemptSucceeded("build", 1),
    ev.AttemptStarted("test", 1, "k"),
    ev.AttemptFailed("test", 1, {"message": "2 failed", "retry": False}),
    ev.NodeFailed("test", ev.NO_REASON),
    ev.RunEnded("failed"),
]:
    number += 1
    live.record(Record(number, 1_700_000_000.0 + number, event))
    live.draw()
live.end()
"""


@pytest.mark.parametrize("columns", [40, 80])
def test_the_live_view_leaves_the_log_and_the_tree(columns: int) -> None:
    text = in_terminal([sys.executable, "-c", LIVE], columns, 24)[1].text
    lines = text.splitlines()
    assert lines[:2] == ["build | one", "build | two  three"]
    assert "test | failed: 2 failed" in lines
    assert lines[-3:] == [
        "✓ build   success 1.0s",
        "✗ test    failed 2.0s · 2 failed",
        "· deploy  pending",
    ]


def lines_of(capsys: pytest.CaptureFixture[str], *events: ev.Event) -> list[str]:
    logs = {"build": ["compiling", "\x1b[1mdone\x1b[0m"]}
    board = Board("7k2m", "release", "v1.4", [Row("build"), Row("go_live", kind="approve")])

    def read(node: str, attempt: int, offset: int) -> tuple[list[str], int]:
        return logs.get(node, [])[offset:], len(logs.get(node, []))

    watcher = Lines(board, read, Pen(False), 80)
    watcher.begin()
    for number, event in enumerate(events, 1):
        watcher.record(Record(number, T0 + number, event))
    watcher.end()
    return [line[9:] for line in capsys.readouterr().out.splitlines()]


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(
        capsys,
        ev.RunStarted("g"),
        ev.AttemptStarted("build", 1, "k"),
        ev.AttemptSucceeded("build", 1),
        ev.ApprovalAsked("go_live", 1, "s", {}, 0.0),
        ev.Decided("go_live", 1, "a@example.com", "approve", "looks\nfine"),
        ev.RunEnded("success"),
    ) == [
        "         started",
        "build    started",
        "build    | compiling",
        "build    | done",
        "build    success",
        "go_live  waits for approval: rflow approve 7k2m go_live --as NAME",
        "go_live  approved by a@example.com: looks fine",
        "         ended: success",
    ]


def test_a_closed_pipe_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        for watcher in (
            JsonLines("7k2m", lambda: "sha256:0"),
            Lines(Board("7k2m", "f", "n", []), lambda *_: ([], 0), Pen(False), 80),
        ):
            watcher.record(Record(1, T0, ev.RunStarted("g")))
            watcher.record(Record(2, T0, ev.RunEnded("success")))
            watcher.end()
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), closed.fileno())


def test_a_slow_reader_does_not_hold_up_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with open(writer, "w") as slow, open(reader) as source:
        monkeypatch.setattr(sys, "stdout", slow)
        watcher = JsonLines("7k2m", lambda: "sha256:0")
        for number in range(5000):  # more than a pipe holds
            watcher.record(Record(number, T0, ev.RunStarted("g")))
        lines = [source.readline() for _ in range(5000)]
        watcher.end()
        monkeypatch.undo()
    assert json.loads(lines[-1])["number"] == 4999


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    watcher = JsonLines("7k2m", lambda: "sha256:0")
    watcher.record(Record(3, T0, ev.AttemptStarted("build", 1, "k", {"x": "ü\n"})))
    watcher.end()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "run": "7k2m",
        "number": 3,
        "at": "2023-11-14T22:13:20.000Z",
        "kind": "AttemptStarted",
        "event": {"node": "build", "attempt": 1, "key": "k", "inputs": {"x": "ü\n"}},
    }


def test_a_burst_of_lines_is_cut() -> None:
    tail = Tail(lambda *_: ([str(n) for n in range(1000)], 1000))
    assert tail.take("build") == []
    tail.started("build", 1)
    lines = tail.ended("build")
    assert len(lines) == BURST_MAX + 1
    assert lines[0] == "… 600 lines are left out here"
    assert tail.take("build") == []


def test_a_log_that_cannot_be_read_is_no_fault_of_the_run(tmp_path: Path) -> None:
    def read(*_: object) -> tuple[list[str], int]:
        raise OSError("gone")

    tail = Tail(read)
    tail.started("build", 1)
    assert tail.take_all() == []
