"""Verifying the record of a run: that it says today what it said when it was written.

What is checked: the chain of the events (`runner.chain`), the plan and the artifacts against
their digests, the run's lines in the list of runs and in the ledger of effects against the
events, and the last head against one that somebody was given, or that was noted beside the
journal when the run ended. Each difference names the record that differs.

What no check within the state folder can find is a whole record rewritten with all its heads and
notes by somebody who may write to the folder; for that a head is given to others.

This module must never write, repair or guess; what cannot be read is a finding.
"""

from __future__ import annotations

from rflow.runner.artifacts_shared import artifact_store
from rflow.runner.heads import noted_heads
from rflow.runner.journal import Journal
from rflow.runner.problems import StateError
from rflow.runner.state_dir import StateDir
from rflow.runner.verdict import Finding, Verdict, bodies_of
from rflow.runner.verify_artifacts import check_artifacts, check_plan
from rflow.runner.verify_chain import check_chain, check_heads
from rflow.runner.verify_lines import check_ledger, check_line


def verify(journal: Journal, state: StateDir, run: str, given: str = "") -> Verdict:
    """Verify the record of a run; `given` is a head (see `chain.read_head`), "" for none."""
    found = Verdict(run)
    try:
        events = journal.stored(run)
    except StateError as error:
        found.findings.append(Finding("unreadable", "journal", error.message))
        return found
    bodies = [*bodies_of(events)]
    noted = noted_heads(state, run)
    known = {given, *(note.head for note in noted)}
    heads = check_chain(found, events, bodies, run, known)
    check_heads(found, heads, noted, given)
    plan = check_plan(found, journal, bodies)
    check_line(found, journal, events, bodies)
    check_ledger(found, journal, events)
    check_artifacts(found, artifact_store(state), bodies, plan)
    return found


__all__ = ["Finding", "Verdict", "verify"]
