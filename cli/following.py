"""Driving a run from this process: signals, the watcher, and what is said at the end."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rflow.cli import terminal, times
from rflow.cli.board import Board
from rflow.cli.cells import clean
from rflow.cli.command import App, app, note, say
from rflow.cli.entry import INTERRUPTED, RUN_FAILED
from rflow.cli.failure import Failure
from rflow.cli.picture import board_of
from rflow.cli.status import word
from rflow.cli.watch import JsonLines, Lines, Live, ReadLog, Watcher

BEGIN_S = 20
"""A process in the background has so long to begin."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rflow.runner.service import Service, Stop


def drive(
    service: Service,
    run: str,
    *,
    form: str,
    parallel: int,
) -> int:
    """Drive a run to its end and show it; the exit code is that of its status."""
    from rflow.runner import chain
    from rflow.runner.problems import PROBLEMS, StateError
    from rflow.runner.service import Stop

    shared = app()
    board = board_of(service, run)
    if form != "json":
        _say_what_waits(service, board)
    watcher = watcher_for(
        shared,
        board,
        log_reader(service, run),
        form,
        lambda: chain.shown(service.journal.head(run)),
    )
    stop = Stop()

    watcher.begin()
    gc.freeze()  # what is there by now stays: it need not be looked through again and again
    try:
        with _signals(stop, shared, form):
            service.drive(run, observe=watcher.record, parallel=parallel, stop=stop)
    except StateError as error:
        if error.problem not in PROBLEMS:
            raise
        # The state failed while the run went on: it did not end well, whatever it was asked.
        raise Failure(
            error.message, help=error.help, exit_code=RUN_FAILED, code=error.code
        ) from error
    finally:
        watcher.end()
    return report(service, board, form)


def _say_what_waits(service: Service, board: Board) -> None:
    """A run that is taken up says again what it waits for, unless that was given since."""
    given = Counter(fact.body.get("node") for fact in service.journal.facts(board.run))
    for row in board.live.values():
        if row.status == "waiting" and given[row.id] < row.needed - len(row.approvals):
            answer = f": {row.answer}" if row.answer else ""
            note(f"{clean(row.id)} {clean(row.waits)}{answer}")


def detach(service: Service, run: str) -> None:
    """Let a process in the background drive the run, and see that it does."""
    process = service.spawn(run)
    log = service.state.run(run) / "runner.log"
    for _ in range(BEGIN_S * 20):
        ended = process.poll() is not None
        if service.journal.claimed(run) is not None or service.summary(run).concluded:
            note(f"run {run} goes on in the background")
            note(f"  watch it: rflow logs -f {run}")
            return
        if ended:
            raise Failure(
                f"the process that should drive run {run} has ended: {_last_words(log)}",
                help=f"see `{log}`, then go on with `rflow resume {run}`",
                exit_code=RUN_FAILED,
            )
        time.sleep(0.05)
    raise Failure(
        f"the process that should drive run {run} has not begun",
        help=f"see `{log}`, then go on with `rflow resume {run}`",
        exit_code=RUN_FAILED,
    )


def _last_words(log: Path) -> str:
    """What a process said that should not have ended: its error, else its last line."""
    try:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    errors = [line for line in lines if line.startswith("error")]
    return clean((errors or lines or ["it said nothing"])[-1])


def log_reader(service: Service, run: str) -> ReadLog:
    """How the watcher of a run reads its logs."""

    def read(node: str, attempt: int, offset: int) -> tuple[list[str], int]:
        lines, after = service.read_log(run, node, attempt, offset)
        return [line.text for line in lines], after

    return read


def watcher_for(
    shared: App, board: Board, read: ReadLog, form: str, head: Callable[[], str]
) -> Watcher:
    """How the run is shown: JSON if asked for, the live tree in a terminal, else lines. `head` is
    asked for the record's when the run has ended."""
    if form == "json":
        return JsonLines(board.run, head)
    import os

    if terminal.is_terminal(sys.stdout) and os.environ.get("TERM") not in (None, "dumb"):
        return Live(board, read, shared.out)
    return Lines(board, read, shared.out, shared.width)


@contextmanager
def _signals(stop: Stop, shared: App, form: str) -> Iterator[None]:
    """Ctrl-C cancels, the second one ends at once; so does a polite end of the process."""
    asked = 0

    def interrupted(*_: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            stop.cancel()
        else:
            stop.now()

    def ended(*_: Any) -> None:
        stop.now()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = {signal.SIGINT: interrupted, signal.SIGTERM: ended, signal.SIGHUP: ended}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(service: Service, board: Board, form: str) -> int:
    """Say how the run ended, and what can be done next; the exit code. `board` is the run's, kept
    up to its end."""
    run = board.run
    found = service.summary(run)
    code = 0 if found.status == "success" else RUN_FAILED
    if not found.concluded:
        note(f"run {run} was left as it is; nothing is lost")
        note(f"  go on with it: rflow resume {run}")
        return INTERRUPTED
    if form == "json":
        return code
    pen = app().out
    took = times.span((found.ended_at or time.time()) - (found.started_at or found.created_at))
    from rflow.runner import chain

    marks = f" with warnings: {', '.join(board.warnings)} failed" if board.warnings else ""
    title = clean(found.name) if found.name == run else f"{clean(found.name)} ({run})"
    say(f"{pen.bold(title)}: {word(found.status, pen)}{pen.yellow(marks)} in {took}")
    left = []
    if found.kind == "release" and found.status != "success":
        left = service.undo_left(run)
    if left:
        say(f"  not undone: {', '.join(map(clean, left))}")
        say(f"    undo it: rflow rollback {run} --resume")
    for name, value in board.outputs.items():
        from rflow.cli.narration import value as shown

        say(f"  {name} = {shown(value)}")
    say(f"  record: {chain.shown(service.journal.head(run))}")
    if code:
        failed = [row.id for row in board.failed()]
        ended_by = [id for id in failed if id not in board.warnings]  # the others were let pass
        first = next(iter(ended_by or failed), "")
        if first:
            say(f"  why:   rflow why {run} {first}")
            say(f"  log:   rflow logs {run} {first}")
        say(f"  again: rflow retry {run}")
    return code
