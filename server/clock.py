"""Cron triggers: when they are due, and that each due time becomes one delivery.

Owns the table `ticks`: up to when the times of a trigger were looked at. The deliveries of what was
due since and that mark are written in one transaction, and a due time is the key of its delivery:
whatever happens, a time is neither forgotten nor taken twice.
When a time is due is known to `due`.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from rflow.server import deliveries
from rflow.server.core import Server
from rflow.server.deliveries import Incoming
from rflow.server.due import due_times, schedule_of, zone_of
from rflow.server.looping import Looping
from rflow.server.receiving import Receiver
from rflow.server.triggers import Listening, listening

LOOK_S = 1.0
LATE_S = 60.0
"""A time that is looked at so much later was missed."""


def chosen(times: list[datetime], now: float, missed: str) -> list[datetime]:
    """Those of the due times that become runs; `missed` is what the trigger says of the others."""
    late = [at for at in times if now - at.timestamp() > LATE_S]
    fresh = times[len(late) :]
    if missed == "all":
        return times
    if missed == "one" and not fresh:
        return late[-1:]
    return fresh


class Clock(Looping):
    """Looks at the time-tables of the flows that are served."""

    def __init__(self, server: Server, receiver: Receiver) -> None:
        super().__init__("clock", LOOK_S, at_once=True)
        self._server, self._receiver = server, receiver

    def turn(self) -> None:
        self.look(time.time())

    def rest_s(self) -> float:
        """Until just after the next full second: cron knows nothing finer."""
        return LOOK_S - time.time() % LOOK_S + 0.01

    def look(self, now: float) -> None:
        """Keep what has become due."""
        rows = self._server.store.read("SELECT * FROM ticks")
        last = {(row["flow"], row["trigger"]): (row["schedule"], row["last"]) for row in rows}
        for one in listening(self._server.catalog.flows(), self._server.host, "cron"):
            schedule, at = last.get((one.flow, one.name), ("", now))
            if schedule != schedule_of(one):
                self._mark(one, now, [])
            elif times := due_times(str(one.inputs["schedule"]), zone_of(one), at, now):
                self._mark(one, now, chosen(times, now, str(one.inputs.get("missed", "one"))))

    def _mark(self, one: Listening, now: float, times: list[datetime]) -> None:
        with self._server.store.write() as db:
            for at in times:
                body = {"flow": one.flow, "trigger": one.name, "time": at.isoformat()}
                key = at.astimezone(UTC).isoformat()
                source = f"cron {one.flow} {one.name}"
                data = json.dumps(body).encode()
                deliveries.put(db, Incoming("cron", source, key, "due", {}, data))
            db.execute(
                "INSERT INTO ticks (flow, trigger, schedule, last) VALUES (?, ?, ?, ?) ON CONFLICT "
                "(flow, trigger) DO UPDATE SET schedule = excluded.schedule, last = excluded.last",
                (one.flow, one.name, schedule_of(one), now),
            )
        if times:
            self._receiver.wake()
