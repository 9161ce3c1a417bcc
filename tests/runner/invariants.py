"""The invariants of what a run means, checked on the records of a simulated run and its world."""

from __future__ import annotations

from itertools import pairwise

from rflow.runner import events as ev
from rflow.runner.events import Record
from rflow.runner.node_state import UNDO
from rflow.runner.state import RunState
from simulation import Simulation, Violation


def check(simulation: Simulation, records: list[Record]) -> None:
    """All invariants that a single run shows; raises Violation."""
    _order(simulation, records)
    _attempts(simulation, records)
    _journal_first(simulation, records)
    _keys(records)
    _gates(simulation, records)
    _ended(records)
    _fold(simulation, records)
    _limits(simulation, records)
    if _must_undo(simulation, records):
        _undone(simulation, records)


def _order(simulation: Simulation, records: list[Record]) -> None:
    """No attempt starts before everything it comes after has ended well; nothing that succeeded
    starts again."""
    graph = simulation.graph
    well: set[str] = set()
    for record in records:
        event = record.event
        if isinstance(event, ev.RetryRequested):
            well -= _reset(simulation, event)
        elif isinstance(event, ev.AttemptStarted) and not event.node.startswith(UNDO):
            if event.node in well:
                raise Violation(f"{event.node} ran again after it had succeeded")
            for before in _before(simulation, graph.by_id[event.node]):
                if before not in well:
                    raise Violation(f"{event.node} started before {before} had ended well")
        elif isinstance(event, ev.AttemptSucceeded | ev.NodeSkipped):
            well.add(event.node)
        elif isinstance(event, ev.NodeFailed) and event.node in graph.by_id:
            tolerated = graph.instances[graph.by_id[event.node]].node.continue_on_failure
            well |= {event.node} if tolerated else set()


def _reset(simulation: Simulation, event: ev.RetryRequested) -> set[str]:
    """The nodes that run again, and what follows the main part in any case."""
    sections = simulation.graph.sections
    later = [*sections["failure"], *sections["finally"]]
    return {*event.nodes, *(simulation.graph.instances[number].id for number in later)}


def _before(simulation: Simulation, number: int) -> set[str]:
    graph = simulation.graph
    found: set[str] = set()
    stack = [*graph.instances[number].before]
    while stack:
        instance = graph.instances[stack.pop()]
        if instance.hidden:
            stack.extend(instance.before)
        else:
            found.add(instance.id)
    return found


def _attempts(simulation: Simulation, records: list[Record]) -> None:
    """No more attempts that fail than allowed, none begun while another goes on, and a failed
    attempt is not tried again when that is useless."""
    failed: dict[str, int] = {}
    going: set[str] = set()
    for record in records:
        event = record.event
        match event:
            case ev.RetryRequested():
                again = _reset(simulation, event)
                failed = {n: c for n, c in failed.items() if n not in again and UNDO not in n}
            case ev.UndoRequested():
                failed = {n: c for n, c in failed.items() if UNDO not in n}
            case ev.AttemptStarted():
                if event.node in going:
                    raise Violation(f"two attempts of {event.node} at once")
                going.add(event.node)
            case ev.AttemptFailed():
                going.discard(event.node)
                failed[event.node] = failed.get(event.node, 0) + 1
                id = event.node.removeprefix(UNDO)
                retry = simulation.graph.instances[simulation.graph.by_id[id]].node.retry
                most = 3 if event.node.startswith(UNDO) else retry.attempts
                if failed[event.node] > most:
                    raise Violation(f"{event.node} failed {failed[event.node]} times of {most}")
            case (
                ev.AttemptSucceeded()
                | ev.AttemptLost()
                | ev.NodeCancelled()
                | ev.NodeFailed()
                | ev.Parked()
                | ev.PersonAsked()
            ):
                going.discard(event.node)
            case ev.Woke():
                going.add(event.node)
            case ev.RetryScheduled():
                if event.due < record.at:
                    raise Violation("a retry was due before its failure")
            case _:
                pass


def _journal_first(simulation: Simulation, records: list[Record]) -> None:
    """Nothing was begun that the journal did not say before."""
    said = {
        (record.event.node, record.event.attempt)
        for record in records
        if isinstance(record.event, ev.AttemptStarted)
    }
    for node, attempt in simulation.world.started:
        if (node, attempt) not in said:
            raise Violation(f"attempt {attempt} of {node} began unknown to the journal")


def _keys(records: list[Record]) -> None:
    """An attempt that follows one that was cut off has its key; one that follows a failure has
    another; none follows a failure that says it is useless."""
    lost: dict[str, str] = {}
    useless: set[str] = set()
    last: dict[str, str] = {}
    failed: set[str] = set()
    for record in records:
        event = record.event
        match event:
            case ev.RetryRequested() | ev.UndoRequested():
                useless.clear()  # a person wants it all the same
            case ev.AttemptStarted():
                if event.node in lost and event.key != lost.pop(event.node):
                    raise Violation(f"{event.node} was begun again with another key")
                if event.node in useless:
                    raise Violation(f"{event.node} was tried again though that is useless")
                if event.node in failed and event.key == last.get(event.node):
                    raise Violation(f"a new attempt of {event.node} has the key of a failed one")
                last[event.node] = event.key
                failed.discard(event.node)
            case ev.AttemptLost():
                lost[event.node] = last[event.node]
            case ev.AttemptFailed():
                failed.add(event.node)
                if event.error.get("retry") is False:
                    useless.add(event.node)
            case _:
                pass


def _gates(simulation: Simulation, records: list[Record]) -> None:
    """A gate opens when as many different people as it asks for have approved, and not before;
    asked again for the same, it opens as it did."""
    given: dict[str, set[str]] = {}
    slices: dict[str, str] = {}
    opened: set[tuple[str, str]] = set()
    for record in records:
        event = record.event
        if isinstance(event, ev.ApprovalAsked):
            given[event.node] = set()
            slices[event.node] = event.slice
        elif isinstance(event, ev.Decided) and event.decision == "approve":
            given[event.node].add(event.by)
        elif isinstance(event, ev.AttemptSucceeded) and event.node in given:
            instance = simulation.graph.instances[simulation.graph.by_id[event.node]]
            approval = instance.node.approval
            assert approval is not None
            known = (event.node, slices[event.node])
            if event.reason.code == "approved-before" and known in opened:
                continue
            opened.add(known)
            if len(given[event.node]) != approval.count:
                raise Violation(f"{event.node} opened with {len(given[event.node])} approvals")


def _ended(records: list[Record]) -> None:
    """The run ends, and nothing follows but what somebody asks for: then it ends again."""
    if not isinstance(records[-1].event, ev.RunEnded):
        raise Violation("the run did not end")
    for record, following in pairwise(records):
        asked = isinstance(following.event, ev.RetryRequested | ev.UndoRequested)
        if isinstance(record.event, ev.RunEnded) != asked:
            raise Violation(f"{following.event} follows {record.event}")
    numbers = [record.number for record in records]
    if numbers != [*range(1, len(records) + 1)]:
        raise Violation("the records are not numbered one by one")


def _fold(simulation: Simulation, records: list[Record]) -> None:
    """The fold is the same whoever folds it, and no node is left open."""
    again = simulation.fold()
    mine = simulation.driver.state
    for a, b in zip(again.nodes, mine.nodes, strict=True):
        if (a.status, a.attempt, a.failures, a.intents) != (
            b.status,
            b.attempt,
            b.failures,
            b.intents,
        ):
            raise Violation(f"{a.id} folds to {a.status} and {b.status}")
    if again.outcome != mine.outcome or again.open or again.live:
        raise Violation(f"left over: {again.open} {again.live}")
    end = records[-1].event
    assert isinstance(end, ev.RunEnded)
    for number in simulation.graph.sections["finally"]:
        if again.nodes[number].status == "pending" and again.started_at:
            raise Violation(f"{again.nodes[number].id} of `finally` was left out")
    if end.status == "success":
        for instance in simulation.graph.instances:
            node = again.nodes[instance.index]
            optional = instance.node.continue_on_failure or instance.node.section != "main"
            if node.status not in ("success", "skipped") and not optional:
                raise Violation(f"the run succeeded but {node.id} is {node.status}")


def _limits(simulation: Simulation, records: list[Record]) -> None:
    """No more attempts at once than allowed, nor more turns of a loop; a lock has one holder."""
    state: RunState | None = None
    graph = simulation.graph
    for record in records:
        if isinstance(record.event, ev.RunCreated):
            state = RunState(graph, record.event, record.at)
            continue
        assert state is not None
        state.apply(record)
        if len(state.open) > simulation.case.parallel:
            raise Violation(f"{len(state.open)} attempts at once")
        holders = [
            id
            for id in state.live  # through all attempts, also between two of them
            if state.instance(id).node.lock is not None and state.node(id).key
        ]
        if len(holders) > 1:
            raise Violation(f"a lock is held by {holders}")
        for loop, most in graph.limits.items():
            turns = {
                state.instance(id).turns[0]
                for id in state.live
                if not id.startswith(UNDO) and (loop in dict(state.instance(id).turns))
            }
            if len(turns) > most:
                raise Violation(f"{len(turns)} turns of {loop} at once")


def _must_undo(simulation: Simulation, records: list[Record]) -> bool:
    """Whether the run was last undone, and not run again since."""
    undone = False
    for record in records:
        event = record.event
        if isinstance(event, ev.RetryRequested):
            undone = False
        undone |= isinstance(event, ev.UndoRequested)
        undone |= isinstance(event, ev.PhaseStarted) and event.phase == "undo"
    return undone


def _undone(simulation: Simulation, records: list[Record]) -> None:
    """Every resource that can be is as before the run, in reverse order, and nothing was undone
    that had neither been done nor begun."""
    graph, world = simulation.graph, simulation.world
    undone: list[str] = []
    blocked: list[str] = []
    seen_cancel = False
    state = simulation.fold()
    for record in records:
        event = record.event
        if isinstance(event, ev.RetryRequested | ev.UndoRequested):
            blocked, seen_cancel = [], False
            undone = [] if isinstance(event, ev.RetryRequested) else undone
        if isinstance(event, ev.AttemptSucceeded) and event.node.startswith(UNDO):
            undone.append(event.node.removeprefix(UNDO))
        if isinstance(event, ev.NodeFailed) and event.node.startswith(UNDO):
            blocked.append(event.node.removeprefix(UNDO))
        seen_cancel = seen_cancel or isinstance(event, ev.CancelRequested)
    for earlier, id in enumerate(undone):
        behind = _behind(simulation, graph.by_id[id])
        later = set(undone[earlier + 1 :])
        if behind & later:
            raise Violation(f"{id} was undone before {behind & later}, which came after it")
    for id in blocked:
        for other in undone:
            if id in _behind(simulation, graph.by_id[other]):
                raise Violation(f"{other} was undone although the undo of {id} behind it failed")
    for id in undone:
        node = state.node(id)
        if not node.intents and node.status != "success":
            raise Violation(f"{id} was undone but never done")
    if blocked or seen_cancel:
        return
    for instance in graph.instances:
        node = instance.node
        if node.contract.type == "self" and world.values.get(f"r-{instance.id}") is not None:
            raise Violation(f"{instance.id} is left changed after the undo")


def _behind(simulation: Simulation, number: int) -> set[str]:
    graph = simulation.graph
    found: set[str] = set()
    stack = [*graph.instances[number].after]
    while stack:
        instance = graph.instances[stack.pop()]
        if instance.id not in found:
            found.add(instance.id)
            stack.extend(instance.after)
    return found
