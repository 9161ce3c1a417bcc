"""The times at which a stage is open: `Mon-Thu 09:00-16:00 Europe/Berlin`. Pure arithmetic.

A window has days (`Mon-Thu`, `Mon,Wed`, or none for every day), a span of the day, which may pass
midnight, and a time zone of the IANA database (none: UTC). A stage with several windows is open
in each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*)\s+)?"
    r"(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)(?:\s+(?P<zone>\S+))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Window:
    """Days of the week from 0 (Monday), and the time of day from and to."""

    days: frozenset[int]
    start: time
    end: time
    zone: tzinfo


def parse(text: str) -> Window:
    """Read a window; ValueError says what is expected."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no window such as `Mon-Thu 09:00-16:00 Europe/Berlin`")
    try:
        start, end = (time.fromisoformat(match[name]) for name in ("from", "to"))
    except ValueError:
        raise ValueError(f"{text!r} has a time that does not exist") from None
    return Window(_days(match["days"]), start, end, _zone(match["zone"]))


def _zone(name: str | None) -> tzinfo:
    from zoneinfo import ZoneInfo

    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone of the IANA database") from None


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.lower().split(","):
        first, *last = part.split("-")
        if first not in _DAYS or any(day not in _DAYS for day in last) or len(last) > 1:
            raise ValueError(f"{part!r} is not a day or a range of days (Mon … Sun)")
        begin, end = _DAYS.index(first), _DAYS.index(last[0] if last else first)
        days.update((begin + i) % 7 for i in range((end - begin) % 7 + 1))
    return frozenset(days)


def opens_at(windows: tuple[str, ...], now: float) -> float | None:
    """None if a stage with these windows is open at `now` (seconds since 1970) or has none;
    else when it opens next."""
    if not windows:
        return None
    starts: list[float] = []
    for text in windows:
        for start, end in _spans(parse(text), now):
            if start <= now < end:
                return None
            if start > now:
                starts.append(start)
    return min(starts, default=now + 86400.0)


def _spans(window: Window, now: float) -> Iterator[tuple[float, float]]:
    today = datetime.fromtimestamp(now, window.zone).date()
    for offset in range(-1, 9):
        day: date = today + timedelta(days=offset)
        if day.weekday() not in window.days:
            continue
        start = datetime.combine(day, window.start, window.zone)
        last = day if window.end > window.start else day + timedelta(days=1)
        end = datetime.combine(last, window.end, window.zone)
        yield start.timestamp(), end.timestamp()
