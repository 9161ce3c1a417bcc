"""When cron triggers are due, and that a due time is one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from rflow.server import deliveries, triggering
from rflow.server.clock import Clock, chosen
from rflow.server.core import Server
from rflow.server.due import MISSED_MAX, due_times
from rflow.server.store import Store

from .conftest import Place, wait_for


def times(schedule: str, zone: str, begin: str, end: str) -> list[str]:
    at = [datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)) for text in (begin, end)]
    found = due_times(schedule, zone, at[0].timestamp(), at[1].timestamp())
    return [one.isoformat() for one in found]


def test_a_time_is_due_in_its_zone() -> None:
    assert times("0 2 * * 1-5", "Europe/Berlin", "2026-01-02 00:00", "2026-01-06 00:00") == [
        "2026-01-02T02:00:00+01:00",
        "2026-01-05T02:00:00+01:00",
    ]


def test_a_time_that_the_clock_skips_is_due_after_the_gap() -> None:
    assert times("30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "2026-03-30 12:00") == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_time_that_the_clock_shows_twice_is_due_once() -> None:
    assert times("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "2026-10-26 12:00") == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_every_hour_is_every_hour_that_passes() -> None:
    assert len(times("0 * * * *", "Europe/Berlin", "2026-10-25 00:30", "2026-10-25 23:30")) == 24
    assert len(times("0 * * * *", "Europe/Berlin", "2026-03-29 00:30", "2026-03-29 23:30")) == 22


def test_a_long_absence_takes_little_time_and_has_a_limit() -> None:
    found = times("* * * * *", "UTC", "2020-01-01 00:00", "2026-01-01 00:00")

    assert len(found) == MISSED_MAX
    assert found[-1] == "2026-01-01T00:00:00+00:00"


def test_a_rare_time_is_found_after_years() -> None:
    assert times("0 0 29 2 *", "UTC", "2021-01-01 00:00", "2025-01-01 00:00") == [
        "2024-02-29T00:00:00+00:00"
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 */5 * * *", "15 3 1 * *", "0 0 * * 0"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.lists(st.integers(1, 40_000), min_size=1, max_size=6),
)
def test_however_often_one_looks_each_time_is_seen_once(
    schedule: str, zone: str, begin: datetime, steps: list[int]
) -> None:
    at = begin.replace(tzinfo=UTC).timestamp()
    looks = [at]
    for step in steps:
        looks.append(looks[-1] + step)

    parts = [
        one for before, after in pairwise(looks) for one in due_times(schedule, zone, before, after)
    ]

    whole = due_times(schedule, zone, looks[0], looks[-1])
    assert parts[-MISSED_MAX:] == whole
    assert len({one.timestamp() for one in parts}) == len(parts)


def test_what_was_missed() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    late = [now - timedelta(hours=hours) for hours in (3, 2, 1)]

    assert chosen([*late, now], now.timestamp(), "one") == [now]
    assert chosen(late, now.timestamp(), "one") == [late[-1]]
    assert chosen(late, now.timestamp(), "none") == []
    assert chosen([*late, now], now.timestamp(), "none") == [now]
    assert chosen([*late, now], now.timestamp(), "all") == [*late, now]


FLOW = """flow nightly {
  trigger clock: cron { schedule = "0 2 * * *"  timezone = "Europe/Berlin"  missed = "%s" }
  node build: sh {
    script = "echo $<refs.clock.time | default('')>"
    pure
  }
}"""


def clock_of(server: Server) -> Clock:
    """The server's clock, which is let look by hand."""
    triggering.install(FastAPI(), server)
    (clock,) = (worker for worker in server.workers if isinstance(worker, Clock))
    server.workers.remove(clock)
    return clock


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def test_a_due_time_is_one_run_even_after_a_crash(place: Place) -> None:
    place.write("nightly.rflow", FLOW % "one")
    server = place.open()
    clock = clock_of(server)
    clock.look(at("2026-01-05 01:00"))  # the first look: nothing was missed before it
    clock.look(at("2026-01-05 02:00"))
    clock.look(at("2026-01-05 02:00"))
    (first,) = deliveries.latest(server.store)
    # The mark is lost, as if the disk had been put back: the time is known all the same.
    with server.store.write() as db:
        db.execute("UPDATE ticks SET last = ?", (at("2026-01-05 01:59"),))
    clock.look(at("2026-01-05 02:01"))

    assert [found.id for found in deliveries.latest(server.store)] == [first.id]
    server.start()
    try:
        done = wait_for(lambda: deliveries.verdicts(server.store, first.id))
        assert done[0].outcome == "started"
        assert place.ended(server, done[0].run) == "success"
        created = server.services.here().fold(done[0].run).created
        assert created.triggers["clock"] == {"time": "2026-01-05T02:00:00+01:00"}
        assert len(server.services.here().runs()) == 1
    finally:
        server.close()


@pytest.mark.parametrize(("missed", "runs"), [("one", 1), ("none", 0), ("all", 3)])
def test_times_that_passed_while_no_server_ran(place: Place, missed: str, runs: int) -> None:
    place.write("nightly.rflow", FLOW % missed)
    server = place.open()
    try:
        clock = clock_of(server)
        clock.look(at("2026-01-05 01:00"))
        clock.look(at("2026-01-07 12:00"))

        keys = [found.key for found in deliveries.latest(server.store)]
        assert len(keys) == runs
        if keys:
            assert keys[0] == "2026-01-07T01:00:00+00:00"
    finally:
        server.close()


def test_another_schedule_begins_anew(place: Place) -> None:
    path = place.write("nightly.rflow", FLOW % "all")
    server = place.open()
    try:
        clock = clock_of(server)
        clock.look(at("2026-01-05 01:00"))
        path.write_text(path.read_text().replace("0 2 * * *", "0 3 * * *"))
        server.catalog.refresh()
        clock.look(at("2026-01-07 12:00"))
        clock.look(at("2026-01-08 12:00"))

        assert [found.key for found in deliveries.latest(server.store)] == [
            "2026-01-08T02:00:00+00:00"
        ]
    finally:
        server.close()


def test_a_clock_that_is_set_back_takes_no_time_twice(place: Place) -> None:
    place.write("nightly.rflow", FLOW % "all")
    server = place.open()
    try:
        clock = clock_of(server)
        for now in ("2026-01-05 01:59", "2026-01-05 02:00", "2026-01-05 01:30", "2026-01-05 02:30"):
            clock.look(at(now))

        assert len(deliveries.latest(server.store)) == 1
    finally:
        server.close()


def test_the_clock_looks_by_itself(place: Place, listening: Callable[..., object]) -> None:
    place.write("nightly.rflow", FLOW % "one")
    began = time.time()
    listening()
    store = Store(place.state / "server.db")
    try:
        rows = wait_for(lambda: store.read("SELECT last FROM ticks"))
        assert began <= rows[0]["last"] <= time.time()
    finally:
        store.close()
