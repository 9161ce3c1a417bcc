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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rflow.compiler import codec
from rflow.compiler.plan import Json, Plan
from rflow.plugins.host import Host
from rflow.runner import approvals, refusals
from rflow.runner import events as ev
from rflow.runner import prepare as preparing
from rflow.runner.drive import POLL_S, Driver
from rflow.runner.events import Reason, Record
from rflow.runner.expand import RunGraph, expand
from rflow.runner.journal import Claim, Journal, Lock, RunSummary, Stale
from rflow.runner.local import LocalDispatcher, StartRun
from rflow.runner.logs import Line, Logs
from rflow.runner.prepare import Prepared, missing_kinds, missing_secrets
from rflow.runner.problems import StateError
from rflow.runner.refusals import Refused
from rflow.runner.retry import RetryPreview, again_from
from rflow.runner.secrets import Key
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state import RunState
from rflow.runner.state_dir import StateDir
from rflow.runner.view import NodeRecord, RunView, node_record, view
from rflow.runner.why import Because, why

_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"
_ID_LENGTH = 8


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
class Service:
    """The runner on one state folder. For one thread."""

    state: StateDir
    journal: Journal
    host: Host
    start_run: StartRun | None = None
    _graphs: dict[str, RunGraph] = field(default_factory=dict)

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

    def create(self, prepared: Prepared, *, rerun_of: str | None = None) -> str:
        """Create the run; its id. StateError where the flow's concurrency refuses it."""
        run = "".join(random.choice(_LETTERS) for _ in range(_ID_LENGTH))
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
            start_run=self.start_run,
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

    # -- looking -------------------------------------------------------------------------------

    def resolve(self, text: str) -> str:
        """The id of the run that is meant: an id, the beginning of one, a name, or `last`."""
        if text == "last":
            runs = self.journal.runs(limit=1)
            if not runs:
                raise StateError(refusals.NO_RUN, "there is no run yet", "start one: `rflow run`")
            return runs[0].run
        found = self.journal.find(text)
        exact = [r for r in found if r.run == text]
        if len(found) == 1 or exact:
            return (exact or found)[0].run
        if not found:
            raise StateError(
                refusals.NO_RUN, f"there is no run `{text}`", "`rflow runs` lists those there are"
            )
        several = ", ".join(r.run for r in found[:6])
        message = f"`{text}` may mean any of {len(found)} runs: {several}"
        raise StateError(refusals.AMBIGUOUS_RUN, message, "give more of the id")

    def summary(self, run: str) -> RunSummary:
        """The run's line in the list of runs."""
        found = self.journal.summary(run)
        if found is None:
            raise StateError(
                refusals.NO_RUN, f"there is no run `{run}`", "`rflow runs` lists those there are"
            )
        return found

    def runs(self, **filters: Any) -> list[RunSummary]:
        """Runs, the newest first; the filters are those of `Journal.runs`."""
        return self.journal.runs(**filters)

    def records(self, run: str, after: int = 0) -> list[Record]:
        """The events of a run."""
        return self.journal.read(run, after)

    def fold(self, run: str, records: list[Record] | None = None) -> RunState:
        """The state of a run."""
        records = self.journal.read(run) if records is None else records
        if not records or not isinstance(created := records[0].event, ev.RunCreated):
            raise StateError(
                refusals.NO_RUN, f"there is no run `{run}`", "`rflow runs` lists those there are"
            )
        graph = self._graphs.get(run)
        if graph is None:
            plan = codec.loads(self.journal.plan(created.plan))
            graph = self._graphs[run] = expand(plan, created.loops)
        state = RunState(graph, created, records[0].at)
        for record in records[1:]:
            state.apply(record)
        return state

    def view(self, run: str) -> RunView:
        """The run and its nodes, as people look at it."""
        records = self.journal.read(run)
        return view(self.fold(run, records), records)

    def node(self, run: str, node: str) -> NodeRecord:
        """A node's record. StateError if there is no such node."""
        records = self.journal.read(run)
        state = self.fold(run, records)
        return node_record(state, records, self._known(state, node))

    def why(self, run: str, node: str | None = None) -> list[Because]:
        """The recorded reasons of a node, or of the run."""
        records = self.journal.read(run)
        state = self.fold(run, records)
        known = None if node is None else self._known(state, node)
        return why(state, records, self.host.filters(), known)

    def _known(self, state: RunState, node: str) -> str:
        try:
            return state.node(node).id
        except KeyError:
            ids = [instance.id for instance in state.graph.instances if not instance.hidden]
            near = [id for id in ids if id.split("[")[0] == node] or ids
            shown = ", ".join(f"`{id}`" for id in near[:12])
            message = f"there is no node `{node}` in run {state.created.run}"
            raise StateError(refusals.NO_NODE, message, f"there are: {shown}") from None

    def log(
        self, run: str, node: str | None = None, attempt: int | None = None
    ) -> Iterator[tuple[str, int, Line]]:
        """The lines of a node's log, or of all nodes', with their node and attempt, in the order
        in which the attempts began."""
        logs = Logs(self.state)
        for record in self.journal.read(run):
            event = record.event
            if not isinstance(event, ev.AttemptStarted):
                continue
            if node not in (None, event.node) or attempt not in (None, event.attempt):
                continue
            offset, lines = 0, [Line(0.0, "note", "")]
            while lines:
                lines, offset = logs.read(run, event.node, event.attempt, offset)
                yield from ((event.node, event.attempt, line) for line in lines)

    def locks(self) -> list[Lock]:
        """The locks that are held."""
        return self.journal.locks()

    # -- asking --------------------------------------------------------------------------------

    def waiting_gates(self, state: RunState) -> list[str]:
        """The gates of a run that wait for a decision."""
        return [
            id
            for id in sorted(state.live)
            if state.node(id).asked and state.instance(id).node.approval is not None
        ]

    def decide(
        self,
        run: str,
        node: str | None,
        *,
        by: str,
        decision: Literal["approve", "reject"],
        comment: str = "",
    ) -> str:
        """Approve or reject a gate that waits; the gate. `node` may be None where there is one."""
        state = self.fold(run)
        gates = self.waiting_gates(state)
        if node is None and len(gates) == 1:
            node = gates[0]
        if node is None or node not in gates:
            waits = ", ".join(f"`{gate}`" for gate in gates) or "no gate waits now"
            if node is not None:
                message = f"`{self._known(state, node)}` of run {run} waits for no decision"
            elif gates:
                message = f"several gates of run {run} wait; say which"
            else:
                message = f"nothing in run {run} waits for a decision"
            raise StateError(refusals.NOTHING_ASKED, message, f"waiting: {waits}")
        approval = state.instance(node).node.approval
        assert approval is not None
        refused = approvals.refusal(approval, state.node(node), by, state.created.by)
        if refused is not None:
            raise StateError(
                refusals.NOT_COUNTED, refused, f"`rflow show {run} {node}` shows who may decide"
            )
        body: dict[str, Json] = {
            "node": node,
            "by": by,
            "decision": decision,
            "comment": comment,
            "round": state.node(node).round,
        }
        self.journal.post(run, "decide", body, time.time())
        return node

    def cancel(self, run: str, *, by: str, rollback: bool = False, reason: str = "") -> None:
        """Cancel a run that has not ended."""
        self._going_on(run)
        body: dict[str, Json] = {"by": by, "rollback": rollback, "reason": reason}
        self.journal.post(run, "cancel", body, time.time())

    def answer(self, run: str, node: str, answer: Literal["redo", "done", "fail"], by: str) -> None:
        """Say what an attempt that was cut off did."""
        state = self.fold(run)
        known = state.node(self._known(state, node))
        if not (known.asked and known.key and known.status == "waiting"):
            raise StateError(
                refusals.NOT_DOUBTED,
                f"nobody asks what `{node}` of run {run} did",
                f"`rflow show {run}` shows what the run waits for",
            )
        self.journal.post(run, "answer", {"node": node, "answer": answer, "by": by}, time.time())

    def rename(
        self, run: str, *, name: str | None = None, description: str | None = None, by: str
    ) -> None:
        """Edit a run's name or description."""
        summary = self.summary(run)
        self._edit(
            run,
            ev.RunRenamed(
                summary.name if name is None else name,
                summary.description if description is None else description,
                by,
            ),
        )

    def _edit(self, run: str, event: ev.RunRenamed) -> None:
        claim = self.journal.claim(run)
        if claim is None:
            body: dict[str, Json] = {
                "by": event.by,
                "name": event.name,
                "description": event.description,
            }
            self.journal.post(run, "rename", body, time.time())
            return
        with claim:
            self.journal.transact(run, self.summary(run).length, [event], time.time())

    def _going_on(self, run: str) -> None:
        summary = self.summary(run)
        if summary.concluded:
            raise StateError(
                refusals.ENDED,
                f"run {run} has ended: {summary.status}",
                f"`rflow retry {run}` goes on from what failed; `rflow rerun {run}` starts anew",
            )

    # -- again ---------------------------------------------------------------------------------

    def retry_preview(
        self,
        run: str,
        node: str | None = None,
        overrides: Mapping[str, Mapping[str, Json]] | None = None,
    ) -> RetryPreview:
        """What `retry` would run again, and what it would reuse."""
        state = self.fold(run)
        if not state.ended:
            raise StateError(
                refusals.NOTHING_TO_RETRY,
                f"run {run} is going on",
                f"wait for it, or `rflow cancel {run}` first",
            )
        first = None if node is None else self._known(state, node)
        checked = self._check_overrides(state, overrides or {})
        preview = again_from(state, self.host.filters(), first, checked)
        if not preview.again:
            raise StateError(
                refusals.NOTHING_TO_RETRY,
                f"nothing failed in run {run}",
                f"name a node: `rflow retry {run} --from NODE`; or `rflow rerun {run}`",
            )
        return preview

    def retry(
        self,
        run: str,
        node: str | None = None,
        overrides: Mapping[str, Mapping[str, Json]] | None = None,
        *,
        by: str,
    ) -> None:
        """Let an ended run go on from the nodes that failed, or from one; then `drive` it."""
        claim: Claim | None = self.journal.claim(run)
        if claim is None:
            raise StateError(refusals.BUSY, f"another process acts for run {run}", "wait for it")
        with claim:
            preview = self.retry_preview(run, node, overrides)
            state = self.fold(run)
            event = ev.RetryRequested(by, tuple(preview.again), preview.overrides)
            self.journal.transact(run, state.length, [event], time.time(), status="running")

    def _check_overrides(
        self, state: RunState, overrides: Mapping[str, Mapping[str, Json]]
    ) -> dict[str, dict[str, Json]]:
        work = preparing.Preparation(state.graph.plan, self.host, Path(state.created.directory))
        checked = work.override(overrides)
        if work.problems:
            raise Refused(work.problems)
        return checked
