"""What all tests share."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from rflow.runner.problems import StateError
from rflow.runner.sqlite_reading import SqliteReading

# What tests of several folders share is imported by name: tests are imported by file.
sys.path.insert(0, str(Path(__file__).parent))

# The same examples in every run: a change is judged by itself, not by luck, nor by how quick the
# machine is just then. To look further, run with `--hypothesis-profile=search`.
ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", ANY_SPEED, derandomize=True)
settings.register_profile("search", ANY_SPEED, derandomize=False, max_examples=1000)
settings.load_profile("repeatable")

OPEN_MAX = 200
"""With more files open than this, what nobody can reach any more is looked for and closed."""


@pytest.fixture(autouse=True)
def _journals_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the journals that a test opened in this process: each holds three open files, and what
    checking a flow has frozen (`gc.freeze`) is not collected by itself."""
    opened: list[weakref.ref[SqliteReading]] = []
    plain = SqliteReading.__init__

    def opening(self: SqliteReading, *args: Any, **named: Any) -> None:
        plain(self, *args, **named)
        opened.append(weakref.ref(self))

    monkeypatch.setattr(SqliteReading, "__init__", opening)
    yield
    for reference in opened:
        journal = reference()
        if journal is not None:
            with contextlib.suppress(
                sqlite3.Error, StateError
            ):  # it is closed, or another thread's
                journal.close()
    gc.unfreeze()
    if len(os.listdir("/proc/self/fd")) > OPEN_MAX:
        gc.collect()
