"""Going back to a release: prepared completely, refused before anything is touched, begun.

A rollback is worked out from the ledger when it is asked for, and its plan says what is set back.
Until it begins, runs that were going on end, and may still change the stage; while it waits to be
confirmed, other flows may. What it would leave out then is looked for again before it starts and
once it is confirmed, and it does not go on where there is something.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rflow.compiler import codec
from rflow.compiler.codec import digest as digest_of
from rflow.compiler.codec import dumps
from rflow.compiler.expr import Literal as Constant
from rflow.compiler.plan import Json, Plan
from rflow.runner import events as ev
from rflow.runner import refusals
from rflow.runner.journal import RunSummary
from rflow.runner.ledger import Held, deployed, digests_in, first_change
from rflow.runner.line import QUARANTINE
from rflow.runner.prepare import Prepared, missing_kinds, missing_secrets
from rflow.runner.problems import StateError
from rflow.runner.refusals import Refused
from rflow.runner.releasing import Releasing
from rflow.runner.rollback import (
    CONFIRM,
    Crossed,
    Made,
    PlanMaker,
    Rollback,
    Step,
    can_be_crossed,
    crossed_by,
    steps_to,
)
from rflow.runner.secrets import Key, open_output

ALL = 1_000_000


class GoingBack(Releasing):
    """Runs in one state folder, with the stages that can be rolled back."""

    def rollback_preview(self, run: str, only: Iterable[str] = ()) -> Rollback:
        """What going back to a release takes. StateError where it is no target."""
        summary = self.summary(run)
        why = self._why_no_target(summary)
        end = self.journal.ended_at_change(run)
        if why or summary.stage is None or end is None:
            raise StateError(refusals.NO_TARGET, f"run {run}: {why}", self._nearest(summary))
        stage = summary.stage
        now = deployed(self.journal.last_changes(stage))
        chosen = tuple(only)
        for resource in chosen:
            if resource not in now:
                listed = ", ".join(sorted(now)) or "none"
                message = f"the stage {stage} has no resource `{resource}`"
                raise StateError(refusals.NO_TARGET, message, f"it has: {listed}")
        steps, same = steps_to(
            self._then(summary),
            now,
            lambda resource: first_change(self.journal.ledger(stage), resource),
            self._flow,
            summary.flow,
            self._kind,
            chosen,
        )
        found = Rollback(summary, stage, steps, same, self._crossed(summary))
        wanted = {s.resource: Held(s.resource, s.target, s.run, s.node, 0.0, 0) for s in steps}
        found.lost = self._lost(wanted)
        found.absent = [
            s.resource for s in steps if s.target is None and not self._can_restore(s.kind)
        ]
        return found

    def _nearest(self, run: RunSummary) -> str:
        if run.stage is None:
            return "only runs of a flow `for` a stage can be gone back to"
        older = self.releases(run.stage, before=run.run)
        near = [r for r in [*older, *self.releases(run.stage)] if not r.why_not][:1]
        if not near:
            return f"the stage {run.stage} has no release to go back to yet"
        before = " before it" if near[0] in older else ""
        return f"the nearest release{before} is {near[0].run.run} ({near[0].run.name})"

    def _flow(self, run: str) -> str:
        return self.summary(run).flow

    def _kind(self, run: str, node: str) -> str:
        return self.fold(run).instance(node).node.kind

    def _can_restore(self, kind: str) -> bool:
        try:
            return hasattr(self.host.node(kind), "restore")
        except KeyError:
            return False

    def _crossed(self, target: RunSummary) -> list[Crossed]:
        """Of all runs that went on after the release had ended: rather too much than too little."""
        since = target.ended_at or target.created_at
        crossed: list[Crossed] = []
        left: dict[str, bool] = {}
        for run in reversed(self.journal.runs(stage=target.stage, limit=ALL)):
            began = run.started_at is not None and run.run != target.run
            if not began or (run.ended_at is not None and run.ended_at < since):
                continue
            if run.plan not in left:  # most plans set back all they do, and their runs are many
                left[run.plan] = can_be_crossed(codec.loads(self.journal.plan(run.plan)))
            if left[run.plan]:
                crossed.extend(crossed_by(self.fold(run.run)))
        return crossed

    def rollback(
        self,
        run: str,
        *,
        by: str,
        reason: str = "",
        only: Iterable[str] = (),
        acknowledge: Iterable[str] = (),
        cancel_running: bool = False,
        also: Callable[[str], None] = lambda run: None,
    ) -> str | None:
        """Create the run that goes back to a release; its id, None where there is nothing to do.

        Everything that stands against it is refused before anything is written. `also` as for
        `create`.
        """
        only = tuple(only)
        found = self.rollback_preview(run, only)
        if found.lost:
            listed = ", ".join(f"{digest[:19]} of {name}" for name, digest in found.lost.items())
            raise StateError(
                refusals.NO_TARGET,
                f"the store has no longer: {listed}",
                self._nearest(found.target),
            )
        open_ = found.unacknowledged(acknowledge)
        if open_:
            flags = " ".join(f"--acknowledge {name}" for name in open_)
            raise StateError(
                refusals.NOT_ACKNOWLEDGED,
                f"a rollback does not take back: {', '.join(open_)}",
                f"if that is right, add {flags}",
            )
        if not found.steps:
            return None
        going = self._going_on_stage(found.stage)
        if going and not cancel_running:
            raise StateError(
                refusals.STAGE_BUSY,
                f"run {going[0].run} is going on on {found.stage}",
                "wait for it, or cancel it first (`--cancel-running`)",
            )
        prepared = self._prepared(found, by, reason, only, going)
        for other in going:
            body: dict[str, Json] = {"by": by, "reason": "the stage is rolled back"}
            self.journal.post(other.run, "cancel", body, time.time())

        def with_it(new: str) -> None:
            self._put_quarantine(found, new, by, reason)
            self._confirm(prepared.plan, new, by)
            also(new)

        return self.create(prepared, kind="rollback", also=with_it)

    def _confirm(self, plan: Plan, new: str, by: str) -> None:
        """Who starts a rollback has said yes to it: where their word counts, it is given now."""
        if plan.stage is not None and by in plan.stage.rollback_by:
            yes = {"node": CONFIRM, "by": by, "decision": "approve", "comment": "started it"}
            self.journal.post(new, "decide", {**yes}, time.time())

    def _going_on_stage(self, stage: str) -> list[RunSummary]:
        runs = self.journal.runs(stage=stage, concluded=False, limit=1000)
        return [run for run in runs if run.started_at is not None]

    def _make_plan(self, found: Rollback) -> Made:
        maker = PlanMaker(self.host.filters())
        grouped: dict[tuple[str, str], list[Step]] = {}
        for step in found.steps:
            grouped.setdefault((step.run, step.node), []).append(step)
        states = {run: self.fold(run) for run, _ in grouped}
        target = self.fold(found.target.run)

        def order(item: tuple[str, str]) -> tuple[float, int]:
            state = states[item[0]]
            return state.created_at, state.instance(item[1]).index

        for run, node in sorted(grouped, key=order):
            maker.add(states[run], states[run].instance(node), grouped[run, node])
        stage = target.graph.plan.stage
        if stage is not None and stage.rollback_by:
            maker.confirm(stage)
        return maker.plan(target.graph.plan)

    def _prepared(
        self,
        found: Rollback,
        by: str,
        reason: str,
        only: tuple[str, ...],
        going: list[RunSummary],
    ) -> Prepared:
        made = self._make_plan(found)
        created = self._created(found.target.run)
        directory = Path(created.directory)
        problems = [
            *missing_kinds(made.plan, self.host),
            *missing_secrets(made.plan, self.host, directory)[1],
        ]
        if problems:
            raise Refused(problems)
        data = dumps(made.plan)
        trigger: dict[str, Json] = {
            "kind": "rollback",
            "to": found.target.run,
            "from": [*dict.fromkeys(step.by_now for step in found.steps)],
            "ends": [other.run for other in going],
            "only": [*only],
            "reason": reason,
        }
        return Prepared(
            made.plan,
            data,
            digest_of(data),
            directory,
            f"back to {found.target.name}",
            reason,
            by,
            trigger,
            created.triggers,
            {},
            {name: self._reveal(*where) for name, where in made.reveal.items()},
            {},
            {},
        )

    def _reveal(self, run: str, root: str, path: tuple[str | int, ...]) -> str:
        state, key = self.fold(run), Key(self.state.key)
        name = str(path[0])
        if root == "arg":
            return key.open(state.created.sealed[name], f"{run} args.{name}")
        output = str(path[1])
        number = state.graph.by_node[name][0]
        node = state.nodes[number]
        return str(open_output(key, run, node.id, output, node.sealed[output]))

    # -- before it begins ----------------------------------------------------------------------

    def to_end_first(self, run: RunSummary) -> list[str]:
        """The runs that were cancelled so that a rollback can begin."""
        if run.kind != "rollback":
            return []
        ends = self._created(run.run).trigger.get("ends")
        return [str(other) for other in ends] if isinstance(ends, list) else []

    def outdated(self, run: str) -> list[str]:
        """What a rollback that has not begun would leave as it is, or set to what it was not,
        since the stage has changed after it was prepared: resources."""
        trigger, plan = self._created(run).trigger, self.fold(run).graph.plan
        planned = [(restore.resource, restore.value) for n in plan.nodes for restore in n.restores]
        only = trigger.get("only")
        try:
            found = self.rollback_preview(
                str(trigger.get("to")), map(str, only if isinstance(only, list) else ())
            )
        except StateError:
            return []  # the target is none any more; what was agreed to is done all the same
        wanted = [(step.resource, Constant(step.target)) for step in found.steps]
        right = {held.resource: Constant(held.value) for held in found.same}
        wrong = [name for name, value in planned if right.get(name, value) != value]
        return [name for name, value in wanted if (name, value) not in planned] + wrong

    # -- quarantine -----------------------------------------------------------------------------

    def _put_quarantine(self, found: Rollback, new: str, by: str, reason: str) -> None:
        taken = {digest for step in found.steps for digest in digests_in(step.now)}
        kept = {digest for step in found.steps for digest in digests_in(step.target)}
        runs = [*dict.fromkeys(step.by_now for step in found.steps if step.by_now)]
        commits: set[Json] = set()
        for run in runs:
            commits |= _commits(self._created(run))
        commits -= _commits(self._created(found.target.run))
        if not runs:
            return
        earlier = self.journal.notes(QUARANTINE).get(runs[-1], {})
        self.journal.put_note(
            QUARANTINE,
            runs[-1],
            {
                "stage": found.stage,
                "artifacts": _union(taken - kept, earlier.get("artifacts"), kept),
                "commits": _union(map(str, commits), earlier.get("commits")),
                "runs": [*dict.fromkeys([*_union((), earlier.get("runs")), *runs])],
                "to": found.target.run,
                "rollback": new,
                "by": by,
                "reason": reason,
                "at": time.time(),
                "earlier": earlier,
            },
        )

    def settle_quarantine(self, run: str) -> None:
        """End the quarantine of a rollback that ended before it had changed anything: it took
        nothing away."""
        summary = self.summary(run)
        if summary.kind != "rollback" or not summary.concluded or summary.status == "success":
            return
        assert summary.stage is not None  # a rollback has one
        if any(change.run == run for change in self.journal.ledger(summary.stage)):
            return
        for source, body in self.journal.notes(QUARANTINE).items():
            earlier = body.get("earlier")
            if body.get("rollback") != run:
                continue
            if isinstance(earlier, dict) and earlier:
                self.journal.put_note(QUARANTINE, source, earlier)
            else:
                self.journal.delete_note(QUARANTINE, source)


def _commits(created: ev.RunCreated) -> set[Json]:
    shas = {str(values.get("sha")) for values in created.triggers.values() if values.get("sha")}
    return {*shas}


def _union(new: Iterable[str], known: Json, without: Iterable[str] = ()) -> list[Json]:
    """What is held from now on: the new, and what was held of the same run already."""
    there = map(str, known if isinstance(known, list) else ())
    return [*sorted({*new, *there}.difference(without))]


__all__ = ["GoingBack"]
