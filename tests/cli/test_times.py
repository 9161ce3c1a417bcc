"""Times in words."""

from __future__ import annotations

import pytest
from rflow.cli import times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0ms"),
        (0.042, "42ms"),
        (1.42, "1.4s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m 00s"),
        (125, "2m 05s"),
        (7265, "2h 01m"),
        (90000, "1d 1h"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    assert times.span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (1.5, "just now"),
        (-1.5, "now"),
        (59, "59 s ago"),
        (200, "3 min ago"),
        (-7300, "in 2 h"),
        (260000, "3 days ago"),
    ],
)
def test_relative(seconds: float, text: str) -> None:
    assert times.relative(1_000_000 - seconds, 1_000_000) == text


def test_iso_is_utc() -> None:
    assert times.iso(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"
    assert times.iso(None) is None
