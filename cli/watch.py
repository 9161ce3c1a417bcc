"""Watching a run while this process drives it: in the terminal, as plain lines, or as JSON.

A watcher is told of each record by the thread that drives the run, and must be quick. Nothing
that goes wrong with showing (a closed pipe, a terminal that is gone) may touch the run.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Protocol

from rflow.cli import narration, times
from rflow.cli.board import Board
from rflow.cli.cells import cells, clean, clean_log, fit
from rflow.cli.screen import Screen
from rflow.cli.status import style_of
from rflow.cli.terminal import Pen
from rflow.cli.tree import Look, summary, tree
from rflow.cli.writer import Writer
from rflow.runner import events as ev
from rflow.runner.events import Record

ReadLog = Callable[[str, int, int], tuple[list[str], int]]
"""Node, attempt and offset → the lines from there on, and the offset behind them."""

FRAME_S = 0.1
BURST_MAX = 400
"""As many lines of a node's log are shown at once; what is left out is in `rflow logs`."""

_BEGINNINGS = (ev.AttemptStarted, ev.Woke)
_OUTCOMES = (ev.AttemptSucceeded, ev.AttemptFailed, ev.Parked, ev.AttemptLost)


class Watcher(Protocol):
    """Shows a run."""

    def begin(self) -> None:
        """The run is about to be driven."""

    def record(self, record: Record) -> None:
        """A record was written."""

    def end(self) -> None:
        """The run is no longer driven; show what is left."""


class Tail:
    """The ends of the logs of the attempts that are going on."""

    def __init__(self, read: ReadLog) -> None:
        self._read = read
        self._open: dict[str, tuple[int, int]] = {}

    def started(self, node: str, attempt: int) -> None:
        """An attempt has begun, or goes on."""
        known = self._open.get(node)
        if known is None or known[0] != attempt:
            self._open[node] = (attempt, 0)

    def take(self, node: str) -> list[str]:
        """The lines of a node that were not taken yet."""
        if node not in self._open:
            return []
        attempt, offset = self._open[node]
        try:
            lines, offset = self._read(node, attempt, offset)
        except OSError:
            return []
        self._open[node] = (attempt, offset)
        if len(lines) > BURST_MAX:
            left = len(lines) - BURST_MAX
            lines = [f"… {left} lines are left out here", *lines[-BURST_MAX:]]
        return lines

    def take_all(self) -> list[tuple[str, str]]:
        """Node and line of all that is new."""
        return [(node, line) for node in [*self._open] for line in self.take(node)]

    def ended(self, node: str) -> list[str]:
        """The last lines of an attempt that has ended."""
        lines = self.take(node)
        self._open.pop(node, None)
        return lines


class Lines:
    """Plain lines, for a log file or a pipe: each with its time and its node."""

    def __init__(self, board: Board, read: ReadLog, pen: Pen, width: int) -> None:
        self._board = board
        self._tail = Tail(read)
        self._pen = pen
        self._names = min(24, max([8, *(len(id) for id in board.rows)]))
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log", daemon=True)
        self._writer = Writer()

    def begin(self) -> None:
        self._thread.start()

    def record(self, record: Record) -> None:
        with self._lock:
            event = record.event
            if isinstance(event, _OUTCOMES):
                for line in self._tail.ended(event.node):
                    self._log(event.node, line)
            self._board.apply(record)
            if isinstance(event, _BEGINNINGS):
                self._tail.started(event.node, event.attempt)
            said = narration.line(record, self._board.run)
            if said is not None:
                self._say(record, *said)

    def end(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._flush()
        self._writer.end()

    def _say(self, record: Record, node: str, text: str) -> None:
        row = self._board.rows.get(node)
        style = style_of(row.status) if row and row.status != "running" else ""
        name = self._pen.bold(self._name(node))
        self._write(f"{self._pen.dim(times.clock(record.at))} {name} {self._pen(style, text)}")

    def _log(self, node: str, line: str) -> None:
        name = self._name(node)
        text = clean_log(line, color=self._pen.on)
        self._write(f"{' ' * 8} {self._pen.dim(name)} {self._pen.dim('|')} {text}")

    def _name(self, node: str) -> str:
        """The id, whole: a log file has no end of line to keep."""
        shown = clean(node)
        return shown + " " * (self._names - cells(shown))

    def _follow(self) -> None:
        while not self._stopped.wait(0.2):
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            for node, line in self._tail.take_all():
                self._log(node, line)

    def _write(self, line: str) -> None:
        self._writer.line(line.rstrip())


class Live:
    """The tree at the lower end of the terminal, the logs above it."""

    def __init__(self, board: Board, read: ReadLog, pen: Pen) -> None:
        self._board = board
        self._tail = Tail(read)
        self._pen = pen
        self._screen = Screen()
        self._above: list[str] = []
        self._lock = threading.Lock()
        self._drawing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, name="screen", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def record(self, record: Record) -> None:
        with self._lock:
            event = record.event
            if isinstance(event, _OUTCOMES):
                self._keep(event.node, self._tail.ended(event.node))
            if isinstance(event, _BEGINNINGS):
                self._tail.started(event.node, event.attempt)
            if isinstance(event, ev.AttemptFailed):
                message = clean(str(event.error.get("message", "")))
                self._keep(event.node, [self._pen.red(f"failed: {message}")])
            self._board.apply(record)

    def end(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            above = self._take()
            columns, _ = self._screen.size()
            look = Look(self._pen, columns, time.time())
            room = 200 if len(self._board.rows) > 200 else None
            self._screen.draw([], above)
            self._screen.close(tree(self._board, look, room))

    def draw(self) -> None:
        """Show how things stand. A terminal that is stopped must not stop the run: what is shown
        is made under the lock that `record` takes, and written without it."""
        with self._drawing:
            with self._lock:
                above = self._take()
                frame = self._frame()
            self._screen.draw(frame, above)

    def _draw_on(self) -> None:
        while not self._stopped.wait(FRAME_S):
            self.draw()

    def _take(self) -> list[str]:
        for node in self._tail_nodes():
            self._keep(node, self._tail.take(node))
        above, self._above = self._above, []
        return above

    def _tail_nodes(self) -> list[str]:
        return [row.id for row in self._board.live.values() if row.status == "running"]

    def _keep(self, node: str, lines: list[str]) -> None:
        for line in lines:
            text = clean_log(line, color=self._pen.on)
            self._above.append(f"{self._pen.dim(clean(node) + ' |')} {text}")

    def _frame(self) -> list[str]:
        columns, height = self._screen.size()
        board, now = self._board, time.time()
        look = Look(self._pen, columns - 1, now)
        frame = [fit(self._pen.dim("─" * min(columns - 1, 60)), columns - 1)]
        frame += tree(board, look, max(3, height - 5))
        since = board.started_at or now
        phase = f" · {board.phase}" if board.phase != "main" else ""
        foot = f"{clean(board.name)} · {times.span(now - since)}{phase} · {summary(board)}"
        if board.held:
            foot += f" · {board.held}"
        return [*frame, self._pen.dim(foot)]


class JsonLines:
    """Each record as a line of JSON, as it is written; that of the run's end has the head."""

    def __init__(self, run: str, head: Callable[[], str]) -> None:
        self._run = run
        self._head = head
        self._writer = Writer()

    def begin(self) -> None:
        return

    def record(self, record: Record) -> None:
        ended = isinstance(record.event, ev.RunEnded)
        self._writer.line(json_line(self._run, record, self._head() if ended else ""))

    def end(self) -> None:
        self._writer.end()


def json_line(run: str, record: Record, head: str = "") -> str:
    """A record as JSON: `{"run", "number", "at", "kind", "event"}`, and `record` for a head."""
    shown = {
        "run": run,
        "number": record.number,
        "at": times.iso(record.at),
        "kind": type(record.event).__name__,
        "event": json.loads(ev.encode(record.event)),
        **({"record": head} if head else {}),
    }
    return json.dumps(shown, ensure_ascii=False)
