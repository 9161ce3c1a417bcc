"""Logs: lines with their times, masked, whole, bounded, and the same when they are sent twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.runner.logs import LINE_MAX, Line, Log, Logs, append_at
from rflow.runner.scrub import Scrubber
from rflow.runner.state_dir import StateDir


@pytest.fixture
def log(state: StateDir) -> Callable[..., Log]:
    def make(*secrets: str, attempt: int = 1, **options: object) -> Log:
        path = Path(state.log("r1", "web[eu]", attempt))
        return Log(path, Scrubber(secrets), clock=lambda: 5.25, **options)  # type: ignore[arg-type]

    return make


def lines(state: StateDir, attempt: int = 1) -> list[Line]:
    return Logs(state).read("r1", "web[eu]", attempt)[0]


def test_lines_as_they_come(state: StateDir, log: Callable[..., Log]) -> None:
    made = log()
    assert not Path(state.log("r1", "web[eu]", 1)).exists()
    made.write("out", b"one\r\ntw")
    assert lines(state) == [Line(5.25, "out", "one")]
    made.write("err", b"trouble\n")
    made.write("out", b"o\n\nthree")
    made.line("log", "two\nlines")
    made.end("out")
    made.line("note", "the end")
    made.close()
    assert [(line.stream, line.text) for line in lines(state)] == [
        ("out", "one"),
        ("err", "trouble"),
        ("out", "two"),
        ("out", ""),
        ("log", "two"),
        ("log", "lines"),
        ("out", "three"),
        ("note", "the end"),
    ]
    path = Path(state.log("r1", "web[eu]", 1))
    assert path.read_bytes().startswith(b"5.250 out one\n5.250 err trouble\n")
    assert path.stat().st_mode & 0o777 == 0o600


def test_following(state: StateDir, log: Callable[..., Log]) -> None:
    logs = Logs(state)
    assert logs.read("r1", "web[eu]", 1) == ([], 0)
    made = log()
    made.write("out", b"one\n")
    found, offset = logs.read("r1", "web[eu]", 1)
    assert [line.text for line in found] == ["one"]
    assert logs.read("r1", "web[eu]", 1, offset) == ([], offset)
    made.write("out", b"two\nthree\n")
    first, offset = logs.read("r1", "web[eu]", 1, offset, limit=14)
    second, offset = logs.read("r1", "web[eu]", 1, offset, limit=1)
    assert [line.text for line in first + second] == ["two", "three"]
    assert offset == Path(state.log("r1", "web[eu]", 1)).stat().st_size
    made.close()
    assert logs.attempts("r1", "web[eu]", 3) == [1]


def test_secrets_are_masked_before_a_byte_is_written(
    state: StateDir, log: Callable[..., Log]
) -> None:
    made = log("hunter22")
    for byte in b"token: hunter22\nhunter":
        made.write("out", bytes([byte]))
    made.line("log", "hunter22")
    made.end("out")
    made.close()
    assert [line.text for line in lines(state)] == ["token: ***", "***", "hunter"]
    assert b"hunter22" not in Path(state.log("r1", "web[eu]", 1)).read_bytes()


def test_bytes_that_are_no_text(state: StateDir, log: Callable[..., Log]) -> None:
    made = log()
    made.write("out", b"\xff\x00\x1b[31m\n")
    made.line("log", "\ud800")
    made.close()
    assert [line.text for line in lines(state)] == ["\ufffd\x00\x1b[31m", "?"]


def test_a_text_without_end_is_cut(state: StateDir, log: Callable[..., Log]) -> None:
    made = log()
    for _ in range(40):
        made.write("out", b"x" * 5000)
    made.close()
    found = [len(line.text) for line in lines(state)]
    assert sum(found) == 200_000
    assert max(found) == LINE_MAX


def test_the_limit_is_told_and_held(state: StateDir, log: Callable[..., Log]) -> None:
    made = log(size_max=10_000)
    for number in range(2000):
        made.write("out", b"line %d\n" % number)
    made.close()
    found = lines(state)
    assert Path(state.log("r1", "web[eu]", 1)).stat().st_size < 10_300
    assert found[0].text == "line 0"
    assert "limit of 10000 bytes" in found[-2].text
    assert found[-2].stream == found[-1].stream == "note"
    assert "left out" in found[-1].text


def test_an_attempt_that_goes_on_after_a_wait_adds_to_its_log(
    state: StateDir, log: Callable[..., Log]
) -> None:
    for text in ("before", "after"):
        made = log()
        made.line("log", text)
        made.close()
    assert [line.text for line in lines(state)] == ["before", "after"]


def test_a_log_that_cannot_be_written_fails_nothing(state: StateDir) -> None:
    made = Log(Path("/dev/full"), Scrubber())
    made.write("out", b"one\n")
    made.line("log", "two")
    made.close()
    (state.root / "runs").write_text("no folder")
    other = Log(state.log("r1", "web", 1), Scrubber())
    other.line("log", "one")
    other.close()


def test_a_line_that_a_crash_cut_off_stays_alone(state: StateDir, log: Callable[..., Log]) -> None:
    made = log()
    made.line("log", "whole")
    made.close()
    path = Path(state.log("r1", "web[eu]", 1))
    with open(path, "ab") as file:
        file.write(b"5.250 o")
    assert [line.text for line in lines(state)] == ["whole"]
    again = log()
    again.line("log", "after")
    again.close()
    assert [line.text for line in lines(state)] == ["whole", "5.250 o", "after"]


@given(st.lists(st.binary(min_size=1, max_size=10), max_size=8), st.data())
def test_parts_sent_twice_are_written_once(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], choice: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    offsets, at = [], 0
    for part in parts:
        offsets.append(at)
        at += len(part)
    for number, part in enumerate(parts):
        append_at(path, offsets[number], part)
        again = choice.draw(st.integers(0, number))
        append_at(path, offsets[again], parts[again])
    if parts:
        assert path.read_bytes() == b"".join(parts)
        assert append_at(path, 0, b"".join(parts) + b"!") == at + 1
        with pytest.raises(ValueError, match="missing"):
            append_at(path, at + 5, b"x")
        os.unlink(path)
