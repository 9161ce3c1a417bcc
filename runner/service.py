"""The runner as others use it: create runs, drive them, look at them, ask things of them.

The command line and the server call this and nothing below it. Every call is safe beside other
processes on the same state: what asks something of a run posts it, whoever drives the run takes
it up. A mistake of the user is a `StateError` with a code, and has changed nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from rflow.compiler.plan import Json, Plan
from rflow.plugins.context import Deployed
from rflow.plugins.host import Host
from rflow.runner import events as ev
from rflow.runner import refusals
from rflow.runner.children import CompileAgain, start_child
from rflow.runner.drive import POLL_S, Driver
from rflow.runner.events import Reason, Record
from rflow.runner.going_back import GoingBack
from rflow.runner.heads import note_head
from rflow.runner.journal import RunSummary, Stale
from rflow.runner.local import LocalDispatcher, LookUp, StartRun
from rflow.runner.prepare import missing_kinds, missing_secrets
from rflow.runner.problems import StateError
from rflow.runner.promoting import deployed_before
from rflow.runner.refusals import Refused
from rflow.runner.rollback import STAGE_CHANGED
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir

if TYPE_CHECKING:
    import subprocess


class WallClock:
    """The system's clock."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()


class Stop(Struct):
    """How a driver is told to end, from a signal handler or another thread."""

    cancels: int = 0
    at_once: bool = False

    def cancel(self) -> None:
        """Cancel the run: what runs is ended, `finally` runs."""
        self.cancels += 1

    def now(self) -> None:
        """Leave the run as it is, at once; it can be resumed."""
        self.at_once = True


class Service(GoingBack):
    """The runner on one state folder. For one thread."""

    compile_again: CompileAgain | None = None
    """How `flow.run` gets the plan of another flow of a run's source."""

    @classmethod
    def open(cls, state: Path, host: Host, *, create: bool = True) -> Service:
        """The runner on a state folder, which is made if `create`. StateError if it cannot be
        used."""
        folder = StateDir(state)
        if create:
            folder.make()
        return cls(folder, SqliteJournal(folder), host)

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()

    # -- driving -------------------------------------------------------------------------------

    def drive(
        self,
        run: str,
        *,
        observe: Callable[[Record], None] | None = None,
        parallel: int = 4,
        stop: Stop | None = None,
        until: Literal["end", "wait"] = "end",
    ) -> RunSummary:
        """Go on with a run until it has ended, or (`wait`) has nothing to do but wait.

        StateError if another process acts for it, or it cannot go on here.
        """
        stop = stop or Stop()
        claim = self.journal.claim(run)
        if claim is None:
            pid = self.journal.claimed(run)
            raise StateError(
                refusals.BUSY,
                f"process {pid} acts for run {run}",
                f"`rflow show {run}` shows how it goes; `rflow cancel {run}` reaches it",
            )
        with claim:
            self._drive(run, observe, parallel, stop, until)
            self.settle_quarantine(run)
            with contextlib.suppress(StateError):  # the head stands in the journal all the same
                note_head(self.journal, self.state, run)
        return self.summary(run)

    def _drive(
        self,
        run: str,
        observe: Callable[[Record], None] | None,
        parallel: int,
        stop: Stop,
        until: Literal["end", "wait"],
    ) -> None:
        state = self.fold(run)
        if state.ended or not self._may_begin(run, stop, observe):
            return
        plan, directory = state.graph.plan, Path(state.created.directory)
        values, problems = missing_secrets(plan, self.host, directory)
        problems = [*missing_kinds(plan, self.host), *problems]
        if problems:
            raise Refused(problems)
        dispatcher = LocalDispatcher(
            state=self.state,
            host=self.host,
            created=state.created,
            plan=plan,
            secrets=values,
            previous_guard=state.guard,
            start_run=self._starter(state.created, plan),
            deployed=self._look_up(plan),
        )

        def told(record: Record) -> None:
            self.host.observe(record, run)
            if observe is not None:
                observe(record)

        try:
            driver = Driver(
                run=run,
                journal=self.journal,
                fold=lambda: self.fold(run),
                dispatcher=dispatcher,
                clock=WallClock(),
                filters=self.host.filters(),
                guard=dispatcher.guard,
                parallel=parallel,
                observe=told,
                outdated=lambda: self.outdated(run),
            )
            self._loop(driver, stop, until)
        finally:
            dispatcher.close()

    def _starter(self, parent: ev.RunCreated, plan: Plan) -> StartRun | None:
        compile_again = self.compile_again
        if compile_again is None:
            return None

        def start(flow: str, args: dict[str, Json], key: str) -> str:
            service = Service(self.state, SqliteJournal(self.state), self.host)
            try:
                return start_child(service, compile_again, parent, plan, flow, args, key)
            finally:
                service.close()

        return start

    def _look_up(self, plan: Plan) -> LookUp:
        def look(service: str) -> Deployed:
            other = Service(self.state, SqliteJournal(self.state), self.host)
            try:
                return deployed_before(other, plan.stage, service)
            finally:
                other.close()

        return look

    def _loop(self, driver: Driver, stop: Stop, until: Literal["end", "wait"]) -> None:
        def leave() -> bool:
            driver.cancel_wanted, stop.cancels = driver.cancel_wanted + stop.cancels, 0
            waits = until == "wait" and driver.state.status == "waiting"
            return stop.at_once or waits

        driver.cancel_wanted, stop.cancels = stop.cancels, 0
        with contextlib.suppress(Stale):
            driver.drive(leave)

    def _may_begin(self, run: str, stop: Stop, observe: Callable[[Record], None] | None) -> bool:
        """Wait for the run's turn. Whether it may go on; a rollback that would leave out what was
        changed while it waited may not, and ends."""
        if not self._wait_for_turn(run, stop, observe):
            return False
        summary = self.summary(run)
        if summary.kind != "rollback" or summary.started_at is not None:
            return True
        left: list[Json] = [*self.outdated(run)]
        if not left:
            return True
        event = ev.RunEnded("cancelled", reason=Reason(STAGE_CHANGED, {"resources": left}))
        self._write_down(run, summary.length, event, observe)
        return False

    def _write_down(
        self, run: str, length: int, event: ev.Event, observe: Callable[[Record], None] | None
    ) -> None:
        with contextlib.suppress(Stale):
            for record in self.journal.transact(run, length, [event], time.time()):
                if observe is not None:
                    observe(record)

    def _wait_for_turn(
        self, run: str, stop: Stop, observe: Callable[[Record], None] | None
    ) -> bool:
        """Wait until the runs before this one, of a flow that queues, have ended. Whether the run
        may go on."""
        held = ""
        while True:
            summary = self.summary(run)
            if summary.concluded:
                return False
            if summary.started_at is not None or not summary.queue:
                return True
            ahead = self._ahead(summary)
            cancelled = stop.cancels or any(f.kind == "cancel" for f in self.journal.facts(run))
            if not ahead or cancelled:
                return True
            if stop.at_once:
                return False
            if ahead[0].run != held:
                held = ahead[0].run
                event = ev.RunHeld(Reason("queued", {"run": held}))
                self._write_down(run, summary.length, event, observe)
            left = held in self.to_end_first(summary) and self.journal.claimed(held) is None
            if left:
                with contextlib.suppress(StateError):  # another process may be quicker
                    self.drive(held, stop=stop)
            else:
                time.sleep(POLL_S)

    def _ahead(self, summary: RunSummary) -> list[RunSummary]:
        first = self.to_end_first(summary)
        queued = [
            other
            for other in self.journal.active(summary.queue)
            if other.run not in (summary.run, *first) and _is_ahead(other, summary)
        ]
        return [other for other in map(self.summary, first) if not other.concluded] + queued

    def spawn(self, run: str) -> subprocess.Popen[bytes]:
        """Drive the run in a process of its own, which outlives this one; the process. Its end is
        seen to: it may be asked for (`poll`), and need not be."""
        import subprocess

        log = self.state.run(run) / "runner.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RFLOW_GUARD")}
        argv = [sys.executable, "-m", "rflow.cli", "resume", run, "--state", str(self.state.root)]
        with open(log, "ab") as out:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=environment,
                cwd="/",
            )
        threading.Thread(target=process.wait, name=f"run {run}", daemon=True).start()
        return process


def first_of_queues(active: Sequence[RunSummary]) -> dict[str, str]:
    """The run whose turn it is in each queue, of runs in the order in which they were created."""
    first: dict[str, RunSummary] = {}
    for run in active:
        known = first.get(run.queue)
        if run.queue and (known is None or _is_ahead(run, known)):
            first[run.queue] = run
    return {queue: run.run for queue, run in first.items()}


def _is_ahead(other: RunSummary, run: RunSummary) -> bool:
    """Whether a run of the same queue goes first: a rollback goes ahead of what has not started."""
    if other.started_at is not None:
        return True
    if (other.kind == "rollback") != (run.kind == "rollback"):
        return other.kind == "rollback"
    return other.created_at < run.created_at
