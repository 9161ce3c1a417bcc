"""The runner as others use it: create runs, drive them, look at them, ask things of them.

The command line and the server call this and nothing below it. Every call is safe beside other
processes on the same state: what asks something of a run posts it, whoever drives the run takes
it up. A mistake of the user is a `StateError` with a code, and has changed nothing.
"""

from __future__ import annotations

import contextlib
import os
import secrets as random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rflow.compiler.plan import Json, Plan
from rflow.plugins.host import Host
from rflow.runner import events as ev
from rflow.runner import prepare as preparing
from rflow.runner import refusals
from rflow.runner.asking import Asking
from rflow.runner.children import ID_LENGTH, LETTERS, CompileAgain, start_child
from rflow.runner.drive import POLL_S, Driver
from rflow.runner.events import Reason, Record
from rflow.runner.journal import RunSummary, Stale
from rflow.runner.local import LocalDispatcher, StartRun
from rflow.runner.prepare import Prepared, missing_kinds, missing_secrets
from rflow.runner.problems import StateError
from rflow.runner.refusals import Refused
from rflow.runner.secrets import Key
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir


class WallClock:
    """The system's clock."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()


@dataclass(slots=True)
class Stop:
    """How a driver is told to end, from a signal handler or another thread."""

    cancels: int = 0
    at_once: bool = False

    def cancel(self) -> None:
        """Cancel the run: what runs is ended, `finally` runs."""
        self.cancels += 1

    def now(self) -> None:
        """Leave the run as it is, at once; it can be resumed."""
        self.at_once = True


@dataclass(slots=True)
class Service(Asking):
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

    # -- creating ------------------------------------------------------------------------------

    def prepare(
        self,
        plan: Plan,
        *,
        directory: Path,
        args: Mapping[str, Json],
        overrides: Mapping[str, Mapping[str, Json]] | None = None,
        triggers: Mapping[str, Mapping[str, Json]] | None = None,
        name: str = "",
        description: str = "",
        by: str,
        trigger: dict[str, Json] | None = None,
        text: bool = True,
    ) -> Prepared:
        """Work out all that can be before the run. Raises Refused with all that is wrong."""
        return preparing.prepare(
            plan,
            self.host,
            directory,
            args=args,
            saved=self.journal.settings(plan.flow),
            overrides=overrides or {},
            triggers=triggers or {},
            name=name,
            description=description,
            by=by,
            trigger=trigger or {"kind": "manual"},
            text=text,
        )

    def create(
        self, prepared: Prepared, *, rerun_of: str | None = None, run: str | None = None
    ) -> str:
        """Create the run; its id. StateError where the flow's concurrency refuses it."""
        run = run or "".join(random.choice(LETTERS) for _ in range(ID_LENGTH))
        plan = prepared.plan
        key = Key(self.state.key)
        sealed = {
            name: key.seal(value, f"{run} args.{name}")
            for name, value in prepared.secret_args.items()
        }
        stage = None if plan.stage is None else f"{plan.stage.pipeline}.{plan.stage.name}"
        created = ev.RunCreated(
            run=run,
            plan=prepared.digest,
            flow=plan.flow,
            stage=stage,
            kind="release",
            name=prepared.name or run,
            description=prepared.description,
            by=prepared.by,
            trigger=prepared.trigger,
            triggers=prepared.triggers,
            args=prepared.args,
            sealed=sealed,
            overrides=prepared.overrides,
            loops=prepared.loops,
            seed=random.randbits(32),
            directory=str(prepared.directory),
            rerun_of=rerun_of,
        )
        queue = "" if plan.concurrency == "allow" else f"flow {plan.flow}"
        self.state.make_run(run)
        self.journal.put_plan(prepared.digest, prepared.plan_bytes)
        with self.journal.admit():
            self._admit(plan, queue, run, prepared.by)
            self._write(created, queue, plan.concurrency)
        return run

    def _write(self, created: ev.RunCreated, queue: str, policy: str) -> None:
        now = time.time()
        summary = RunSummary(
            run=created.run,
            flow=created.flow,
            stage=created.stage,
            kind=created.kind,
            name=created.name,
            description=created.description,
            status="pending",
            concluded=False,
            created_at=now,
            started_at=None,
            ended_at=None,
            by=created.by,
            plan=created.plan,
            length=0,
            queue=queue,
            policy=policy,
        )
        self.journal.create(summary, [created], now)

    def _admit(self, plan: Plan, queue: str, run: str, by: str) -> None:
        """Apply the flow's concurrency to the runs that are there; inside a transaction."""
        there = self.journal.active(queue) if queue else []
        if plan.concurrency == "forbid" and there:
            raise StateError(
                refusals.FORBIDDEN,
                f"the flow `{plan.flow}` is running already: run {there[0].run}",
                f"wait for it, or `rflow cancel {there[0].run}`",
            )
        if plan.concurrency not in ("latest", "replace"):
            return
        reason = Reason("superseded", {"run": run})
        for other in there:
            if other.started_at is None:
                self.journal.transact(
                    other.run,
                    other.length,
                    [ev.RunEnded("cancelled", reason=reason)],
                    time.time(),
                    status="cancelled",
                )
            elif plan.concurrency == "replace":
                body: dict[str, Json] = {"by": by, "reason": f"replaced by run {run}"}
                self.journal.post(other.run, "cancel", body, time.time())

    def rerun(self, run: str, by: str) -> str:
        """Create a run with the plan and arguments of another; its id."""
        state = self.fold(run)
        created = state.created
        key = Key(self.state.key)
        prepared = Prepared(
            state.graph.plan,
            self.journal.plan(created.plan),
            created.plan,
            Path(created.directory),
            "",
            created.description,
            by,
            {"kind": "manual", "rerun_of": created.run},
            created.triggers,
            created.args,
            {n: key.open(s, f"{created.run} args.{n}") for n, s in created.sealed.items()},
            created.overrides,
            {loop: dict(turns) for loop, turns in created.loops.items()},
        )
        problems = [
            *missing_kinds(prepared.plan, self.host),
            *missing_secrets(prepared.plan, self.host, prepared.directory)[1],
        ]
        if problems:
            raise Refused(problems)
        return self.create(prepared, rerun_of=created.run)

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
        if state.ended or not self._wait_for_turn(run, stop, observe):
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

    def _loop(self, driver: Driver, stop: Stop, until: Literal["end", "wait"]) -> None:
        def leave() -> bool:
            driver.cancel_wanted, stop.cancels = driver.cancel_wanted + stop.cancels, 0
            waits = until == "wait" and driver.state.status == "waiting"
            return stop.at_once or waits

        with contextlib.suppress(Stale):
            driver.drive(leave)

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
            before = [r for r in self.journal.active(summary.queue) if r.run != run]
            ahead = [r for r in before if r.created_at < summary.created_at]
            cancelled = stop.cancels or any(f.kind == "cancel" for f in self.journal.facts(run))
            if not ahead or cancelled:
                return True
            if stop.at_once:
                return False
            if ahead[0].run != held:
                held = ahead[0].run
                event = ev.RunHeld(Reason("queued", {"run": held}))
                with contextlib.suppress(Stale):
                    for record in self.journal.transact(run, summary.length, [event], time.time()):
                        if observe is not None:
                            observe(record)
            time.sleep(POLL_S)

    def spawn(self, run: str) -> None:
        """Drive the run in a process of its own, which outlives this one."""
        log = self.state.run(run) / "runner.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RFLOW_GUARD")}
        argv = [sys.executable, "-m", "rflow.cli", "resume", run, "--state", str(self.state.root)]
        with open(log, "ab") as out:
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=environment,
                cwd="/",
            )
