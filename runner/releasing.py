"""Stages and releases: what is deployed, what can be gone back to, going back, stopping the line.

All of it is a fold over the ledger of effects. A rollback is prepared completely, and everything
that stands against it told, before a run is created for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rflow.compiler.codec import digest as digest_of
from rflow.compiler.codec import dumps
from rflow.compiler.plan import Json
from rflow.runner import events as ev
from rflow.runner import refusals
from rflow.runner.artifacts import ArtifactStore
from rflow.runner.creating import Creating
from rflow.runner.journal import RunSummary
from rflow.runner.ledger import Held, deployed, digests_in
from rflow.runner.line import FREEZE, QUARANTINE, freeze_of, quarantines
from rflow.runner.prepare import Prepared, missing_kinds, missing_secrets
from rflow.runner.problems import StateError
from rflow.runner.refusals import Refused
from rflow.runner.rollback import Crossed, Made, PlanMaker, Rollback, Step, crossed_by, steps_to
from rflow.runner.secrets import Key, open_output


@dataclass(slots=True)
class StageView:
    """A stage: what is on it, its last run, and what holds effects there now."""

    stage: str
    resources: list[Held]
    versions: dict[str, str]
    """Run → the version that it released: its output `version`, else the commit."""
    last: RunSummary | None
    freeze: dict[str, Json] | None
    quarantine: dict[str, dict[str, Json]]


@dataclass(slots=True)
class Release:
    """A run of a stage as a target: `why_not` is "" where it is a valid one."""

    run: RunSummary
    version: str
    why_not: str
    rollbacks: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Releasing(Creating):
    """Runs in one state folder, with the stages that they release to."""

    # -- stages --------------------------------------------------------------------------------

    def stages(self) -> list[StageView]:
        """The stages that runs were created for; those of a pipeline in its order."""
        names = self.journal.stages()
        before: dict[str, str | None] = {}
        for name in names:
            last = self.journal.runs(stage=name, limit=1)[0]
            stage = self.fold(last.run).graph.plan.stage
            before[name] = None if stage is None else stage.before
        return [self.stage(name) for name in _in_pipeline_order(names, before)]

    def stage(self, name: str) -> StageView:
        """One stage."""
        held = sorted(deployed(self.journal.ledger(name)).values(), key=lambda h: h.resource)
        runs = {h.run for h in held if h.run}
        last = self.journal.runs(stage=name, limit=1)
        return StageView(
            name,
            held,
            {run: self.version(run) for run in sorted(runs)},
            last[0] if last else None,
            freeze_of(self.journal, name, time.time()),
            quarantines(self.journal, name),
        )

    def find_stage(self, text: str | None) -> str:
        """The stage that is meant: `pipeline.stage`, or the stage's own name."""
        names = self.journal.stages()
        found = [n for n in names if text in (None, n, n.partition(".")[2])]
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"`{name}`" for name in names) or "none yet"
        message = f"there is no stage `{text}`" if text is not None else "several stages are meant"
        if not names:
            message = "no run was created for a stage yet"
        raise StateError(refusals.NO_STAGE, message, f"there are: {known}")

    def version(self, run: str) -> str:
        """What a run released, for people: its output `version`, else its commit, else "". A
        rollback released again what its target had."""
        state = self.fold(run)
        while state.created.kind == "rollback":
            state = self.fold(str(state.created.trigger["to"]))
        version = state.outputs.get("version")
        if version is not None:
            return str(version)
        trigger = state.created.triggers.get("trigger", {})
        return str(trigger.get("sha") or "")[:12]

    # -- releases ------------------------------------------------------------------------------

    def releases(self, stage: str, limit: int = 50) -> list[Release]:
        """The runs of a stage, the newest first, with why each is no target."""
        runs = self.journal.runs(stage=stage, limit=limit)
        back: dict[str, list[str]] = {}
        for run in runs:
            if run.kind == "rollback" and run.status == "success":
                to = self._created(run.run).trigger.get("to")
                back.setdefault(str(to), []).append(run.run)
        changes = self.journal.ledger(stage)
        found: list[Release] = []
        for run in runs:
            why = self._why_no_target(run)
            if not why:
                lost = self._lost(deployed(changes, self.journal.ended_at_change(run.run)))
                why = f"the artifact of {next(iter(lost))} is gone" if lost else ""
            found.append(Release(run, self.version(run.run), why, back.get(run.run, [])))
        return found

    def _why_no_target(self, run: RunSummary) -> str:
        if run.stage is None:
            return "its flow has no stage"
        if not run.concluded:
            return "it has not ended"
        if run.status != "success":
            return f"it {run.status}" if run.status == "failed" else f"it was {run.status}"
        held = quarantines(self.journal, run.stage)
        for source, body in held.items():
            taken = body.get("runs")
            if isinstance(taken, list) and run.run in taken:
                return f"it is in quarantine (`rflow release lift {source}`)"
        return ""

    def _lost(self, held: dict[str, Held]) -> dict[str, str]:
        store = ArtifactStore(self.state.artifacts)
        return {
            resource: digest
            for resource, h in held.items()
            for digest in digests_in(h.value)
            if not store.exists(digest)
        }

    def _created(self, run: str) -> ev.RunCreated:
        created = self.journal.read(run)[0].event
        assert isinstance(created, ev.RunCreated)
        return created

    # -- rollback ------------------------------------------------------------------------------

    def rollback_preview(self, run: str, only: Iterable[str] = ()) -> Rollback:
        """What going back to a release takes. StateError where it is no target."""
        summary = self.summary(run)
        why = self._why_no_target(summary)
        end = self.journal.ended_at_change(run)
        if why or summary.stage is None or end is None:
            raise StateError(refusals.NO_TARGET, f"run {run}: {why}", self._nearest(summary))
        stage = summary.stage
        changes = self.journal.ledger(stage)
        chosen = tuple(only)
        known = {change.resource for change in changes}
        for resource in chosen:
            if resource not in known:
                listed = ", ".join(sorted(known)) or "none"
                message = f"the stage {stage} has no resource `{resource}`"
                raise StateError(refusals.NO_TARGET, message, f"it has: {listed}")
        runs = {change.run for change in changes}
        flows = {other: self.summary(other).flow for other in runs}
        kinds = {(c.run, c.node): self._kind(c.run, c.node) for c in changes}
        steps, same = steps_to(changes, end, flows, summary.flow, kinds, chosen)
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
        valid = [r for r in self.releases(run.stage) if not r.why_not]
        older = [r for r in valid if r.run.created_at < run.created_at]
        near = (older or valid)[:1]
        if not near:
            return f"the stage {run.stage} has no release to go back to yet"
        return f"the nearest release before it is {near[0].run.run} ({near[0].run.name})"

    def _kind(self, run: str, node: str) -> str:
        return self.fold(run).instance(node).node.kind

    def _can_restore(self, kind: str) -> bool:
        try:
            return hasattr(self.host.node(kind), "restore")
        except KeyError:
            return False

    def _crossed(self, target: RunSummary) -> list[Crossed]:
        crossed: list[Crossed] = []
        for run in reversed(self.journal.runs(stage=target.stage, limit=10_000)):
            after = run.started_at is not None and run.created_at > target.created_at
            if after and run.run != target.run:
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
                "wait for it, or add --cancel-running",
            )
        prepared = self._prepared(self._make_plan(found), found, by, reason)
        for other in going:
            body: dict[str, Json] = {"by": by, "reason": "the stage is rolled back"}
            self.journal.post(other.run, "cancel", body, time.time())

        def with_it(new: str) -> None:
            self._put_quarantine(found, new, by, reason)
            also(new)

        return self.create(prepared, kind="rollback", also=with_it)

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

    def _prepared(self, made: Made, found: Rollback, by: str, reason: str) -> Prepared:
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

    # -- quarantine, freeze --------------------------------------------------------------------

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
        self.journal.put_note(
            QUARANTINE,
            runs[-1],
            {
                "stage": found.stage,
                "artifacts": [*sorted(taken - kept)],
                "commits": [*sorted(map(str, commits))],
                "runs": [*runs],
                "to": found.target.run,
                "rollback": new,
                "by": by,
                "reason": reason,
                "at": time.time(),
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
            if body.get("rollback") == run:
                self.journal.delete_note(QUARANTINE, source)

    def lift(self, run: str, *, by: str, reason: str) -> None:
        """End the quarantine of what was taken away from a stage when `run` was rolled back."""
        if not self.journal.delete_note(QUARANTINE, run):
            known = ", ".join(self.journal.notes(QUARANTINE)) or "none"
            raise StateError(
                refusals.NOT_HELD, f"run {run} is not in quarantine", f"in quarantine: {known}"
            )
        self.journal.put_note("lifted", f"{run} {time.time()}", {"by": by, "reason": reason})

    def freeze(self, stage: str, *, until: float, reason: str, by: str) -> None:
        """Let no effect begin on a stage until a time."""
        body: dict[str, Json] = {"until": until, "reason": reason, "by": by, "at": time.time()}
        self.journal.put_note(FREEZE, stage, body)

    def thaw(self, stage: str) -> None:
        """End the freeze of a stage."""
        if not self.journal.delete_note(FREEZE, stage):
            raise StateError(refusals.NOT_HELD, f"{stage} is not frozen", "`rflow stages` shows it")

    def let_pass(self, run: str, node: str, *, by: str, reason: str) -> None:
        """Let a node through that a freeze or a closed window holds."""
        state = self.fold(run)
        known = state.node(self._known(state, node))
        if known.status != "waiting" or known.reason.code not in ("frozen", "window-closed"):
            raise StateError(
                refusals.NOT_HELD,
                f"`{node}` of run {run} is held by no freeze and no window",
                f"`rflow show {run}` shows what the run waits for",
            )
        body: dict[str, Json] = {"node": known.id, "by": by, "reason": reason}
        self.journal.post(run, "pass", body, time.time())


def _commits(created: ev.RunCreated) -> set[Json]:
    shas = {str(values.get("sha")) for values in created.triggers.values() if values.get("sha")}
    return {*shas}


def _in_pipeline_order(names: list[str], before: dict[str, str | None]) -> list[str]:
    def depth(name: str) -> int:
        pipeline, count, at = name.partition(".")[0], 0, before.get(name)
        while at is not None and count < len(names):
            count += 1
            at = before.get(f"{pipeline}.{at}")
        return count

    return sorted(names, key=lambda name: (name.partition(".")[0], depth(name), name))


__all__ = ["Release", "Releasing", "StageView"]
