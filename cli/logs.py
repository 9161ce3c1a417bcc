"""`rflow logs`: what the nodes of a run wrote, or write."""

from __future__ import annotations

import heapq
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click
from rflow.cli import times
from rflow.cli.cells import clean, clean_log
from rflow.cli.command import app, command, format_option, note
from rflow.cli.complete import node_argument, run_argument
from rflow.cli.failure import Failure
from rflow.cli.target import find_node, find_run, open_state, state_option

if TYPE_CHECKING:
    from rflow.runner.events import Record
    from rflow.runner.logs import Line
    from rflow.runner.service import Service

POLL_S = 0.25
IDLE_MAX = 8
"""After so many looks without a process that drives the run, this is said."""

EXAMPLE = """
rflow logs                  the last run, all nodes
rflow logs 7k2m migrate     one node
rflow logs -f 7k2m          as it is written, until the run has ended
"""


class Said(NamedTuple):
    """A line, and who wrote it."""

    at: float
    node: str
    attempt: int
    stream: str
    text: str


@command("logs", example=EXAMPLE)
@run_argument
@node_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("--attempt", type=click.IntRange(1), help="Only this attempt of the node.")
@click.option("-t", "--times", "with_times", is_flag=True, help="Show when each line was written.")
@format_option()
@state_option
def logs(
    run: str | None,
    node: str | None,
    follow: bool,
    attempt: int | None,
    with_times: bool,
    form: str,
    state: str | None,
) -> int:
    """Print what the nodes of a run wrote, in the order of time. Secrets are masked.

    The lines of one node are printed as they are; those of several stand behind the node's name.
    """
    if attempt is not None and node is None:
        raise Failure("an attempt of which node?", help="`rflow logs RUN NODE --attempt N`")
    service = open_state(state)
    id_ = find_run(service, run)
    if node is not None:
        find_node(service, id_, node)
    source = _Source(service, id_, node, attempt)
    show = _Printer(form, with_times, named=node is None)
    for said in source.written():
        show(said)
    sys.stdout.flush()
    if follow:
        for said in source.follow():
            show(said)
    return 0


class _Source:
    """The logs of a run's attempts, from the beginning and as they grow."""

    def __init__(self, service: Service, run: str, node: str | None, attempt: int | None) -> None:
        self._service = service
        self._run, self._node, self._attempt = run, node, attempt
        self._seen = 0
        self._offsets: dict[tuple[str, int], int] = {}
        self._ended: set[tuple[str, int]] = set()
        self._concluded = False

    def written(self) -> Iterator[Said]:
        """All lines so far, merged by time."""
        self._look()
        return heapq.merge(*(self._lines(*key) for key in [*self._offsets]), key=lambda s: s.at)

    def follow(self) -> Iterator[Said]:
        """The lines that come, until the run has ended."""
        idle = 0
        while True:
            concluded = self._concluded
            new = [said for key in [*self._offsets] for said in self._lines(*key)]
            yield from sorted(new, key=lambda said: said.at)
            if concluded:
                return
            for key in self._ended:
                self._offsets.pop(key, None)
            self._ended.clear()
            sys.stdout.flush()
            time.sleep(POLL_S)
            self._look()
            idle = 0 if self._service.driver(self._run) is not None else idle + 1
            if idle == IDLE_MAX and not self._concluded:
                note(f"no process drives run {self._run}; go on with it: rflow resume {self._run}")

    def _look(self) -> None:
        """Take in what the journal says of attempts since the last time."""
        records = self._service.records(self._run, self._seen)
        for record in records:
            self._take(record)
        self._concluded = self._service.summary(self._run).concluded

    def _take(self, record: Record) -> None:
        from rflow.runner import events as ev

        self._seen = record.number
        match record.event:
            case ev.AttemptStarted(node=node, attempt=attempt):
                wanted = self._node in (None, node) and self._attempt in (None, attempt)
                if wanted:
                    self._offsets.setdefault((node, attempt), 0)
            case (
                ev.AttemptSucceeded(node=node, attempt=attempt)
                | ev.AttemptFailed(node=node, attempt=attempt)
            ):
                self._ended.add((node, attempt))
            case _:
                return

    def _lines(self, node: str, attempt: int) -> Iterator[Said]:
        key = (node, attempt)
        while True:
            lines, after = self._service.read_log(
                self._run, node, attempt, self._offsets.get(key, 0)
            )
            if not lines:
                return
            self._offsets[key] = after
            for line in lines:
                yield _said(node, attempt, line)


def _said(node: str, attempt: int, line: Line) -> Said:
    return Said(line.at, node, attempt, line.stream, line.text)


class _Printer:
    def __init__(self, form: str, with_times: bool, *, named: bool) -> None:
        self._form, self._times, self._named = form, with_times, named
        self._pen = app().out

    def __call__(self, said: Said) -> None:
        if self._form == "json":
            line = {**said._asdict(), "at": times.iso(said.at)}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            return
        parts = []
        if self._times:
            parts.append(self._pen.dim(times.clock(said.at)))
        if self._named:
            parts.append(f"{self._pen.bold(clean(said.node))} {self._pen.dim('|')}")
        text = clean_log(said.text, color=self._pen.on)
        parts.append(self._pen.dim(text) if said.stream == "note" else text)
        sys.stdout.write(" ".join(parts) + "\n")
