"""Planted bugs: each changes one rule of the runner, and the properties must catch every one.

A bug that is not caught is a hole in the tests. `plant` is given pytest's monkeypatch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace
from rflow.compiler import safety_nodes, safety_reach, safety_rollback, tree
from rflow.compiler.safety_facts import Facts
from rflow.compiler.safety_normal import Normal
from rflow.runner import (
    approvals,
    begin,
    chain,
    drive,
    going_back,
    journal,
    memory,
    outcomes,
    scheduler,
    service,
    sqlite_record,
)
from rflow.runner.events import NO_REASON, AttemptFailed
from rflow.runner.going_back import GoingBack
from rflow.runner.memory import MemoryJournal
from rflow.runner.state import RunState

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Bug:
    """A planted bug: what is wrong, in words, and how to plant it."""

    name: str
    plant: Callable[[Patch], None]


BUGS: list[Bug] = []
"""Bugs that a single run shows."""

STAGE_BUGS: list[Bug] = []
"""Bugs that only several runs on one stage show."""

CHAIN_BUGS: list[Bug] = []
"""Bugs of what the head of a record stands for."""

SLICE_BUGS: list[Bug] = []
"""Bugs of what an approval binds to."""

DIFF_BUGS: list[Bug] = []
"""Bugs of what is told about a change to a flow."""


def bug(
    name: str, bugs: list[Bug] = BUGS
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Add a planted bug to a list."""

    def add(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        bugs.append(Bug(name, plant))
        return plant

    return add


@bug("a node starts although what it comes after has failed")
def _(patch: Patch) -> None:
    def ended(self: RunState, number: int) -> bool:
        return self.nodes[number].status in ("success", "skipped", "failed")

    patch.setattr(RunState, "_ended_well", ended)
    patch.setattr(
        RunState, "_note_failure", lambda self, node, instance: self.warnings.append(node.id)
    )


@bug("a skipped node holds up what comes after it")
def _(patch: Patch) -> None:
    patch.setattr(
        RunState, "_ended_well", lambda self, number: self.nodes[number].status == "success"
    )


@bug("more attempts at once than allowed")
def _(patch: Patch) -> None:
    patch.setattr(drive, "desired", lambda state, room: scheduler.desired(state, room + 1))


@bug("one attempt more than the retries allow")
def _(patch: Patch) -> None:
    def more(step: Any, id: str) -> Any:
        retry = step.state.instance(id).node.retry
        return replace(retry, attempts=retry.attempts + 1)

    patch.setattr(outcomes, "retry_of", more)


@bug("a failure that says trying again is useless is tried again")
def _(patch: Patch) -> None:
    original = outcomes._fail
    patch.setattr(
        outcomes,
        "_fail",
        lambda step, node, failed: original(step, node, _Retried(failed)),
    )


class _Retried:
    """A failure that shows its `retry` truly once, for the journal, and then lies."""

    def __init__(self, failed: Any) -> None:
        self._failed, self._asked = failed, 0

    def __getattr__(self, name: str) -> Any:
        if name == "retry":
            self._asked += 1
            return self._failed.retry if self._asked == 1 else True
        return getattr(self._failed, name)


@bug("an attempt that was cut off uses up a retry")
def _(patch: Patch) -> None:
    original = outcomes.again

    def again(step: Any, node: Any) -> None:
        node.failures += 1
        if node.failures >= step.state.instance(node.id).node.retry.attempts:
            step.emit(outcomes.ev.NodeFailed(node.id, NO_REASON))
        else:
            original(step, node)

    patch.setattr(outcomes, "again", again)


@bug("an attempt that was cut off is begun again with a new key")
def _(patch: Patch) -> None:
    original = begin.start

    def start(step: Any, id: str, *, reason: Any = NO_REASON, key: str = "") -> None:
        original(step, id, reason=reason, key="")

    patch.setattr(begin, "start", start)


@bug("after a crash an effect is repeated without asking what the first attempt did")
def _(patch: Patch) -> None:
    def take_up(step: Any, recovering: set[str]) -> None:
        for id in sorted(step.state.open):
            node = step.state.node(id)
            step.emit(outcomes.ev.AttemptLost(id, node.attempt))
            begin.start(step, id)
        for id in sorted(step.state.live):
            if step.state.node(id).due:
                step.timers.append((step.state.node(id).due, id))

    patch.setattr(outcomes, "take_up", take_up)


@bug("after a crash the times that were waited for are forgotten")
def _(patch: Patch) -> None:
    original = outcomes.take_up

    def take_up(step: Any, recovering: set[str]) -> None:
        original(step, recovering)
        step.timers.clear()

    patch.setattr(outcomes, "take_up", take_up)


@bug("attempts are started before the journal says so")
def _(patch: Patch) -> None:
    original = drive.Driver._commit

    def commit(self: Any, step: Any) -> bool:
        for command in step.commands:
            if step.state.node(command.node).open:
                self.dispatcher.submit(command)
        step.commands.clear()
        return original(self, step)

    patch.setattr(drive.Driver, "_commit", commit)


@bug("an intent is answered before it is on disk")
def _(patch: Patch) -> None:
    original = drive.Driver._commit

    def commit(self: Any, step: Any) -> bool:
        for reply, refused in step.replies:
            if refused is None:
                reply.done()
        step.replies.clear()
        return original(self, step)

    patch.setattr(drive.Driver, "_commit", commit)


@bug("a lock is not waited for")
def _(patch: Patch) -> None:
    patch.setattr(begin, "_held", lambda step, id, scope, node: False)


@bug("a lock is given up with the first attempt")
def _(patch: Patch) -> None:
    original = outcomes._fail

    def fail(step: Any, node: Any, failed: Any) -> None:
        original(step, node, failed)
        step.free_locks(node.id)

    patch.setattr(outcomes, "_fail", fail)


@bug("a lock is never given up")
def _(patch: Patch) -> None:
    patch.setattr(outcomes.Step, "free_locks", lambda self, node: None)


@bug("`at most` is not kept")
def _(patch: Patch) -> None:
    patch.setattr(scheduler, "_full_loop", lambda state, number: None)


@bug("undo goes in the order in which things were done")
def _(patch: Patch) -> None:
    def pass_undo(self: RunState, stack: list[int]) -> None:
        if not self.undo_ready and self.undos:
            self.undo_ready = sorted(
                (-n for n, undo in self.undos.items() if not undo.terminal), reverse=True
            )[:1]

    patch.setattr(RunState, "_pass_undo", pass_undo)


@bug("the value before is that before the last attempt")
def _(patch: Patch) -> None:
    def intended(self: RunState, event: Any) -> None:
        node = self.node(event.node)
        node.intents = {**node.intents, event.resource: (event.before, event.after)}

    patch.setattr(RunState, "intended", intended)


@bug("an effect made by halves is not undone")
def _(patch: Patch) -> None:
    patch.setattr(RunState, "in_doubt", lambda self, number: False)


@bug("what was never begun is undone")
def _(patch: Patch) -> None:
    def needs(self: RunState, number: int) -> bool:
        node = self.graph.instances[number].node
        return node.effect is not None and node.contract.type == "self"

    patch.setattr(RunState, "needs_undo", needs)


@bug("an undo that fails does not hold up what comes after it")
def _(patch: Patch) -> None:
    def settle(self: RunState, node: Any) -> None:
        self.undo_unsettled -= 1
        self._pass_undo_from(self.graph.by_id[node.id.removeprefix("undo:")])

    patch.setattr(RunState, "_settle_undo", settle)


@bug("one approval opens every gate")
def _(patch: Patch) -> None:
    original = outcomes._decide

    def decide(step: Any, fact: Any, by: str) -> None:
        original(step, fact, by)
        node = step.state.node(fact.body["node"])
        if node.status == "waiting" and node.decisions:
            step.emit(outcomes.ev.AttemptSucceeded(node.id, node.round, {}))

    patch.setattr(outcomes, "_decide", decide)


@bug("one person's approval counts twice")
def _(patch: Patch) -> None:
    def refusal(approval: Any, node: Any, by: str, started_by: str) -> str | None:
        return None if not approval.people or by in approval.people else "no"

    patch.setattr(outcomes.approvals, "refusal", refusal)


@bug("an approval that expired stays open")
def _(patch: Patch) -> None:
    original = outcomes.take_time

    def take_time(step: Any, id: str, due: float) -> None:
        if step.state.node(id).asked is False:
            original(step, id, due)

    patch.setattr(outcomes, "take_time", take_time)


@bug("`finally` is left out")
def _(patch: Patch) -> None:
    original = scheduler._next

    def following(state: RunState) -> Any:
        wish = original(state)
        enters = isinstance(wish, scheduler.Enter) and wish.phase == "finally"
        return scheduler._end(state) if enters else wish

    patch.setattr(scheduler, "_next", following)


@bug("the run is called a success although a node failed")
def _(patch: Patch) -> None:
    original = RunState._note_failure

    def note(self: RunState, node: Any, instance: Any) -> None:
        original(self, node, instance)
        if not self.unsettled["main"]:
            self.outcome = "success"

    patch.setattr(RunState, "_note_failure", note)


# -- several runs on a stage ---------------------------------------------------------------------


@bug("what a release made is taken from that run alone, not from the ledger", STAGE_BUGS)
def _(patch: Patch) -> None:
    original = GoingBack._then

    def then(self: Any, run: Any) -> Any:
        return {name: held for name, held in original(self, run).items() if held.run == run.run}

    patch.setattr(GoingBack, "_then", then)


@bug("a rollback goes to what was before the release", STAGE_BUGS)
def _(patch: Patch) -> None:
    original = MemoryJournal.last_changes

    def last(self: Any, stage: str, upto: int | None = None, *, sure: bool = False) -> Any:
        return original(self, stage, None if upto is None else upto - 1, sure=sure)

    patch.setattr(MemoryJournal, "last_changes", last)


@bug("what was rolled back from is not held in quarantine", STAGE_BUGS)
def _(patch: Patch) -> None:
    patch.setattr(GoingBack, "_put_quarantine", lambda *args: None)


@bug("the quarantine ends with the rollback", STAGE_BUGS)
def _(patch: Patch) -> None:
    def settle(self: Any, run: str) -> None:
        for source, body in self.journal.notes("quarantine").items():
            if body.get("rollback") == run and self.summary(run).concluded:
                self.journal.delete_note("quarantine", source)

    patch.setattr(GoingBack, "settle_quarantine", settle)


@bug("a freeze is not looked at", STAGE_BUGS)
def _(patch: Patch) -> None:
    patch.setattr(drive, "freeze_of", lambda *args: None)


@bug("a freeze does not hold a further attempt", STAGE_BUGS)
def _(patch: Patch) -> None:
    patch.setattr(begin, "try_again", lambda step, id, reason: begin.start(step, id, reason=reason))


@bug("nobody is asked about what cannot be undone", STAGE_BUGS)
def _(patch: Patch) -> None:
    patch.setattr(going_back, "crossed_by", lambda state: [])


@bug("an undo does not look whether another run came after", STAGE_BUGS)
def _(patch: Patch) -> None:
    patch.setattr(MemoryJournal, "changed_since", lambda self, run, resource: None)


@bug("what was done before a retry is forgotten", STAGE_BUGS)
def _(patch: Patch) -> None:
    def did(self: RunState, number: int) -> bool:
        node = self.nodes[number]
        return bool(node.status == "success" and node.key)

    patch.setattr(RunState, "did", did)


@bug("an undo that was cut off leaves no doubt", STAGE_BUGS)
def _(patch: Patch) -> None:
    original = journal.moves
    patch.setattr(
        memory, "moves", lambda events: [m for m in original(events) if m.kind != "undoing"]
    )


@bug("a change in between does not count anew", STAGE_BUGS)
def _(patch: Patch) -> None:
    original = journal.moves
    patch.setattr(
        memory, "moves", lambda events: [replace(m, anew=False) for m in original(events)]
    )


@bug("a rollback does not wait for what it cancelled, nor look again", STAGE_BUGS)
def _(patch: Patch) -> None:
    patch.setattr(GoingBack, "to_end_first", lambda self, run: [])
    patch.setattr(GoingBack, "outdated", lambda self, run: [])


@bug("a rollback waits in the queue like any run", STAGE_BUGS)
def _(patch: Patch) -> None:
    def ahead(other: Any, run: Any) -> bool:
        return other.started_at is not None or other.created_at < run.created_at

    patch.setattr(service, "_is_ahead", ahead)


@bug("whoever comes late writes all the same", STAGE_BUGS)
def _(patch: Patch) -> None:
    original = MemoryJournal.transact

    def transact(self: Any, run: str, expected: int, *args: Any, **given: Any) -> Any:
        return original(self, run, len(self.read(run)), *args, **given)

    patch.setattr(MemoryJournal, "transact", transact)


# -- the ledger ----------------------------------------------------------------------------------


@bug("a change that was undone still counts", STAGE_BUGS)
def _(patch: Patch) -> None:
    original = journal.moves
    patch.setattr(
        memory,
        "moves",
        lambda events: [m for m in original(events) if m.kind not in ("undoing", "undone")],
    )


@bug("the value before and the value after change places", STAGE_BUGS)
def _(patch: Patch) -> None:
    original = journal.moves
    patch.setattr(
        memory,
        "moves",
        lambda events: [replace(m, before=m.after, after=m.before) for m in original(events)],
    )


@bug("what a failed attempt was about to change counts as done", STAGE_BUGS)
def _(patch: Patch) -> None:
    original = journal.moves

    def moves(events: Any) -> Any:
        for event in events:
            yield from original([event])
            if isinstance(event, AttemptFailed):
                yield journal.Move("done", event.node)

    patch.setattr(memory, "moves", moves)


# -- the chain of a record -----------------------------------------------------------------------

_link = chain.link


def _linked_by(patch: Patch, link: Callable[..., str]) -> None:
    """Whoever writes a record and whoever verifies it reckons so."""
    for module in (chain, memory, sqlite_record):
        patch.setattr(module, "link", link)


@bug("an event is left out of the heads", CHAIN_BUGS)
def _(patch: Patch) -> None:
    def link(before: str, run: str, number: int, at: object, kind: str, *rest: Any) -> str:
        return before if kind == "Decided" else _link(before, run, number, at, kind, *rest)

    _linked_by(patch, link)


@bug("a head does not stand for what came before", CHAIN_BUGS)
def _(patch: Patch) -> None:
    _linked_by(patch, lambda before, *event: _link(chain.START, *event))


@bug("the head is not carried on within a transaction", CHAIN_BUGS)
def _(patch: Patch) -> None:
    original = sqlite_record.insert

    def insert(db: Any, run: str, expected: int, rows: Any, head: Any = None) -> Any:
        last = head
        for number, row in enumerate(rows):
            last = original(db, run, expected + number, [row], head or chain.START)
        return last

    patch.setattr(sqlite_record, "insert", insert)


@bug("the time of an event is not hashed", CHAIN_BUGS)
def _(patch: Patch) -> None:
    def link(before: str, run: str, number: int, at: object, *rest: Any) -> str:
        return _link(before, run, number, 0.0, *rest)

    _linked_by(patch, link)


# -- what an approval binds to -------------------------------------------------------------------

_digest = approvals.digest


def _left_out(patch: Patch, part: str) -> None:
    patch.setattr(
        approvals, "digest", lambda bound: _digest({k: v for k, v in bound.items() if k != part})
    )


@bug("an approval does not bind to the arguments", SLICE_BUGS)
def _(patch: Patch) -> None:
    _left_out(patch, "args")


@bug("an approval does not bind to the values that cross the gate", SLICE_BUGS)
def _(patch: Patch) -> None:
    _left_out(patch, "values")


@bug("an approval does not bind to what is overridden behind the gate", SLICE_BUGS)
def _(patch: Patch) -> None:
    _left_out(patch, "overrides")


@bug("an approval does not bind to which secrets are given", SLICE_BUGS)
def _(patch: Patch) -> None:
    _left_out(patch, "secrets")


@bug("an approval binds only to the nodes next to the gate", SLICE_BUGS)
def _(patch: Patch) -> None:
    original = approvals.binds

    def binds(state: RunState, filters: Any, gate: str) -> Any:
        bound = original(state, filters, gate)
        plan = state.graph.plan
        near = {id: bound["nodes"][id] for id in bound["nodes"] if gate in plan.node(id).after}
        return {**bound, "nodes": near}

    patch.setattr(approvals, "binds", binds)


# -- what a change to a flow means ---------------------------------------------------------------


@bug("an effect that lost its gate is not told", DIFF_BUGS)
def _(patch: Patch) -> None:
    patch.setattr(Facts, "gates_of", lambda self, node: self.gates)


@bug("an undo that was removed is not told", DIFF_BUGS)
def _(patch: Patch) -> None:
    patch.setitem(safety_rollback._WORTH, "none", 3)


@bug("a timeout that was dropped is not told", DIFF_BUGS)
def _(patch: Patch) -> None:
    original = safety_nodes._check_timeout

    def check(found: Any, old: Any, new: Any) -> None:
        original(found, old, new if new.timeout_s is not None else old)

    patch.setattr(safety_nodes, "_check_timeout", check)


@bug("a secret that other nodes had is not told when it reaches another", DIFF_BUGS)
def _(patch: Patch) -> None:
    original = safety_reach._newly

    def newly(found: Any, before: Any, now: Any) -> Any:
        known = frozenset().union(*before.values())
        return original(found, dict.fromkeys(before, known), now)

    patch.setattr(safety_reach, "_newly", newly)


@bug("a `let` that was renamed is told", DIFF_BUGS)
def _(patch: Patch) -> None:
    original = Normal._get

    def get(self: Normal, root: Any, path: Any) -> Any:
        return tree.Get(root, path) if root == "value" else original(self, root, path)

    patch.setattr(Normal, "_get", get)
