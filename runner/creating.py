"""Creating runs: prepared, admitted by their flow's concurrency, written down.

Whether a run may be, is decided in one transaction with its being written, so that two processes
that create runs of a flow at once agree.
"""

from __future__ import annotations

import secrets as random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from rflow.compiler.plan import Json, Plan
from rflow.runner import events as ev
from rflow.runner import prepare as preparing
from rflow.runner import refusals
from rflow.runner.asking import Asking
from rflow.runner.children import ID_LENGTH, LETTERS
from rflow.runner.events import Reason
from rflow.runner.journal import RunSummary
from rflow.runner.line import quarantine_of
from rflow.runner.prepare import Prepared, missing_kinds, missing_secrets
from rflow.runner.problems import StateError
from rflow.runner.refusals import Refused
from rflow.runner.saved import saved_args
from rflow.runner.secrets import Key


class Creating(Asking):
    """Runs in one state folder, to be created, looked at and asked."""

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
        data: bytes | None = None,
    ) -> Prepared:
        """Work out all that can be before the run; `data` are the plan's bytes, where they are at
        hand. Raises Refused with all that is wrong."""
        return preparing.prepare(
            plan,
            self.host,
            directory,
            args=args,
            saved=saved_args(self.journal, Key(self.state.key), plan),
            overrides=overrides or {},
            triggers=triggers or {},
            name=name,
            description=description,
            by=by,
            trigger=trigger or {"kind": "manual"},
            text=text,
            data=data,
        )

    def create(
        self,
        prepared: Prepared,
        *,
        rerun_of: str | None = None,
        run: str | None = None,
        kind: Literal["release", "rollback"] = "release",
        also: Callable[[str], None] = lambda run: None,
    ) -> str:
        """Create the run; its id. StateError where the flow's concurrency or a quarantine refuses
        it. `also` is called with the id in the same transaction."""
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
            kind=kind,
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
            if kind == "release":
                self._check_quarantine(stage, prepared)
                self._admit(plan, queue, run, prepared.by)
            self._write(created, queue, plan.concurrency)
            also(run)
        self._graph(created, plan)
        return run

    def _check_quarantine(self, stage: str | None, prepared: Prepared) -> None:
        given = [value for trigger in prepared.triggers.values() for value in trigger.values()]
        given += [value for inputs in prepared.overrides.values() for value in inputs.values()]
        for value in given:
            refused = quarantine_of(self.journal, stage, value)
            if refused is not None:
                raise StateError(refusals.QUARANTINED, refused, "or release another commit")

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
            if other.kind == "rollback":
                continue  # a release waits for it, whatever the flow says
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

    def rerun(self, run: str, by: str, *, also: Callable[[str], None] = lambda run: None) -> str:
        """Create a run with the plan and arguments of another; its id. `also` as for `create`."""
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
        return self.create(prepared, rerun_of=created.run, also=also)
