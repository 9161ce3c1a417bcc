"""A seeded simulation of runs: the real driver, scheduler and fold on a journal in memory.

From one seed come a plan, how each node behaves, in which order things happen, where the process
crashes, and whether the run goes on after its end: it is retried, or its undo is finished. A
process that was replaced may not know it yet and goes on for a while. Only the edges are simulated:
the world that effects change, and the dispatcher. Afterwards the journal and the world are checked
against the invariants of what a run means.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from rflow.compiler.expr import Apply, Get, Literal
from rflow.compiler.plan import (
    Approval,
    Contract,
    Loop,
    Node,
    Place,
    Plan,
    Retry,
    SourceFile,
)
from rflow.plugins.types import Json
from rflow.runner import events as ev
from rflow.runner.asking import Asking
from rflow.runner.command import (
    Command,
    Failed,
    Intends,
    Message,
    NotDone,
    ParkedAt,
    Stopped,
    Succeeded,
    Take,
)
from rflow.runner.drive import Driver
from rflow.runner.events import NO_REASON, Record
from rflow.runner.expand import RunGraph, expand
from rflow.runner.journal import RunSummary, Stale
from rflow.runner.memory import MemoryJournal, MemoryStore
from rflow.runner.node_state import UNDO
from rflow.runner.problems import StateError
from rflow.runner.state import RunState
from rflow.runner.state_dir import StateDir

PLACE = Place(0, 0, 0)
RUN = "simulated"
AGAIN: tuple[str, ...] = ("retry", "retry", "retry one", "undo", "undo")
PEOPLE = ("a@example.com", "b@example.com", "c@example.com")


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass
class Behaviour:
    """How an instance behaves: it fails `failures` times, then succeeds; or is parked first."""

    failures: int = 0
    useless: bool = False
    parks: bool = False
    half: bool = False
    """It fails after its effect was made."""
    undo_failures: int = 0


@dataclass
class Case:
    """What one seed gives."""

    seed: int
    plan: Plan
    loops: dict[str, dict[str, list[Json]]]
    behaviours: dict[str, Behaviour]
    parallel: int
    reject: bool
    expire: bool
    cancel_at: int | None
    crashes: frozenset[int]
    torn: frozenset[int]
    """Transactions at which the process dies: before (n) or after (-n) they are on disk."""
    again: tuple[str, ...]
    """What is asked of the run each time it has ended."""


def make_case(seed: int, *, crashes: bool = True, calm: bool = False) -> Case:
    """A case. `calm`: nothing fails for good, nobody cancels or rejects."""
    random = Random(seed)
    loops, nodes = [], []
    count = random.randint(1, 9)
    for number in range(count):
        nodes.append(_node(random, f"n{number}", [n.id for n in nodes], loops))
    if random.random() < 0.3:
        nodes.append(Node("f0", "pure", "failure", (), PLACE, repeatable=True))
    if random.random() < 0.4:
        nodes.append(Node("z0", "pure", "finally", (), PLACE, repeatable=True))
        nodes.append(Node("z1", "pure", "finally", ("z0",), PLACE, repeatable=True))
    plan = Plan(
        "simulated",
        "",
        None,
        "allow",
        None,
        (),
        (),
        (),
        {},
        tuple(loops),
        (),
        tuple(nodes),
        (),
        random.random() < 0.6,
        {"pure": "1", "effect": "1", "restore": "1"},
        (SourceFile("simulated.rflow", ""),),
    )
    elements: dict[str, dict[str, list[Json]]] = {
        loop.id: {"": [*range(random.randint(0, 3))]} for loop in loops
    }
    graph = expand(plan, elements)
    behaviours = {
        instance.id: _behaviour(random, instance.node, calm) for instance in graph.instances
    }
    last = random.randint(4, 60)
    return Case(
        seed,
        plan,
        elements,
        behaviours,
        random.randint(1, 4),
        not calm and random.random() < 0.15,
        not calm and random.random() < 0.1,
        random.randint(2, last) if not calm and random.random() < 0.15 else None,
        frozenset(random.sample(range(1, last + 1), random.randint(0, 3)) if crashes else ()),
        frozenset(
            random.choice([n, -n])
            for n in random.sample(range(1, last + 1), random.randint(0, 3))
            if crashes
        ),
        () if calm else tuple(random.choices(AGAIN, k=random.choice([0, 0, 1, 1, 2, 3]))),
    )


def _node(random: Random, id: str, earlier: list[str], loops: list[Loop]) -> Node:
    after = tuple(sorted(random.sample(earlier, random.randint(0, min(2, len(earlier))))))
    if random.random() < 0.12:
        people = PEOPLE[: random.randint(0, 3)]
        approval = Approval(
            people, people, random.randint(1, max(1, min(2, len(people)))), 3600.0, "reject", True
        )
        if random.random() < 0.5:
            approval = Approval(people, people, approval.count, 3600.0, "rollback", True)
        return Node(id, "approve", "main", after, PLACE, approval=approval)
    loop: tuple[str, ...] = ()
    if random.random() < 0.25:
        at_most = random.choice([None, 1, 2])
        loops.append(Loop(id, "i", Literal([]), at_most, None, PLACE))
        loop = (id,)
    whens = ()
    if random.random() < 0.2:
        wanted = random.random() < 0.5
        whens = ((Apply("==", (Literal(wanted), Literal(True))), PLACE),)
    effect = random.random() < 0.55
    contract = Contract("pure")
    recovers = False
    repeatable = True
    if effect:
        contract = random.choice(
            [
                Contract("self"),
                Contract("self"),
                Contract("keep", "safe"),
                Contract("irreversible", "gone"),
                Contract("none"),
                Contract(
                    "undo",
                    kind="restore",
                    inputs=(("before", Get("done", ("before",))), ("of", Literal(id))),
                ),
            ]
        )
        recovers = random.random() < 0.4
        repeatable = recovers or random.random() < 0.5
    attempts = random.randint(1, 4)
    return Node(
        id,
        "effect" if effect else "pure",
        "main",
        after,
        PLACE,
        loops=loop,
        whens=whens,
        inputs={"value": Literal(f"{id}-new")},
        retry=Retry(attempts, tuple(2.0 * n for n in range(1, attempts)), 0.5),
        lock=Literal("the-lock") if random.random() < 0.15 else None,
        contract=contract,
        effect="thing" if effect else None,
        repeatable=repeatable,
        recovers=recovers,
        continue_on_failure=random.random() < 0.1,
        outputs={"before": "any"},
    )


def _behaviour(random: Random, node: Node, calm: bool) -> Behaviour:
    failures = 0
    if random.random() < 0.3:
        failures = random.randint(1, max(1, node.retry.attempts - 1 if calm else 5))
    if calm:
        failures = min(failures, node.retry.attempts - 1)
    return Behaviour(
        failures,
        not calm and random.random() < 0.05,
        node.kind == "pure" and random.random() < 0.15,
        node.effect is not None and random.random() < 0.3,
        0 if calm else random.choice([0, 0, 0, 1, 2, 5]),
    )


@dataclass
class World:
    """What effects change. `made` counts how often each attempt's key made its change."""

    values: dict[str, Json] = field(default_factory=dict)
    changes: list[tuple[str, str, Json]] = field(default_factory=list)
    done_keys: set[str] = field(default_factory=set)
    undone: list[str] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    started: list[tuple[str, int]] = field(default_factory=list)
    once: dict[str, int] = field(default_factory=dict)
    """How often an effect that cannot be repeated was made without a failure between."""

    def made_twice(self) -> list[str]:
        """Effects that cannot be repeated and were."""
        return sorted(id for id, count in self.once.items() if count > 1)


class Clock:
    """Time that only the simulation moves."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


@dataclass
class Answer:
    """The reply to an intent."""

    going: Going

    def done(self) -> None:
        self.going.allowed = True

    def refuse(self, why: str) -> None:
        self.going.refused = True


@dataclass
class Going:
    """An attempt that goes on."""

    command: Command
    asked: bool = False
    allowed: bool = False
    refused: bool = False
    acted: bool = False
    stopped: bool = False


class Crash(Exception):
    """The process died."""


class CrashingJournal(MemoryJournal):
    """Dies at some of its transactions, before or after they are on disk."""

    crashes: frozenset[int] = frozenset()
    count = 0

    def transact(self, *args: Any, **kwargs: Any) -> list[Record]:
        cls = type(self)
        cls.count += 1
        if cls.count in cls.crashes:
            raise Crash
        records = super().transact(*args, **kwargs)
        if -cls.count in cls.crashes:
            raise Crash
        return records


class FakeDispatcher:
    """Carries commands out on the world, step by step, in an order drawn from the seed."""

    def __init__(self, case: Case, world: World, clock: Clock, random: Random) -> None:
        self.case, self.world, self.clock, self.random = case, world, clock, random
        self.going: dict[str, Going] = {}
        self.messages: deque[Message] = deque()

    def prepare(self, command: Command) -> None:
        assert command.node not in self.going

    def submit(self, command: Command) -> None:
        assert Command.loads(command.dumps()) == command
        if command.node in self.going:
            raise Violation(f"two attempts of {command.node} at once")
        self.world.started.append((command.node, command.attempt))
        self.going[command.node] = Going(command)

    def stop(self, node: str) -> None:
        if node in self.going:
            self.going[node].stopped = True

    def next(self, timeout_s: float | None, take: Take | None = None) -> Message | None:
        if self.messages and take is not None and self.random.random() < 0.5:
            take(self.messages.popleft())()
            return None
        return self.messages.popleft() if self.messages else None

    def close(self) -> None:
        self.going.clear()

    def advance(self) -> bool:
        """Let one attempt do its next thing; whether there was one that could."""
        able = [g for g in self.going.values() if not g.asked or g.allowed or g.refused]
        if not able:
            return False
        self._advance(self.random.choice(sorted(able, key=lambda g: g.command.node)))
        return True

    def _say(self, going: Going, body: object) -> None:
        command = going.command
        if not isinstance(body, Intends):
            del self.going[command.node]
        self.messages.append(Message(command.node, command.attempt, body))  # type: ignore[arg-type]

    def _advance(self, going: Going) -> None:
        command, world = going.command, self.world
        if command.mode == "recover":
            took = command.key in world.done_keys
            self._say(going, Succeeded(self._outputs(command), {}) if took else NotDone())
            return
        if going.stopped or going.refused:
            self._say(going, Stopped())
            return
        if command.mode == "undo" or command.from_contract:
            self._undo(going)
            return
        behaviour = self.case.behaviours[command.node]
        if behaviour.parks and not command.woke:
            self._say(going, ParkedAt("while", self.clock.now() + 50.0, NO_REASON))
            return
        failed = world.failures.get(command.node, 0)
        fails = failed < behaviour.failures
        if command.kind == "effect":
            if not going.asked and not (fails and not behaviour.half):
                going.asked = True
                resource, value = self._change(command)
                before = world.values.get(resource)
                self._say(going, Intends(resource, before, value, Answer(going)))
                return
            if going.allowed and not going.acted:
                self._act(going)
                return
        if fails:
            world.failures[command.node] = failed + 1
            world.once.pop(command.node, None)
            self._say(going, Failed("as drawn", not behaviour.useless))
        else:
            self._say(going, Succeeded(self._outputs(command), {}))

    def _change(self, command: Command) -> tuple[str, Json]:
        return f"r-{command.node}", command.inputs["value"]

    def _act(self, going: Going) -> None:
        resource, value = self._change(going.command)
        going.acted = True
        self.world.values[resource] = value
        self.world.changes.append((going.command.node, going.command.key, value))
        self.world.done_keys.add(going.command.key)
        node = next(n for n in self.case.plan.nodes if n.id == going.command.plan_node)
        if not node.repeatable or node.recovers:
            id = going.command.node
            self.world.once[id] = self.world.once.get(id, 0) + 1

    def _outputs(self, command: Command) -> dict[str, Json]:
        return {"before": None}

    def _undo(self, going: Going) -> None:
        command = going.command
        own = command.node.removeprefix(UNDO)
        behaviour = self.case.behaviours[own]
        failed = self.world.failures.get(command.node, 0)
        if failed < behaviour.undo_failures:
            self.world.failures[command.node] = failed + 1
            self._say(going, Failed("undo fails as drawn"))
            return
        if command.from_contract:
            self.world.values[f"r-{own}"] = command.inputs["before"]
        for resource, before, _ in command.effects:
            self.world.values[resource] = before
        self.world.undone.append(own)
        self._say(going, Succeeded({}, {}))


class Asker(Asking):
    """Asks things of the simulated run; it folds as the simulation does."""

    def __init__(self, simulation: Simulation) -> None:
        host: Any = SimpleNamespace(filters=dict, specs=SimpleNamespace)
        super().__init__(StateDir(Path("nowhere")), simulation.journal, host)
        self._fold_it = simulation.fold

    def fold(self, run: str, records: list[Record] | None = None) -> RunState:
        return self._fold_it()


class Simulation:
    """Plays a case to its end."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.random = Random(case.seed * 7919 + 1)
        self.clock, self.world = Clock(), World()
        self.torn = type("Torn", (CrashingJournal,), {"crashes": case.torn})
        self.store = MemoryStore()
        self.journal = MemoryJournal(self.store)
        self.outside = MemoryJournal(self.store)
        self.graph: RunGraph = expand(case.plan, case.loops)
        self.steps = 0
        self.cancelled = False
        self.replaced: list[Driver] = []
        """Drivers that lost the run and have not noticed."""
        self._create()
        self._boot()

    def _create(self) -> None:
        created = ev.RunCreated(
            RUN,
            "digest",
            "simulated",
            None,
            "release",
            RUN,
            "",
            "starter@example.com",
            {"kind": "manual"},
            {},
            {},
            {},
            {},
            self.case.loops,
            self.case.seed,
        )
        summary = RunSummary(
            RUN,
            "simulated",
            None,
            "release",
            RUN,
            "",
            "pending",
            False,
            self.clock.now(),
            None,
            None,
            "starter@example.com",
            "digest",
            0,
            "",
            "allow",
        )
        self.journal.create(summary, [created], self.clock.now())

    def fold(self) -> RunState:
        records = self.journal.read(RUN)
        state = RunState(self.graph, records[0].event, records[0].at)  # type: ignore[arg-type]
        for record in records[1:]:
            state.apply(record)
        return state

    def _boot(self) -> None:
        while True:
            self.journal = self.torn(self.store)
            self.dispatcher = FakeDispatcher(self.case, self.world, self.clock, self.random)
            self.driver = Driver(
                run=RUN,
                journal=self.journal,
                fold=self.fold,
                dispatcher=self.dispatcher,
                clock=self.clock,
                filters={},
                guard="guard",
                parallel=self.case.parallel,
            )
            try:
                self.driver.start()
            except Crash:
                self._let_go()
            else:
                return

    def crash(self, dead: bool = True) -> None:
        """Lose everything but the journal and the world; then go on. A driver that is not `dead`
        may still be there, though what it had begun is ended, and believe that the run is its
        own."""
        self._let_go()
        if not dead and self.random.random() < 0.5:
            self.dispatcher.close()
            self.replaced.append(self.driver)
        self._boot()

    def _let_go(self) -> None:
        """What goes on may still act, if it was allowed to, before it is ended."""
        for going in self.dispatcher.going.values():
            acts = going.allowed and not going.acted and self.random.random() < 0.5
            if acts and not going.stopped and going.command.mode == "run":
                self.dispatcher._act(going)

    def play(self) -> list[Record]:
        """To the end, and on from there as often as the case says; the records."""
        self._play()
        for what in self.case.again:
            self._go_on(what)
            self._play()
        return self.journal.read(RUN)

    def _go_on(self, what: str) -> None:
        """Ask the run that has ended to go on, in a process that may die of it."""
        asker = Asker(self)
        try:
            if what == "undo":
                asker.undo_again(RUN, by=PEOPLE[0])
            else:
                main = [self.graph.instances[n] for n in self.graph.sections["main"]]
                ids = [None, *(i.id for i in main if not i.hidden)]
                asker.retry(RUN, self.random.choice(ids) if "one" in what else None, by=PEOPLE[0])
        except (StateError, Crash):
            pass  # there is nothing to go on with, or the process died before or after it asked
        self.journal = self.outside = self.journal.crash()
        self._boot()

    def _step_replaced(self) -> None:
        """A driver that lost the run tries to go on: it must notice, and do nothing."""
        driver = self.random.choice(self.replaced)
        try:
            if driver.step(wait=False):
                raise Violation("a driver that lost the run has written")
        except (Stale, Crash):
            self.replaced.remove(driver)
        if isinstance(driver.dispatcher, FakeDispatcher) and driver.dispatcher.going:
            raise Violation("a driver that lost the run has begun an attempt")

    def _play(self) -> None:
        while not self.driver.state.ended:
            self.steps += 1
            if self.replaced and self.random.random() < 0.3:
                self._step_replaced()
            if self.steps > 5000:
                raise Violation("the run does not end")
            if self.steps in self.case.crashes:
                self.crash(dead=False)
                continue
            if self.steps == self.case.cancel_at:
                self.outside.post(RUN, "cancel", {"by": "x", "rollback": True}, self.clock.now())
            if self.random.random() < 0.7:
                self.dispatcher.advance()
            try:
                moved = self.driver.step(wait=False)
            except Crash:
                self.crash()
                continue
            if not moved and not self.dispatcher.going and not self.dispatcher.messages:
                self._help()

    def _help(self) -> None:
        """Nothing moves by itself: a person decides, or time passes."""
        state = self.driver.state
        for id in sorted(state.live):
            node = state.node(id)
            if node.asked and node.key:
                took = node.key in self.world.done_keys
                body: dict[str, Json] = {
                    "node": id,
                    "by": "x",
                    "answer": "done" if took else "redo",
                }
                self.outside.post(RUN, "answer", body, self.clock.now())
                return
            if node.asked and not self.case.expire:
                decision = "reject" if self.case.reject else "approve"
                for by in (PEOPLE[0], *PEOPLE):
                    body = {"node": id, "by": by, "decision": decision}
                    self.outside.post(RUN, "decide", body, self.clock.now())
                return
        due = self.driver.next_due()
        if due is None:
            raise Violation(f"nothing moves and nothing is waited for: {sorted(state.live)}")
        self.clock.time = max(self.clock.time, due)
