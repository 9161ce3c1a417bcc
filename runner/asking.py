"""Asking things of runs: decide, cancel, answer, rename, run again.

What is asked of a run that is going on is posted to its journal, and whoever drives the run takes
it up. Whether it can be done at all is checked first, so that the person who asks is told at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from rflow.compiler.plan import Json
from rflow.runner import approvals, refusals
from rflow.runner import events as ev
from rflow.runner.claims import claimed
from rflow.runner.journal import Claim
from rflow.runner.looking import Looking
from rflow.runner.node_state import UNDO, NodeState
from rflow.runner.prepare import Preparation, reserved
from rflow.runner.problems import StateError
from rflow.runner.refusals import Refused
from rflow.runner.retry import RetryPreview, again_from
from rflow.runner.state import RunState

SERVED = "driven"
"""The kind of the journal's notes that name the runs which a server drives."""


class Asking(Looking):
    """Runs in one state folder, to be looked at and asked."""

    def drivers(self, runs: Iterable[str]) -> dict[str, int | None]:
        """For each run the process that goes on with it, now or as soon as there is something to
        do: the one that acts for it, else the server it was left to. None if there is neither."""
        found = {run: self.journal.claimed(run) for run in runs}
        if None in found.values() and (server := claimed(self.state.serving)) is not None:
            left = self.journal.notes(SERVED)
            found |= {run: server for run, pid in found.items() if pid is None and run in left}
        return found

    def driver(self, run: str) -> int | None:
        """The process that goes on with the run."""
        return self.drivers([run])[run]

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
        asked = known.asked and known.key and known.status == "waiting"
        if not asked and not self._will_be_asked(state, known):
            raise StateError(
                refusals.NOT_DOUBTED,
                f"nobody asks what `{node}` of run {run} did",
                f"`rflow show {run}` shows what the run waits for",
            )
        self.journal.post(run, "answer", {"node": node, "answer": answer, "by": by}, time.time())

    def _will_be_asked(self, state: RunState, known: NodeState) -> bool:
        """Whether a person will be asked as soon as somebody goes on with the run: its process
        died during an attempt that only a person can tell of."""
        plan = state.instance(known.id).node
        only_people = not (plan.repeatable or plan.recovers or known.id.startswith(UNDO))
        claimed = self.journal.claimed(state.created.run)
        return known.open and only_people and claimed is None

    def rename(
        self, run: str, *, name: str | None = None, description: str | None = None, by: str
    ) -> None:
        """Edit a run's name or description."""
        refused = reserved(name or "")
        if refused is not None:
            raise refused
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
                refusals.after_end(run, summary.status),
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

    def undo_left(self, run: str) -> list[str]:
        """The nodes of an ended run whose effects could be undone and were not."""
        state = self.fold(run)
        if not state.ended or state.outcome == "success":
            return []
        return [
            state.nodes[number].id
            for number in state.graph.sections["main"]
            if state.needs_undo(number) and _can_undo(state, number)
        ]

    def undo_again(self, run: str, *, by: str) -> None:
        """Let a run that did not end well go on with undoing what is left; then `drive` it."""
        claim: Claim | None = self.journal.claim(run)
        if claim is None:
            raise StateError(refusals.BUSY, f"another process acts for run {run}", "wait for it")
        with claim:
            if not self.undo_left(run):
                raise StateError(
                    refusals.NOTHING_TO_RETRY,
                    f"run {run} has left nothing that could be undone",
                    f"`rflow show {run}` shows what it did",
                )
            state = self.fold(run)
            self.journal.transact(
                run, state.length, [ev.UndoRequested(by)], time.time(), status="running"
            )

    def _check_overrides(
        self, state: RunState, overrides: Mapping[str, Mapping[str, Json]]
    ) -> dict[str, dict[str, Json]]:
        work = Preparation(state.graph.plan, self.host, Path(state.created.directory))
        checked = work.override(overrides)
        if work.problems:
            raise Refused(work.problems)
        return checked


def _can_undo(state: RunState, number: int) -> bool:
    """Whether an undo of the instance would do something, and has not been done."""
    undo = state.undos.get(number)
    if undo is not None and undo.status in ("success", "skipped"):
        return False
    contract = state.graph.instances[number].node.contract.type
    return contract == "self" or (contract == "undo" and not state.in_doubt(number))
