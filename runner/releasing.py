"""Stages and releases: what is deployed, what can be gone back to, going back, stopping the line.

All of it is a fold over the ledger of effects. A rollback is prepared completely, and everything
that stands against it told, before a run is created for it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rflow.compiler.plan import Json
from rflow.runner import events as ev
from rflow.runner import refusals
from rflow.runner.artifacts_shared import artifact_store
from rflow.runner.creating import Creating
from rflow.runner.journal import RunSummary
from rflow.runner.ledger import Held, deployed, deployed_at, digests_in
from rflow.runner.line import FREEZE, QUARANTINE, freeze_of, quarantines
from rflow.runner.problems import StateError


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
                lost = self._lost(deployed_at(changes, self.journal.ended_at_change(run.run)))
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
        store = artifact_store(self.state)
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

    # -- freeze, quarantine ---------------------------------------------------------------------

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


def _in_pipeline_order(names: list[str], before: dict[str, str | None]) -> list[str]:
    def depth(name: str) -> int:
        pipeline, count, at = name.partition(".")[0], 0, before.get(name)
        while at is not None and count < len(names):
            count += 1
            at = before.get(f"{pipeline}.{at}")
        return count

    return sorted(names, key=lambda name: (name.partition(".")[0], depth(name), name))


__all__ = ["Release", "Releasing", "StageView"]
