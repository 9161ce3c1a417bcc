"""The state of a run: the fold of its events over its graph. Pure; no clock, no I/O.

`RunState.apply` is the only way in: it takes a record and changes what that record says, at a cost
proportional to the edges of one instance. Whoever folds the same records gets the same state, so
going on after a crash is nothing but folding again. What follows from a state (what should be
started, stopped, cancelled) is `scheduler`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappush
from typing import Literal

from rflow.compiler.plan import Json
from rflow.runner import events as ev
from rflow.runner.events import Record
from rflow.runner.expand import Instance, RunGraph, turn_key
from rflow.runner.node_state import TRANSITIONS, UNDO, Impossible, NodeState

Phase = Literal["created", "main", "undo", "failure", "finally", "ended"]


class RunState:
    """The fold. `length` is the number of records applied."""

    def __init__(self, graph: RunGraph, created: ev.RunCreated, at: float) -> None:
        self.graph = graph
        self.created = created
        self.created_at = at
        self.length = 1
        self.name, self.description = created.name, created.description
        self.overrides = dict(created.overrides)
        self.phase: Phase = "created"
        self.outcome: Literal["success", "failed", "cancelled"] = "success"
        self.reason = ev.NO_REASON
        self.undo_wanted = False
        self.cancels = 0
        self.cancel_seen_in: Phase | None = None
        self.guard = ""
        self.held = ev.NO_REASON
        self.outputs: dict[str, Json] = {}
        self.failed: list[str] = []
        self.warnings: list[str] = []
        self.started_at = 0.0
        self.ended_at = 0.0
        self.last_at = at
        self.ran_s = 0.0
        self.undo_ready: list[int] = []
        self.undo_left: dict[int, int] = {}
        self.undo_unsettled = 0
        self.undo_attempts: dict[int, int] = {}
        self.finishing = False
        """Whether the run had ended, and goes on only to finish its undo."""
        self.nodes = [NodeState(instance.id) for instance in graph.instances]
        self.undos: dict[int, NodeState] = {}
        self.open: set[str] = set()
        """Ids with an attempt going on."""
        self.live: set[str] = set()
        """Ids that have begun and have not ended: running, waiting, retrying."""
        self._prepare()

    # -- looking -----------------------------------------------------------------------------

    def node(self, id: str) -> NodeState:
        """The state of an instance or an undo, by id; KeyError if there is none."""
        number = self.graph.by_id.get(id)
        if number is not None:
            return self.nodes[number]
        return self.undos[self.graph.by_id[id.removeprefix(UNDO)]]

    def instance(self, id: str) -> Instance:
        """The instance with this id, or the one that the undo with this id undoes."""
        return self.graph.instances[self.graph.by_id[id.removeprefix(UNDO)]]

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.phase == "ended"

    @property
    def status(self) -> str:
        """The status of the run, as users see it."""
        if self.phase == "created":
            return "pending"
        if self.phase == "ended":
            return self.outcome
        moving = self.open or any(self.node(id).status == "retrying" for id in self.live)
        return "waiting" if self.live and not moving and not self.has_ready() else "running"

    def has_ready(self) -> bool:
        """Whether something could start now."""
        if self.phase == "undo":
            return any(self.undos[-number].status == "pending" for number in self.undo_ready)
        if self.phase == "main" and self.outcome != "success":
            return False
        return any(
            self.nodes[number].status == "pending"
            for ready in (self.gates, self.ready)
            for number in ready
        )

    # -- readiness ---------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Count what each instance of each section still waits for."""
        graph = self.graph
        self.left = [0] * len(graph.instances)
        self.ready: list[int] = []
        self.gates: list[int] = []
        self.turn_left: dict[tuple[str, str], int] = {}
        self.turn_open: dict[tuple[str, str], set[str]] = {}
        self.blocked: dict[tuple[str, str], list[int]] = {}
        self.unsettled = dict.fromkeys(graph.sections, 0)
        for section, numbers in graph.sections.items():
            for number in numbers:
                self.unsettled[section] += not self.nodes[number].terminal
        for (loop, key), numbers in graph.iterations.items():
            if loop in graph.limits:
                self.turn_left[loop, key] = sum(not self.nodes[n].terminal for n in numbers)

    def open_section(self, section: Literal["main", "failure", "finally"]) -> None:
        """Find what is ready in a section that begins; joins settle at once."""
        self.ready, self.gates = [], []
        instances, nodes = self.graph.instances, self.nodes
        for number in self.graph.sections[section]:
            self.left[number] = sum(
                not self._ended_well(before) for before in instances[number].before
            )
        free = [number for number in self.graph.sections[section] if self.left[number] == 0]
        for number in free:
            if nodes[number].status == "pending":
                self._make_ready(number)

    def _ended_well(self, number: int) -> bool:
        status = self.nodes[number].status
        if status == "failed":
            return self.graph.instances[number].node.continue_on_failure
        return status in ("success", "skipped")

    def _make_ready(self, number: int) -> None:
        stack = [number]
        while stack:
            current = stack.pop()
            instance = self.graph.instances[current]
            if not instance.hidden:
                gate = instance.node.kind == "approve"
                heappush(self.gates if gate else self.ready, current)
                continue
            node = self.nodes[current]
            if node.status != "pending":
                continue
            node.status = "success"
            self.unsettled[instance.node.section] -= 1
            for after in instance.after:
                self.left[after] -= 1
                if self.left[after] == 0 and self.nodes[after].status == "pending":
                    stack.append(after)

    def limited_turns(self, instance: Instance) -> Iterable[tuple[tuple[str, str], str]]:
        """For each limited loop around an instance: the loop's key (its id and the turns around
        it) and the key of the instance's turn."""
        for depth, (loop, _) in enumerate(instance.turns):
            if loop in self.graph.limits:
                yield (
                    (loop, turn_key(instance.turns[:depth])),
                    turn_key(instance.turns[: depth + 1]),
                )

    def block(self, number: int, loop: tuple[str, str]) -> None:
        """Put an instance that is ready aside until a turn of the loop ends."""
        self.blocked.setdefault(loop, []).append(number)

    # -- the fold ----------------------------------------------------------------------------

    def apply(self, record: Record) -> None:
        """Take one more record. Raises Impossible for one that cannot follow."""
        event = record.event
        self.length = record.number
        if (
            self.phase not in ("created", "ended")
            and self.open
            and type(event) is not ev.RunResumed
        ):
            self.ran_s += max(0.0, record.at - self.last_at)
        self.last_at = record.at
        change = TRANSITIONS.get(type(event))
        if type(event) is ev.Intended:
            self.intended(event)
            return
        if change is None:
            self._apply_run(event, record.at)
            return
        node = self.node(event.node)  # type: ignore[union-attr]
        status = change.get(node.status)
        if status is None:
            raise Impossible(f"{type(event).__name__} of {node.id!r}, which is {node.status}")
        before, node.status = node.status, status
        self._apply_node(node, event, record.at)
        if node.terminal:
            self._settle(node)
        elif before == "pending":
            self.live.add(node.id)
            self._begin_turns(node)

    def _apply_run(self, event: ev.Event, at: float) -> None:
        match event:
            case ev.RunStarted():
                self.phase, self.guard, self.started_at = "main", event.guard, at
                self.held = ev.NO_REASON
                self.open_section("main")
            case ev.RunResumed():
                self.guard, self.started_at = event.guard, self.started_at or at
            case ev.RunHeld():
                self.held = event.reason
            case ev.RunRenamed():
                self.name, self.description = event.name, event.description
            case ev.CancelRequested():
                self.cancels += 1
                self.cancel_seen_in = self.phase
                self.undo_wanted = self.undo_wanted or event.rollback
                if self.outcome == "success":
                    self.outcome, self.reason = "cancelled", event.reason
            case ev.RunTimedOut():
                if self.outcome == "success":
                    self.outcome, self.reason = "failed", event.reason
            case ev.PhaseStarted():
                self._enter(event)
            case ev.RunEnded():
                self.phase, self.outputs, self.ended_at = "ended", event.outputs, at
                self.outcome, self.reason = event.status, event.reason
            case ev.RetryRequested():
                self._retry(event)
            case ev.UndoRequested():
                self._undo_again()
            case _:
                raise Impossible(f"{type(event).__name__} does not follow here")

    def _enter(self, event: ev.PhaseStarted) -> None:
        self.phase = event.phase
        if event.phase == "undo":
            self._open_undo()
        elif event.phase in ("failure", "finally"):
            self.open_section(event.phase)

    def _apply_node(self, node: NodeState, event: ev.Event, at: float) -> None:
        match event:
            case ev.AttemptStarted():
                node.attempt, node.key, node.open = event.attempt, event.key, True
                node.inputs, node.started_at, node.reason = event.inputs, at, event.reason
                node.woke, node.wait, node.due, node.asked = frozenset(), "", 0.0, False
                node.done = None
                self.open.add(node.id)
            case ev.AttemptSucceeded():
                node.outputs, node.sealed, node.reason = event.outputs, event.sealed, event.reason
                if node.slice and not node.key:
                    node.approved = node.slice, event.outputs.get("by")
                self._close(node)
            case ev.AttemptFailed():
                node.failures += 1
                self._close(node)
            case ev.AttemptLost():
                self._close(node)
            case ev.RetryScheduled():
                node.due, node.reason = event.due, event.reason
            case ev.Parked():
                node.wait, node.due, node.reason = event.wait, event.due, event.reason
                self._close(node)
            case ev.Woke():
                node.woke, node.wait, node.open = node.woke | {event.wait}, "", True
                self.open.add(node.id)
            case ev.ApprovalAsked():
                node.round, node.slice, node.binds = event.round, event.slice, event.binds
                node.due, node.decisions, node.reason = event.due, [], event.reason
                node.asked = True
            case ev.Decided():
                node.decisions = [*node.decisions, event]
            case ev.PersonAsked():
                node.asked, node.reason = True, event.reason
                self._close(node)
            case ev.PersonAnswered():
                node.asked = False
            case ev.HoldPassed():
                node.passed = True
            case ev.NodeHeld() | ev.NodeSkipped() | ev.NodeFailed() | ev.NodeCancelled():
                node.reason = event.reason
                self._close(node)

    def intended(self, event: ev.Intended) -> None:
        """Keep the value before the first change of a resource, and after the last; those before
        another run changed it do not count any more."""
        node = self.node(event.node)
        known = None if event.anew else node.intents.get(event.resource)
        before = event.before if known is None else known[0]
        node.intents = {**node.intents, event.resource: (before, event.after)}

    def _close(self, node: NodeState) -> None:
        node.open = False
        self.open.discard(node.id)

    def _begin_turns(self, node: NodeState) -> None:
        if self.graph.limits and not node.id.startswith(UNDO):
            for loop, key in self.limited_turns(self.instance(node.id)):
                self.turn_open.setdefault(loop, set()).add(key)

    # -- endings -----------------------------------------------------------------------------

    def _settle(self, node: NodeState) -> None:
        self.live.discard(node.id)
        if node.id.startswith(UNDO):
            self._settle_undo(node)
            return
        number = self.graph.by_id[node.id]
        instance = self.graph.instances[number]
        self.unsettled[instance.node.section] -= 1
        if node.status == "failed":
            self._note_failure(node, instance)
        if self._ended_well(number):
            for after in instance.after:
                self.left[after] -= 1
                if self.left[after] == 0 and self.nodes[after].status == "pending":
                    self._make_ready(after)
        if self.graph.limits:
            self._end_turns(instance)

    def _note_failure(self, node: NodeState, instance: Instance) -> None:
        tolerated = instance.node.continue_on_failure or instance.node.section == "finally"
        if tolerated:
            self.warnings.append(node.id)
            return
        self.failed.append(node.id)
        if self.outcome == "success":
            self.outcome = "failed"
            self.reason = ev.Reason("node-failed", {"node": node.id})
        if node.reason.code == "expired-rollback":
            self.undo_wanted = True

    def _end_turns(self, instance: Instance) -> None:
        for loop, key in self.limited_turns(instance):
            turn = (loop[0], key)
            self.turn_left[turn] -= 1
            if self.turn_left[turn] == 0:
                self.turn_open.get(loop, set()).discard(key)
                for number in self.blocked.pop(loop, []):
                    heappush(self.ready, number)

    # -- undo --------------------------------------------------------------------------------

    def _open_undo(self) -> None:
        """Begin undoing: the main part's graph the other way round, in which what has nothing to
        undo is passed through."""
        graph = self.graph
        stack: list[int] = []
        before, self.undos, self.undo_ready = self.undos, {}, []
        self.undo_left = {n: len(graph.instances[n].after) for n in graph.sections["main"]}
        for number in graph.sections["main"]:
            if self.needs_undo(number):
                self.undos[number] = self._undo_of(number, before.get(number))
            if self.undo_left[number] == 0:
                stack.append(number)
        self.undo_unsettled = sum(not undo.terminal for undo in self.undos.values())
        self._pass_undo(stack)

    def _undo_of(self, number: int, known: NodeState | None) -> NodeState:
        """The node that undoes an instance; its attempts go on counting over all undos."""
        if known is not None and known.status in ("success", "skipped"):
            return known
        undo = NodeState(UNDO + self.graph.instances[number].id)
        undo.attempt = self.undo_attempts.get(number, 0)
        return undo

    def _keep_undo_attempts(self) -> None:
        for number, undo in self.undos.items():
            self.undo_attempts[number] = undo.attempt

    def _undo_again(self) -> None:
        """Go on with undoing, from the end of the run; what was undone stays so."""
        self._keep_undo_attempts()
        self.cancels, self.cancel_seen_in = 0, None
        self.failed = [id for id in self.failed if not id.startswith(UNDO)]
        self.phase, self.finishing = "undo", True
        self._open_undo()

    def _pass_undo(self, stack: list[int]) -> None:
        while stack:
            number = stack.pop()
            if number in self.undos and not self.undos[number].terminal:
                heappush(self.undo_ready, -number)
                continue
            for before in self.graph.instances[number].before:
                self.undo_left[before] -= 1
                if self.undo_left[before] == 0:
                    stack.append(before)

    def _settle_undo(self, node: NodeState) -> None:
        self.undo_unsettled -= 1
        if node.status in ("success", "skipped"):
            number = self.graph.by_id[node.id[len(UNDO) :]]
            self._pass_undo_from(number)
        else:
            self.failed.append(node.id)

    def _pass_undo_from(self, number: int) -> None:
        stack = []
        for before in self.graph.instances[number].before:
            self.undo_left[before] -= 1
            if self.undo_left[before] == 0:
                stack.append(before)
        self._pass_undo(stack)

    def needs_undo(self, number: int) -> bool:
        """Whether an instance has done something, or may have, that an undo must look at."""
        plan = self.graph.instances[number].node
        if plan.effect is None or plan.contract.type == "pure":
            return False
        return self.did(number) or self.in_doubt(number)

    def did(self, number: int) -> bool:
        """Whether an instance has ended well in this run, or had before it was to run again."""
        node = self.nodes[number]
        return bool(node.status == "success" and node.key) or node.done is not None

    def in_doubt(self, number: int) -> bool:
        """Whether an effect may have been made by halves: its attempt began and did not succeed.

        A kind that undoes itself has done nothing before it intended something.
        """
        node, plan = self.nodes[number], self.graph.instances[number].node
        if node.status not in ("failed", "cancelled", "skipped") or node.done is not None:
            return False
        return bool(node.intents) if plan.contract.type == "self" else bool(node.key)

    def undone(self, number: int) -> bool:
        """Whether an instance's effect was taken back in this run."""
        undo = self.undos.get(number)
        return undo is not None and undo.status == "success"

    # -- again -------------------------------------------------------------------------------

    def _retry(self, event: ev.RetryRequested) -> None:
        for number, undo in self.undos.items():
            if undo.status == "success":
                self.nodes[number].intents = {}
        for id in event.nodes:
            self.node(id).reset()
            if self.undone(self.graph.by_id[id]):
                self.node(id).done = None
        for section in ("failure", "finally"):
            for number in self.graph.sections[section]:
                self.nodes[number].reset()
        for node, inputs in event.overrides.items():
            self.overrides[node] = {**self.overrides.get(node, {}), **inputs}
        for number in self.graph.sections["main"]:
            if self.graph.instances[number].hidden:
                self.nodes[number].reset()
        self._keep_undo_attempts()
        self.undos, self.failed, self.cancels = {}, [], 0
        self.finishing = False
        self.cancel_seen_in, self.undo_wanted = None, False
        self.warnings = [id for id in self.warnings if self.node(id).status == "failed"]
        self.outcome, self.reason, self.phase = "success", ev.NO_REASON, "main"
        self.ran_s = 0.0
        self._prepare()
        self.open_section("main")
