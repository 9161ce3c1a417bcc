"""The times at which a stage is open: `Mon-Thu 09:00-16:00 Europe/Berlin`. Pure arithmetic.

How a window is written, `compiler.calendar` says. A stage with several windows is open in each of
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from rflow.compiler.calendar import Window, read_window


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone that this machine knows") from None


def opens_at(windows: tuple[str, ...], now: float) -> float | None:
    """None if a stage with these windows is open at `now` (seconds since 1970) or has none;
    else when it opens next."""
    if not windows:
        return None
    starts: list[float] = []
    for text in windows:
        for start, end in _spans(read_window(text), now):
            if start <= now < end:
                return None
            if start > now:
                starts.append(start)
    return min(starts, default=now + 86400.0)


def _spans(window: Window, now: float) -> Iterator[tuple[float, float]]:
    zone, start, end = _zone(window.zone), _time(window.start), _time(window.end)
    today = datetime.fromtimestamp(now, zone).date()
    for offset in range(-1, 9):
        day: date = today + timedelta(days=offset)
        if day.weekday() not in window.days:
            continue
        last = day if end > start else day + timedelta(days=1)
        opens, closes = datetime.combine(day, start, zone), datetime.combine(last, end, zone)
        yield opens.timestamp(), closes.timestamp()


def _time(minute: int) -> time:
    return time(*divmod(minute, 60))
