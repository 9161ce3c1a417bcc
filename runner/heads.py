"""Heads of records, noted beside the journal when their run ends.

A line of `runs/RUN/heads` is the number of an event, its head, and a line break. The file tells
when the journal was put back to an older copy, or cut; it is no protection against somebody who
may write to the whole state folder. It is only ever added to.
"""

from __future__ import annotations

import os

from msgspec import Struct
from rflow.runner.chain import read_head
from rflow.runner.journal import Journal
from rflow.runner.state_dir import StateDir, unusable


class Noted(Struct, frozen=True):
    """The head of an event, when it was the last; `trouble` says why a line cannot be read."""

    number: int
    head: str
    trouble: str = ""


def note_head(journal: Journal, state: StateDir, run: str) -> None:
    """Note the last head of a run that has ended, unless it is noted already."""
    summary = journal.summary(run)
    head = journal.head(run)
    if summary is None or not summary.concluded or not head:
        return
    noted = noted_heads(state, run)
    if noted and (noted[-1].number, noted[-1].head) == (summary.length, head):
        return
    path = state.heads(run)
    try:
        fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, f"{summary.length} {head}\n".encode())
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise unusable(path, error) from error


def noted_heads(state: StateDir, run: str) -> list[Noted]:
    """The heads that were noted of a run, in order."""
    try:
        text = state.heads(run).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unusable(state.heads(run), error) from error
    return [_read(line, number) for number, line in enumerate(text.splitlines(), 1)]


def _read(line: str, number: int) -> Noted:
    event, _, head = line.partition(" ")
    try:
        return Noted(int(event), read_head(head))
    except ValueError:
        return Noted(0, "", f"line {number} of the file `heads` is not what rflow writes")
