"""What ought to happen next: the scheduler. Pure; no clock, no I/O, no plugin.

Theory of operation. Events go into `RunState`; `desired` says what follows from it as wishes, and
the shell (`drive`) performs them, which gives more events. A wish is never remembered: a run that
is taken up after a crash has the same state, so the same wishes, and nothing is in progress.

A run has phases: `main`; then, if it did not end well, `undo` (what the run did, the last first)
and the nodes of `on failure`; then `finally`; then the end. Each phase is a graph of its own, run
by the same rules. In the main phase a failure stops what has not started and lets the rest finish;
in the later phases what can run, runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop
from typing import Literal

from msgspec import Struct
from rflow.compiler.plan import Json
from rflow.runner.events import NO_REASON, Reason
from rflow.runner.node_state import UNDO, NodeState
from rflow.runner.state import RunState


class Start(Struct, frozen=True):
    """Everything this node waits for has come: look at its conditions and begin."""

    id: str


class Stop(Struct, frozen=True):
    """Its attempt ought to end."""

    id: str
    reason: Reason


class Cancel(Struct, frozen=True):
    """These will not run, or not go on waiting."""

    ids: tuple[str, ...]
    reason: Reason


class Enter(Struct, frozen=True):
    """The next phase begins."""

    phase: Literal["undo", "failure", "finally"]
    reason: Reason


class End(Struct, frozen=True):
    """The run is over."""

    status: Literal["success", "failed", "cancelled"]
    reason: Reason


Wish = Start | Stop | Cancel | Enter | End

CANCELLED = "run-cancelled"
TIMED_OUT = "run-timed-out"
RUN_FAILED = "run-failed"
UNDO_BLOCKED = "undo-blocked"


def desired(state: RunState, room: int) -> list[Wish]:
    """What ought to happen now, given that `room` more attempts may begin.

    The caller performs the wishes in order, applies the events that come of it and asks again
    until there are none. Nodes named in a `Start` are not named again: they begin, are skipped,
    held or put aside (`RunState.block`), each of which is an event or leads to one.
    """
    match state.phase:
        case "created":
            return [_end(state)] if state.cancels else []
        case "main":
            return _main(state, room)
        case "undo":
            return _undo(state, room)
        case "failure" | "finally":
            return _section(state, room, state.phase)
        case "ended":
            return []


def _main(state: RunState, room: int) -> list[Wish]:
    halted = _halted(state)
    if halted is not None:
        return _halt(state, halted, [*state.live], state.graph.sections["main"])
    if state.outcome == "failed":
        reason = Reason(RUN_FAILED, {"nodes": [*state.failed]})
        not_begun = tuple(id for id in sorted(state.live) if not state.node(id).key)
        if not_begun:
            return [Cancel(not_begun, reason)]
        if state.live:
            return []
        return _leave(state, reason, state.graph.sections["main"])
    if state.unsettled["main"] == 0:
        return [_next(state)]
    return [*_starts(state, room)]


def _halted(state: RunState) -> Reason | None:
    """Why all that runs in the main phase ought to end at once, if it ought."""
    if state.cancels:
        return Reason(CANCELLED)
    return state.reason if state.reason.code == TIMED_OUT else None


def _halt(state: RunState, reason: Reason, live: list[str], numbers: list[int]) -> list[Wish]:
    running = [id for id in sorted(live) if id in state.open]
    waiting = tuple(id for id in sorted(live) if id not in state.open)
    wishes: list[Wish] = [Stop(id, reason) for id in running]
    if waiting:
        wishes.append(Cancel(waiting, reason))
    return wishes if wishes else _leave(state, reason, numbers)


def _leave(state: RunState, reason: Reason, numbers: list[int]) -> list[Wish]:
    """Cancel what never began, then go on to the next phase."""
    nodes = state.nodes
    rest = tuple(
        nodes[number].id
        for number in numbers
        if not nodes[number].terminal and not state.graph.instances[number].hidden
    )
    return [Cancel(rest, reason)] if rest else [_next(state)]


def _starts(state: RunState, room: int) -> Iterator[Wish]:
    while state.gates:
        node = state.nodes[heappop(state.gates)]
        if node.status == "pending":
            yield Start(node.id)
    while state.ready and room > 0:
        number = heappop(state.ready)
        node = state.nodes[number]
        if node.status != "pending":
            continue
        full = _full_loop(state, number)
        if full is not None:
            state.block(number, full)
            continue
        room -= 1
        yield Start(node.id)
        if state.graph.limits:
            # Whether the next one may start depends on what becomes of this one.
            return


def _full_loop(state: RunState, number: int) -> tuple[str, str] | None:
    if not state.graph.limits:
        return None
    for loop, key in state.limited_turns(state.graph.instances[number]):
        going_on = state.turn_open.get(loop, set())
        if key not in going_on and len(going_on) >= state.graph.limits[loop[0]]:
            return loop
    return None


def _undo(state: RunState, room: int) -> list[Wish]:
    undos = [*state.undos.values()]
    if state.cancel_seen_in == "undo":
        return _end_undo(state, Reason(CANCELLED), undos)
    if state.undo_unsettled == 0:
        return [_next(state)]
    wishes: list[Wish] = []
    while state.undo_ready and room > 0:
        undo = state.undos[-heappop(state.undo_ready)]
        if undo.status == "pending":
            room -= 1
            wishes.append(Start(undo.id))
    if wishes or state.live or state.undo_ready:
        return wishes
    return _end_undo(state, Reason(UNDO_BLOCKED, {"nodes": _failed_undos(undos)}), undos)


def _failed_undos(undos: list[NodeState]) -> list[Json]:
    return [undo.id.removeprefix(UNDO) for undo in undos if undo.status == "failed"]


def _end_undo(state: RunState, reason: Reason, undos: list[NodeState]) -> list[Wish]:
    running: list[Wish] = [Stop(id, reason) for id in sorted(state.live & state.open)]
    if running:
        return running
    rest = tuple(undo.id for undo in undos if not undo.terminal)
    return [Cancel(rest, reason)] if rest else [_next(state)]


def _section(state: RunState, room: int, phase: Literal["failure", "finally"]) -> list[Wish]:
    ended = state.cancels >= 2 or (phase == "failure" and state.cancels >= 1)
    if ended:
        return _halt(state, Reason(CANCELLED), [*state.live], state.graph.sections[phase])
    if state.unsettled[phase] == 0:
        return [_next(state)]
    wishes = [*_starts(state, room)]
    if wishes or state.live or state.has_ready():
        return wishes
    return _leave(
        state, Reason(RUN_FAILED, {"nodes": [*state.failed]}), state.graph.sections[phase]
    )


def _next(state: RunState) -> Enter | End:
    """The phase after this one: those that have nothing to do are left out."""
    phase = state.phase
    if state.finishing:
        return _end(state)
    if phase == "main" and _must_undo(state):
        return Enter("undo", state.reason)
    if phase in ("main", "undo") and state.outcome == "failed" and state.graph.sections["failure"]:
        return Enter("failure", state.reason)
    if phase != "finally" and state.graph.sections["finally"]:
        return Enter("finally", state.reason if state.outcome != "success" else NO_REASON)
    return _end(state)


def _must_undo(state: RunState) -> bool:
    if state.outcome == "success":
        return False
    by_flow = state.outcome == "failed" and state.graph.plan.rollback_on_failure
    return (by_flow or state.undo_wanted) and any(
        state.needs_undo(number) for number in state.graph.sections["main"]
    )


def _end(state: RunState) -> End:
    outcome = "cancelled" if state.phase == "created" else state.outcome
    return End(outcome, state.reason)
