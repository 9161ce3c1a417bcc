"""Drives a run in a process of its own that kills itself with SIGKILL at a chosen record.

Called as `drive_and_die.py STATE RUN NUMBER`: the process dies when the journal is about to hold
its record NUMBER for the first time, or (-NUMBER) right after that is on disk.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from rflow.plugins.host import Host
from rflow.runner.events import Record
from rflow.runner.service import Service
from rflow.runner.sqlite import SqliteJournal


class DyingJournal(SqliteJournal):
    """The journal as it is, in a process that dies."""

    number = 0

    def transact(
        self, run: str, expected: int, events: Any, at: float, **rest: Any
    ) -> list[Record]:
        hit = expected < abs(self.number) <= expected + len(events)
        if hit and self.number > 0:
            os.kill(os.getpid(), signal.SIGKILL)
        records = super().transact(run, expected, events, at, **rest)
        if hit and self.number < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return records


def main() -> None:
    state, run, number = sys.argv[1:]
    service = Service.open(Path(state), Host.load())
    journal = DyingJournal(service.state)
    journal.number = int(number)
    service.journal = journal
    service.drive(run)


main()
