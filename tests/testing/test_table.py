"""Tests of flows that hold and that do not, in files whose comments say which."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FLOWS = Path(__file__).parent / "flows"
_MARK = re.compile(r'###\s*"(.*)"\s*$')


def _wrong(verdict: Any, text: str) -> list[tuple[int, str]]:
    """The lines of what is not met, and what is said."""
    found = [(text.count("\n", 0, u.place.start) + 1, u.message) for u in verdict.unmet]
    return found + ([(0, verdict.problem)] if verdict.problem else [])


@pytest.mark.parametrize("path", sorted(FLOWS.glob("*.rflow")), ids=lambda path: path.stem)
def test_the_table(path: Path, play: Callable[..., Any]) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    _, verdicts = play(text)
    assert verdicts
    for verdict in verdicts:
        start = text.count("\n", 0, verdict.test.place.start) + 1
        end = next(n for n in range(start, len(lines) + 1) if lines[n - 1] == "}")
        marks = {
            n: m[1] for n in range(start, end + 1) if (m := _MARK.search(lines[n - 1])) is not None
        }
        for line, message in _wrong(verdict, text):
            key = line or next(iter(marks), 0)
            assert key in marks, f"{verdict.test.name}, line {line}: {message}"
            assert marks.pop(key) in message
        assert not marks, f"{verdict.test.name}: met, though it should not be: {marks}"


@pytest.mark.parametrize("path", sorted(FLOWS.glob("*.rflow")), ids=lambda path: path.stem)
def test_a_rehearsal_is_the_same_each_time(path: Path, play: Callable[..., Any]) -> None:
    text = path.read_text(encoding="utf-8")
    first, second = play(text)[1], play(text)[1]
    assert [v.rehearsed and v.rehearsed.records for v in first] == [
        v.rehearsed and v.rehearsed.records for v in second
    ]


def test_a_wait_of_two_days_takes_no_time(play: Callable[..., Any]) -> None:
    _, verdicts = play((FLOWS / "table.rflow").read_text(encoding="utf-8"))
    verdict = next(v for v in verdicts if v.test.name == "nobody answers")
    assert verdict.rehearsed is not None
    assert verdict.rehearsed.seconds == 48 * 3600
