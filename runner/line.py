"""Stopping the line: freezes of stages, pauses of flows, quarantine of what a rollback took away.

All are notes on the state as a whole, kept in the journal. A freeze holds effects, not starts; undo
and rollback pass it. A pause keeps triggers from starting a flow; people still may. Quarantine
keeps automation from bringing back what somebody has just taken away.
"""

from __future__ import annotations

from rflow.plugins.types import Json
from rflow.runner.journal import Journal
from rflow.runner.ledger import digests_in

FREEZE = "freeze"
QUARANTINE = "quarantine"
PAUSE = "pause"


def freeze_of(journal: Journal, stage: str | None, now: float) -> dict[str, Json] | None:
    """The freeze of a stage that holds now: `until` (seconds since 1970), `reason`, `by`."""
    if stage is None:
        return None
    freeze = journal.notes(FREEZE).get(stage)
    if freeze is None:
        return None
    until = freeze.get("until")
    return freeze if isinstance(until, int | float) and until > now else None


def pause_of(journal: Journal, flow: str) -> dict[str, Json] | None:
    """The pause of a flow: `reason`, `by`, `at`; None where triggers start it."""
    return journal.notes(PAUSE).get(flow)


def quarantines(journal: Journal, stage: str) -> dict[str, dict[str, Json]]:
    """The quarantines of a stage, by the run that was rolled back from."""
    found = journal.notes(QUARANTINE)
    return {run: body for run, body in found.items() if body.get("stage") == stage}


def quarantine_of(journal: Journal, stage: str | None, value: Json) -> str | None:
    """Why a value may not be brought to a stage, None if it may: it is a commit that is in
    quarantine there, or there are artifacts in it that are."""
    if stage is None:
        return None
    brought = {*digests_in(value), *([value] if isinstance(value, str) else [])}
    for run, body in quarantines(journal, stage).items():
        for part in ("artifacts", "commits"):
            held = body.get(part)
            for found in sorted(brought.intersection(held if isinstance(held, list) else [])):
                short = found.removeprefix("sha256:")[:12]
                return (
                    f"{short} was taken from {stage} when run {run} was rolled back; let it in "
                    f"again with `rflow release lift {run} --reason …`"
                )
    return None
