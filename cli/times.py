"""Times as people read them: local, and relative to now. Pure; the clock is the caller's."""

from __future__ import annotations

import datetime
import time
from functools import lru_cache

MINUTE, HOUR, DAY = 60, 3600, 86400


def span(seconds: float) -> str:
    """A length of time, in at most two units: `40ms`, `1.4s`, `3m 05s`, `2h 10m`, `4d 3h`."""
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return f"{round(seconds * 1000)}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE:02}s"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE:02}m"
    return f"{whole // DAY}d {whole % DAY // HOUR}h"


def rough(seconds: float) -> str:
    """A length of time in one unit: `12 s`, `3 min`, `2 h`, `4 days`."""
    whole = int(max(0.0, seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < 2 * DAY:
        return f"{whole // HOUR} h"
    return f"{whole // DAY} days"


def relative(at: float, now: float) -> str:
    """`just now`, `3 min ago`, `in 2 h`."""
    if abs(now - at) < 2:
        return "just now" if at <= now else "now"
    return f"{rough(now - at)} ago" if at < now else f"in {rough(at - now)}"


def moment(at: float) -> str:
    """Local date and time, to the second, with the offset: `2026-03-01 14:05:09 +0100`."""
    return datetime.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def day_time(at: float) -> str:
    """Local date and time, to the minute: `2026-03-01 14:05`."""
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def clock(at: float) -> str:
    """Local time of day: `14:05:09`."""
    return _clock(int(at))


@lru_cache(maxsize=256)  # records come in crowds
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def iso(at: float | None) -> str | None:
    """The moment as JSON has it: UTC, to the millisecond."""
    if at is None:
        return None
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
