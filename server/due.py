"""When the time-table of a cron trigger is due. Pure: the clock is the caller's.

In spring, a time that the clock skips is due at the first moment after the gap. In autumn, a time
that the clock shows twice is due once, unless the hour says `*`: then every hour that passes
counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from croniter import croniter
from rflow.compiler.plan import Plan
from rflow.plugins.host import Host
from rflow.server.triggers import Listening, triggers_of

MISSED_MAX = 100
_YEARS_S = 5 * 366 * 86400.0


def zone_of(one: Listening) -> str:
    """The time zone of a cron trigger."""
    return str(one.inputs.get("timezone") or "UTC")


def schedule_of(one: Listening) -> str:
    """Its time-table with its zone: the same text as long as both are the same."""
    return f"{one.inputs['schedule']} {zone_of(one)}"


def next_due(one: Listening, now: float) -> float:
    """When a cron trigger is due next."""
    return next(_after(str(one.inputs["schedule"]), ZoneInfo(zone_of(one)), now)).timestamp()


def next_times(plan: Plan, host: Host, directory: Path, now: float) -> dict[str, float]:
    """When each cron trigger of a plan is due next, by its name."""
    found = triggers_of(plan, host, directory)
    return {one.name: next_due(one, now) for one in found if one.kind == "cron"}


def due_times(schedule: str, timezone: str, after: float, until: float) -> list[datetime]:
    """The times that are due after one moment and up to another, at most the last 100 of them."""
    zone = ZoneInfo(timezone)
    window = 3600.0
    while True:
        begin = max(after, until - window)
        found = _between(schedule, zone, begin, until)
        if begin <= after or len(found) >= MISSED_MAX or window > _YEARS_S:
            return found[-MISSED_MAX:]
        window *= 4


def _between(schedule: str, zone: ZoneInfo, after: float, until: float) -> list[datetime]:
    found = []
    for at in _after(schedule, zone, after):
        if at.timestamp() > until:
            break
        found.append(at)
    return found


def _after(schedule: str, zone: ZoneInfo, after: float) -> Iterator[datetime]:
    """The due times after a moment, without an end: a schedule that never is due is refused with
    its flow."""
    twice = schedule.split()[1].startswith("*")
    times = croniter(schedule, datetime.fromtimestamp(after, zone))
    while True:
        at = times.get_next(datetime)
        again = at.utcoffset() != at.replace(fold=0).utcoffset()
        if at.timestamp() > after and (twice or not again):
            yield at
