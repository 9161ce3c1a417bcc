"""When a stage is open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.runner.windows import opens_at


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        ((), "2026-03-02T03:00+00:00", None),
        (("Mon-Thu 09:00-16:00 Europe/Berlin",), "2026-03-02T08:30+00:00", None),
        (
            ("Mon-Thu 09:00-16:00 Europe/Berlin",),
            "2026-03-02T15:00+00:00",
            "2026-03-03T08:00+00:00",
        ),
        # Friday to Monday, over the change to summer time.
        (
            ("Mon-Thu 09:00-16:00 Europe/Berlin",),
            "2026-03-27T12:00+00:00",
            "2026-03-30T07:00+00:00",
        ),
        (("22:00-02:00",), "2026-03-02T01:00+00:00", None),
        (("22:00-02:00",), "2026-03-02T02:00+00:00", "2026-03-02T22:00+00:00"),
        (("Sat,Sun 00:00-12:00", "Mon 06:00-07:00"), "2026-03-02T06:59+00:00", None),
        (("Fri-Mon 10:00-11:00",), "2026-03-03T00:00+00:00", "2026-03-06T10:00+00:00"),
    ],
)
def test_opens_at(windows: tuple[str, ...], now: str, opens: str | None) -> None:
    assert opens_at(windows, at(now)) == (None if opens is None else at(opens))


@pytest.mark.parametrize(
    "text",
    ["", "09:00", "Mox 09:00-10:00", "25:00-26:00", "09:00-10:00 Mars/Base", "Mon-Tue-Wed 1:0-2:0"],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        opens_at((text,), 0.0)


@given(st.floats(1.6e9, 2.0e9))
def test_when_it_opens_it_is_open(now: float) -> None:
    windows = ("Mon-Thu 09:00-16:00 Europe/Berlin", "Sat 23:00-01:00 America/New_York")
    opens = opens_at(windows, now)
    if opens is not None:
        assert opens > now
        assert opens_at(windows, opens) is None
        assert datetime.fromtimestamp(opens, UTC).minute == 0
