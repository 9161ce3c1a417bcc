"""Stages and releases: what is deployed, what can be gone back to, going back, stopping the line.

All of it is a fold over the ledger of effects. A rollback is prepared completely, and everything
that stands against it told, before a run is created for it.
"""

from __future__ import annotations

import time

from msgspec import Struct, field
from rflow.compiler.plan import Json
from rflow.runner import events as ev
from rflow.runner import refusals
from rflow.runner.artifacts_shared import artifact_store
from rflow.runner.creating import Creating
from rflow.runner.journal import RunSummary
from rflow.runner.ledger import Held, deployed, digests_in
from rflow.runner.line import FREEZE, QUARANTINE, freeze_of, quarantines
from rflow.runner.problems import StateError

ROLLBACKS_MAX = 1000
"""So many rollbacks are looked through for those to a release, the newest."""


class StageView(Struct):
    """A stage: what is on it, its last run, and what holds effects there now."""

    stage: str
    resources: list[Held]
    versions: dict[str, str]
    """Run → the version that it released: its output `version`, else the commit."""
    last: RunSummary | None
    freeze: dict[str, Json] | None
    quarantine: dict[str, dict[str, Json]]


class Release(Struct):
    """A run of a stage as a target: `why_not` is "" where it is a valid one."""

    run: RunSummary
    version: str
    why_not: str
    rollbacks: list[str] = field(default_factory=list)


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
        held = sorted(deployed(self.journal.last_changes(name)).values(), key=lambda h: h.resource)
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
        created = self._created(run)
        while created.kind == "rollback":
            created = self._created(str(created.trigger["to"]))
        ended = self.journal.latest(created.run, ev.RunEnded)
        version = ended.outputs.get("version") if isinstance(ended, ev.RunEnded) else None
        if version is not None:
            return str(version)
        trigger = created.triggers.get("trigger", {})
        return str(trigger.get("sha") or "")[:12]

    # -- releases ------------------------------------------------------------------------------

    def releases(self, stage: str, limit: int = 50, before: str | None = None) -> list[Release]:
        """The runs of a stage, the newest first, with why each is no target; `before` is a run's
        id, for the next page."""
        runs = self.journal.runs(stage=stage, limit=limit, before=before)
        back = self._rollbacks(stage)
        quarantine, seen = quarantines(self.journal, stage), dict[str, bool]()
        whys = {run.run: _why_no_target(run, quarantine) for run in runs}
        thens = self._thens(stage, [run for run in runs if not whys[run.run]])
        found: list[Release] = []
        for run in runs:
            why = whys[run.run]
            if not why:
                lost = self._lost(thens[run.run], seen)
                why = f"the artifact of {next(iter(lost))} is gone" if lost else ""
            found.append(Release(run, self.version(run.run), why, back.get(run.run, [])))
        return found

    def _rollbacks(self, stage: str) -> dict[str, list[str]]:
        """Release → the rollbacks to it that ended well, the newest first."""
        back: dict[str, list[str]] = {}
        for run in self.journal.runs(
            stage=stage, kind="rollback", status="success", limit=ROLLBACKS_MAX
        ):
            back.setdefault(str(self._created(run.run).trigger.get("to")), []).append(run.run)
        return back

    def _then(self, run: RunSummary) -> dict[str, Held]:
        """What its stage goes back to with a run that has ended."""
        end = self.journal.ended_at_change(run.run)
        return deployed(self.journal.last_changes(str(run.stage), end, sure=True))

    def _thens(self, stage: str, runs: list[RunSummary]) -> dict[str, dict[str, Held]]:
        """The same for several runs: folded once, from the first that ended."""
        ends = sorted((self.journal.ended_at_change(run.run) or 0, run.run) for run in runs)
        if not ends:
            return {}
        at = ends[0][0]
        held = deployed(self.journal.last_changes(stage, at, sure=True))
        changes = [c for c in self.journal.ledger(stage, at, ends[-1][0]) if c.state != "open"]
        found: dict[str, dict[str, Held]] = {}
        for end, run in ends:
            held = deployed((c for c in changes if at < c.seq <= end), before=held)
            found[run], at = held, end
        return found

    def _why_no_target(self, run: RunSummary) -> str:
        return _why_no_target(run, quarantines(self.journal, str(run.stage)))

    def _lost(self, held: dict[str, Held], known: dict[str, bool] | None = None) -> dict[str, str]:
        """Resource → the artifact of it that is not in the store; `known` is what was looked for
        already."""
        store, known = artifact_store(self.state), {} if known is None else known
        lost: dict[str, str] = {}
        for resource, h in held.items():
            for digest in digests_in(h.value):
                if digest not in known:
                    known[digest] = store.exists(digest)
                if not known[digest]:
                    lost[resource] = digest
        return lost

    def _created(self, run: str) -> ev.RunCreated:
        created = self.journal.latest(run, ev.RunCreated)
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


def _why_no_target(run: RunSummary, quarantine: dict[str, dict[str, Json]]) -> str:
    if run.stage is None:
        return "its flow has no stage"
    if not run.concluded:
        return "it has not ended"
    if run.status != "success":
        return f"it {run.status}" if run.status == "failed" else f"it was {run.status}"
    for source, body in quarantine.items():
        taken = body.get("runs")
        if isinstance(taken, list) and run.run in taken:
            return f"it is in quarantine (`rflow release lift {source}`)"
    return ""


def _in_pipeline_order(names: list[str], before: dict[str, str | None]) -> list[str]:
    def depth(name: str) -> int:
        pipeline, count, at = name.partition(".")[0], 0, before.get(name)
        while at is not None and count < len(names):
            count += 1
            at = before.get(f"{pipeline}.{at}")
        return count

    return sorted(names, key=lambda name: (name.partition(".")[0], depth(name), name))


__all__ = ["Release", "Releasing", "StageView"]
