"""When each node of a run was at it, as bars over a time that is shown shorter where nothing ran.

Theory of operation. A run may wait for hours for a person, and its nodes take seconds. The axis is
cut at each moment at which something begins or ends; a piece in which nothing but waiting went on
counts only as much as it may (`IDLE_PART` of the time in which something ran). Bars keep their
order and stand above each other where they overlapped. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from msgspec import Struct
from rflow.runner.view import NodeView, RunView

ROWS_MAX = 300
"""So many nodes are listed; those that something is to be said of come first."""
SCALE = 1000.0
WIDTH_MIN = 4.0
IDLE_PART = 0.15
"""A piece without work is at most so long, as a part of the time in which something ran."""
LAST = ("pending", "success", "skipped")
"""Statuses that are listed last where there are too many nodes."""


class Bar(Struct, frozen=True):
    """A node; where it begins and how wide it is, in thousandths, `start` None where it has not
    begun; and how many seconds it `took`."""

    node: NodeView
    start: float | None
    width: float
    took: float | None


def bars(view: RunView, now: float) -> list[Bar]:
    """The bars of a run; with many nodes, those that are at it or failed come first."""
    begin = view.started_at or view.created_at
    end = max(view.ended_at or now, begin + 0.001)
    spans = [_span(node, begin, end) for node in view.nodes]
    axis = Axis(
        begin, end, [(s, node.kind) for s, node in zip(spans, view.nodes, strict=True) if s]
    )
    found = []
    for node, span in zip(view.nodes, spans, strict=True):
        if span is None:
            found.append(Bar(node, None, 0.0, None))
            continue
        start = min(axis.at(span[0]), SCALE - WIDTH_MIN)
        width = max(WIDTH_MIN, axis.at(span[1]) - start)
        found.append(Bar(node, round(start, 1), round(width, 1), span[1] - span[0]))
    if len(found) > ROWS_MAX:
        found.sort(key=lambda bar: bar.node.status in LAST)
    return found


def _span(node: NodeView, begin: float, end: float) -> tuple[float, float] | None:
    if node.started_at is None:
        return None
    until = end if node.ended_at is None else node.ended_at
    start = min(max(node.started_at, begin), end)
    return start, min(max(until, start), end)


class Axis:
    """Where a moment stands, in thousandths."""

    def __init__(
        self, begin: float, end: float, spans: Sequence[tuple[tuple[float, float], str]]
    ) -> None:
        """`spans` are (from, until) and the kind of each node; a gate only waits."""
        work = _merged(sorted(span for span, kind in spans if kind != "approve"))
        busy = sum(until - start for start, until in work)
        idle_max = busy * IDLE_PART if busy else end - begin
        self._times, self._places = [begin], [0.0]
        at = begin
        for start, until in [*work, (end, end)]:
            self._add(start, min(start - at, idle_max))
            self._add(until, until - start)
            at = until
        whole = self._places[-1] or 1.0
        self._places = [place * SCALE / whole for place in self._places]

    def _add(self, time: float, length: float) -> None:
        if time > self._times[-1]:
            self._times.append(time)
            self._places.append(self._places[-1] + max(length, 0.0))

    def at(self, time: float) -> float:
        """The place of a moment."""
        number = bisect_right(self._times, time) - 1
        if number >= len(self._times) - 1:
            return self._places[-1]
        part = (time - self._times[number]) / (self._times[number + 1] - self._times[number])
        return self._places[number] + part * (self._places[number + 1] - self._places[number])


def _merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start, until in spans:
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], until)
        else:
            found.append((start, until))
    return found
