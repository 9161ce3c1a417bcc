"""Times as a flow writes them: windows (`Mon-Fri 09:00-16:00 Europe/Berlin`) and cron lines.

This module owns their notation; it knows no clock and no zone's rules, only the zones' names.
"""

from __future__ import annotations

import re

from msgspec import Struct

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_ZONE = re.compile(r"[A-Za-z_]+(?:[+-]\d{1,2})?(?:/[A-Za-z0-9_+-]+)*")
_AREAS = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Etc",
    "Europe",
    "Indian",
    "Pacific",
)
_ALONE = ("UTC", "GMT")
_FORM = re.compile(r"(?:([A-Za-z]{3}(?:[-,][A-Za-z]{3})*)\s+)?(\S+-\S+)(?:\s+(\S+))?")
_HOURS = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")


class Window(Struct, frozen=True):
    """Days (0 is Monday), minutes of the day from and to, and a zone's name.

    A window that ends where it begins or before goes on into the next day.
    """

    days: tuple[int, ...]
    start: int
    end: int
    zone: str


def read_window(text: str) -> Window:
    """The window that `text` writes; ValueError says what is wrong with it.

    Without days it is open every day, without a zone the times are those of UTC.
    """
    form = _FORM.fullmatch(text.strip())
    hours = _HOURS.fullmatch(form[2]) if form is not None else None
    if form is None or hours is None:
        raise ValueError(
            f"`{text}` is no window: days, hours and a time zone, `Mon-Thu 09:00-16:00 UTC`"
        )
    start = _minute(hours[1], hours[2])
    end = _minute(hours[3], hours[4])
    zone = form[3] or "UTC"
    problem = zone_problem(zone)
    if problem is not None:
        raise ValueError(problem)
    return Window(_days(form[1]) if form[1] else tuple(range(7)), start, end, zone)


def _minute(hour: str, minute: str) -> int:
    if int(hour) > 23 or int(minute) > 59:
        raise ValueError(f"there is no time `{hour}:{minute}`; a day goes from 00:00 to 23:59")
    return int(hour) * 60 + int(minute)


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start, end = _day(first), _day(last if dash else first)
        while start != end:
            found.add(start)
            start = (start + 1) % 7
        found.add(end)
    return tuple(sorted(found))


def _day(text: str) -> int:
    if text.capitalize() in DAYS:
        return DAYS.index(text.capitalize())
    raise ValueError(f"`{text}` is no day; they are {', '.join(DAYS)}")


def zone_problem(name: str) -> str | None:
    """What is wrong with the name of a time zone, None if nothing.

    Which cities a machine knows is its own affair; the form and the area are checked.
    """
    if name in _ALONE:
        return None
    area, slash, city = name.partition("/")
    if slash and city and area in _AREAS and _ZONE.fullmatch(name):
        return None
    return f"`{name}` is no time zone such as `Europe/Berlin` or `UTC`"


# -- cron --------------------------------------------------------------------------------------

_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEK = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def cron_problem(line: str) -> str | None:
    """What is wrong with a cron line of five fields, None if nothing."""
    fields = line.split()
    if len(fields) != 5:
        hint = "; write it out: `0 2 * * *`" if line.startswith("@") else ""
        return f"a cron line has five fields, not {len(fields)}{hint}"
    sets: list[set[int]] = []
    for text, (name, low, high) in zip(fields, _FIELDS, strict=True):
        found = _cron_field(text, name, low, high)
        if isinstance(found, str):
            return found
        sets.append(found)
    days, months = sets[2], sets[3]
    if fields[4] == "*" and not any(day <= _LONGEST[month - 1] for day in days for month in months):
        return f"day {min(days)} never comes in month {fields[3]}"
    return None


def _cron_field(text: str, name: str, low: int, high: int) -> set[int] | str:
    words = _MONTHS if name == "month" else _WEEK if name == "day of the week" else []
    base = 1 if name == "month" else 0
    article = "an" if name == "hour" else "a"
    found: set[int] = set()

    def number(word: str) -> int | None:
        if word.lower() in words:
            return words.index(word.lower()) + base
        return int(word) if word.isascii() and word.isdigit() and len(word) < 5 else None

    for part in text.split(","):
        span, slash, step = part.partition("/")
        every = number(step) if slash else 1
        first, dash, last = span.partition("-")
        start, end = (
            (low, high) if span == "*" else (number(first), number(last if dash else first))
        )
        if slash and not dash and span != "*":
            end = high
        if every is None or every < 1 or start is None or end is None:
            return f"`{part}` cannot be {article} {name}"
        if not low <= start <= high or not low <= end <= high:
            return f"`{part}` cannot be {article} {name}: it goes from {low} to {high}"
        if end < start:
            return f"`{part}` goes backwards"
        found.update(range(start, end + 1, every))
    return found
