"""The world of a rehearsal: a clock that jumps, and attempts that nobody carries out.

This module owns how an attempt goes without its plugin: it takes no time unless the test says so,
changes what a kind with an effect would change, fails where the test lets it, and puts out what
is mocked or a stand-in. It never runs a plugin's code, and decides nothing about the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Struct, field
from rflow.compiler.plan import Json, Node
from rflow.compiler.testing import Aim, Fault, Test
from rflow.runner.command import (
    Command,
    Failed,
    Intends,
    Message,
    NotDone,
    Outcome,
    Stopped,
    Succeeded,
    Take,
)
from rflow.runner.expand import RunGraph
from rflow.runner.node_state import UNDO
from rflow.runner.rehearsal_values import output_of


def aims_at(aim: Aim, plan_node: str, instance: str) -> bool:
    """Whether a clause is about this instance."""
    if plan_node not in aim.nodes:
        return False
    return aim.turn is None or instance == aim.turn or instance.startswith(aim.turn + ".")


class Clock(Struct):
    """Time that only the rehearsal moves."""

    time: float

    def now(self) -> float:
        """The time."""
        return self.time


class World(Struct):
    """What attempts change, and what outlives the runner: it is not lost in a crash.

    `keys` are the keys of a node's attempts in order (one that was cut off keeps its key), `done`
    those that made their change; `twice` are changes that were made again without anybody having
    asked whether they had been made.
    """

    values: dict[str, Json] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    redone: set[str] = field(default_factory=set)
    twice: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)

    def ordinal(self, command: Command) -> int:
        """Which attempt this is, from 1, not counting those that a crash cut off."""
        keys = self.keys.setdefault(command.node, [])
        if command.key not in keys:
            keys.append(command.key)
        return keys.index(command.key) + 1


class Script(Struct):
    """What the test says of the nodes, worked out: outputs by the clause's aim, and faults."""

    test: Test
    outputs: list[tuple[Aim, dict[str, Json], float | None]]

    def mocked(self, node: Node, instance: str) -> tuple[dict[str, Json], float]:
        """The outputs that are given for an instance, and how long it takes."""
        values: dict[str, Json] = {}
        takes_s = 0.0
        for aim, given, takes in self.outputs:  # the more precise ones stand behind
            if aims_at(aim, node.id, instance):
                values.update(given)
                takes_s = takes if takes is not None else takes_s
        return values, takes_s

    def fault(self, command: Command, ordinal: int) -> Fault | None:
        """The fault that this attempt meets."""
        undo, instance = command.node.startswith(UNDO), command.node.removeprefix(UNDO)
        for fault in self.test.faults:
            meant = fault.undo == undo and aims_at(fault.aim, command.plan_node, instance)
            if meant and fault.first <= ordinal and (fault.last is None or ordinal <= fault.last):
                return fault
        return None

    def cancels(self, command: Command) -> int | None:
        """The number of the clause that cancels the run at this attempt."""
        for number, cancel in enumerate(self.test.cancels):
            if cancel.at is not None and aims_at(cancel.at, command.plan_node, command.node):
                return number
        return None


class Going(Struct):
    """An attempt that goes on. It is asked before its change, and ends when its time has come.
    `cancels` is the number of the clause that cancels the run at it."""

    command: Command
    node: Node
    ends: float
    timed_out: bool
    asked: bool = False
    allowed: bool = False
    refused: str | None = None
    stopped: bool = False
    cancels: int | None = None

    def done(self) -> None:
        """The intent is on disk."""
        self.allowed = True

    def refuse(self, why: str) -> None:
        """The attempt must not act."""
        self.refused = why


class Actors:
    """The dispatcher of a rehearsal: carries commands out on its world, one step at a time."""

    def __init__(
        self,
        graph: RunGraph,
        script: Script,
        world: World,
        clock: Clock,
        intends: Callable[[Node], bool],
        cancel: Callable[[int], bool],
    ) -> None:
        self.graph, self.script, self.world, self.clock = graph, script, world, clock
        self.intends, self.cancel = intends, cancel
        self.going: dict[str, Going] = {}
        self.messages: deque[Message] = deque()

    # -- what the driver calls -----------------------------------------------------------------

    def prepare(self, command: Command) -> None:
        """Nothing takes time here."""

    def submit(self, command: Command) -> None:
        """Begin."""
        node = self.graph.instances[self.graph.by_id[command.node.removeprefix(UNDO)]].node
        takes_s, timed_out = 0.0, False
        if command.mode == "run" and not command.node.startswith(UNDO):
            takes_s = self.script.mocked(node, command.node)[1]
            if command.timeout_s is not None and takes_s > command.timeout_s:
                takes_s, timed_out = command.timeout_s, True
        self.world.ordinal(command)
        going = Going(command, node, self.clock.now() + takes_s, timed_out)
        going.cancels = self.script.cancels(command) if command.mode == "run" else None
        self._held(going)
        self.going[command.node] = going

    def stop(self, node: str) -> None:
        """End the node's attempt."""
        if node in self.going:
            self.going[node].stopped = True

    def next(self, timeout_s: float | None, take: Take | None = None) -> Message | None:
        """The next message."""
        return self.messages.popleft() if self.messages else None

    def close(self) -> None:
        """Forget what goes on."""
        self.going.clear()

    # -- what the rehearsal calls --------------------------------------------------------------

    def let_go(self) -> None:
        """The runner has died: what was allowed to act may do so before it is ended."""
        for going in self.going.values():
            if going.allowed and not going.stopped and going.command.mode == "run":
                self._make(going)

    def due(self) -> float | None:
        """When the next attempt ends that takes time."""
        going = self.going.values()
        ends = [g.ends for g in going if (g.allowed or not g.asked) and not self._held(g)]
        return min(ends, default=None)

    def advance(self) -> bool:
        """Let the first attempt that can do its next thing; whether there was one."""
        for going in self.going.values():
            if going.stopped or going.refused is not None:
                self._end(going, self._ended_early(going))
                return True
            if self._held(going) or (going.asked and not going.allowed):
                continue
            if self._act(going):
                return True
        return False

    def _held(self, going: Going) -> bool:
        """Whether it does nothing until the runner has heard that the run is cancelled at it. It
        goes on then if it is not stopped: what runs in `finally` is not, by the first cancel."""
        if going.cancels is not None and not self.cancel(going.cancels):
            going.cancels = None
        return going.cancels is not None

    def _ended_early(self, going: Going) -> Outcome:
        if going.stopped or going.refused is None:
            return Stopped()
        return Failed(going.refused)

    def _act(self, going: Going) -> bool:
        """One thing that an attempt does; False if it has nothing to do before its time."""
        command = going.command
        if command.mode == "recover":
            fault = self.script.fault(command, self.world.ordinal(command))
            took = command.key in self.world.done and fault is None
            if not took:  # somebody asked: to make the change again is right
                self.world.redone.add(command.key)
            self._end(going, self._outcome(going) if took else NotDone())
            return True
        if command.mode in ("undo", "restore") or command.from_contract:
            self._undo(going)
            return True
        fault = self.script.fault(command, self.world.ordinal(command))
        changes = going.node.effect is not None and (fault is None or fault.halfway)
        if changes and not going.asked and self.intends(going.node):
            going.asked = True
            resource, value = self._change(going)
            body = Intends(resource, self.world.values.get(resource), value, going)
            self.messages.append(Message(command.node, command.attempt, body))
            return True
        if going.ends > self.clock.now():
            return False
        if changes:
            self._make(going)
        if going.timed_out:
            message = f"it took longer than {command.timeout_s:g} s and was ended"
            self._end(going, Failed(message, code="timeout"))
        elif fault is not None:
            self._end(going, Failed(fault.message))
        else:
            self._end(going, self._outcome(going))
        return True

    def _make(self, going: Going) -> None:
        """Make the change of an attempt, and note one that is made twice."""
        command, node, world = going.command, going.node, self.world
        known = command.key in world.done and command.key not in world.redone
        if known and (node.recovers or not node.repeatable):
            world.twice.append(command.node)
        world.done.add(command.key)
        resource, value = self._change(going)
        world.values[resource] = value

    def _change(self, going: Going) -> tuple[str, Json]:
        id = going.command.node
        artifact = going.command.inputs.get("artifact")
        return f"{going.node.effect} {id}", artifact if artifact is not None else f"new {id}"

    def _undo(self, going: Going) -> None:
        command, own = going.command, going.command.node.removeprefix(UNDO)
        fault = self.script.fault(command, self.world.ordinal(command))
        if fault is not None:
            self._end(going, Failed(fault.message))
            return
        for resource, before, _ in command.effects:
            self.world.values[resource] = before
        if not command.effects:
            self.world.values.pop(f"{going.node.effect} {own}", None)
        self.world.undone.append(own)
        self._end(going, Succeeded({}, {}))

    def _outcome(self, going: Going) -> Outcome:
        node, id = going.node, going.command.node
        given = self.script.mocked(node, id)[0]
        outputs: dict[str, Json] = {}
        sealed: dict[str, str] = {}
        for name, type_ in (node.outputs or {}).items():
            value = given[name] if name in given else output_of(type_, f"{id}.{name}")
            if name in node.secret_outputs:
                sealed[name] = str(value)
            else:
                outputs[name] = value
        return Succeeded(outputs, sealed)

    def _end(self, going: Going, body: Outcome) -> None:
        command = going.command
        del self.going[command.node]
        self.messages.append(Message(command.node, command.attempt, body))
