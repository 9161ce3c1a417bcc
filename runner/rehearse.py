"""Playing a test of a flow: the real plan, driver, scheduler and fold, in a world that is not.

Theory of operation. A rehearsal makes a run of the plan on a journal in memory and drives it with
`drive.Driver`. What is not real are the edges: `rehearsal_world` has a clock and attempts that
carry nothing out. Where nothing moves, a person answers or the clock jumps to the next time that
anything waits for, so that a wait of two days takes no time. What happened is in the records as in
those of any run; what is to be thought of it, `expectations` says.

With a `Fall` the runner dies at a chosen transaction, before or after it is on disk, and another
one goes on. The world and the journal are what it finds; nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from rflow.compiler.plan import Json
from rflow.compiler.testing import Test
from rflow.runner import events as ev
from rflow.runner.drive import Driver
from rflow.runner.events import Record
from rflow.runner.journal import RunSummary
from rflow.runner.memory import MemoryJournal, MemoryStore
from rflow.runner.rehearsal_run import RUN, Beginnings, Theatre, Unplayable
from rflow.runner.rehearsal_world import Actors, Clock, Script, World, aims_at
from rflow.runner.state import RunState

STEPS_MAX = 100_000
PARALLEL = 64
"""So many attempts go on at once: all that may, in any flow that people write."""


class Fall(Struct, frozen=True):
    """The runner dies at its n-th transaction, before or after it is on disk."""

    at: int
    written: bool


class Died(Exception):
    """The runner died."""


class _FallingJournal(MemoryJournal):
    """A connection that dies at one transaction of the rehearsal."""

    def __init__(self, store: MemoryStore, play: Play) -> None:
        super().__init__(store)
        self.play = play

    def transact(self, *args: Any, **kwargs: Any) -> list[Record]:
        play, fall = self.play, self.play.fall
        play.transactions += 1
        falls = fall is not None and fall.at == play.transactions
        if falls and fall is not None and not fall.written:
            raise Died
        records = super().transact(*args, **kwargs)
        if falls:
            raise Died
        return records


class Rehearsed(Struct, frozen=True):
    """How a rehearsal went. `transactions` is how often something was put on disk."""

    test: Test
    state: RunState
    records: Sequence[Record]
    world: World
    transactions: int

    @property
    def seconds(self) -> float:
        """How long the run took, in its own time."""
        return self.state.ended_at - self.state.started_at


def play(shared: Theatre, test: Test, fall: Fall | None = None) -> Rehearsed:
    """Play a test. Raises Unplayable."""
    return Play(shared, test, fall).play()


class Play:
    """One rehearsal."""

    def __init__(self, shared: Theatre, test: Test, fall: Fall | None) -> None:
        self.shared, self.test, self.fall = shared, test, fall
        self.transactions = 0
        beginnings = Beginnings(shared, test)
        self.clock = Clock(beginnings.at)
        self.world = World()
        self.store = MemoryStore()
        self.outside = MemoryJournal(self.store)
        self.created = beginnings.created()
        self.graph = beginnings.graph(self.created)
        beginnings.check_turns(self.graph)
        self.script = Script(test, beginnings.outputs())
        self.said: set[tuple[str, int]] = set()
        self.cancelled: set[int] = set()
        self.outside.create(
            _summary(self.created, self.clock.now()), [self.created], self.clock.now()
        )

    # -- playing -------------------------------------------------------------------------------

    def play(self) -> Rehearsed:
        """To the end of the run."""
        self._boot()
        for _ in range(STEPS_MAX):
            if self.driver.state.ended:
                break
            try:
                moved = self.actors.advance()
                moved = self.driver.step(wait=False) or moved
            except Died:
                self.actors.let_go()
                self._boot()
                continue
            if not moved and not self.actors.messages and not self._people():
                self._jump()
        else:
            raise Unplayable(f"the run does not end within {STEPS_MAX} steps")
        records = self.outside.read(RUN)
        return Rehearsed(self.test, self.driver.state, records, self.world, self.transactions)

    def _boot(self) -> None:
        """A runner that finds the journal and the world as they are."""
        while True:
            self.actors = Actors(
                self.graph, self.script, self.world, self.clock, self.shared.intends, self._cancel
            )
            self.driver = Driver(
                run=RUN,
                journal=_FallingJournal(self.store, self),
                fold=self._fold,
                dispatcher=self.actors,
                clock=self.clock,
                filters=self.shared.filters,
                guard="",
                parallel=PARALLEL,
            )
            try:
                self.driver.start()
            except Died:
                self.actors.let_go()
                continue
            return

    def _fold(self) -> RunState:
        records = self.outside.read(RUN)
        state = RunState(self.graph, self.created, records[0].at)
        for record in records[1:]:
            state.apply(record)
        return state

    def _jump(self) -> None:
        """Nothing moves before the next time that something waits for."""
        times = [self.driver.next_due(), self.actors.due(), *self._answer_times()]
        times += [
            self.driver.state.started_at + cancel.after_s
            for number, cancel in enumerate(self.test.cancels)
            if cancel.after_s is not None and number not in self.cancelled
        ]
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            waiting = ", ".join(sorted(self.driver.state.live))
            raise Unplayable(f"the run waits for ever: {waiting}")
        self.clock.time = max(self.clock.time, due)

    # -- people --------------------------------------------------------------------------------

    def _cancel(self, number: int) -> bool:
        """Cancel the run as a clause says, once; whether the runner has yet to hear of it."""
        if number in self.cancelled:
            return any(fact.kind == "cancel" for fact in self.outside.facts(RUN))
        self.cancelled.add(number)
        rollback = self.test.cancels[number].rollback
        body: dict[str, Json] = {"by": self.test.by, "rollback": rollback}
        self.outside.post(RUN, "cancel", body, self.clock.now())
        return True

    def _people(self) -> bool:
        """Let people do what it is time for; whether anybody did."""
        now, state = self.clock.now(), self.driver.state
        for number, cancel in enumerate(self.test.cancels):
            due = cancel.after_s is not None and state.started_at + cancel.after_s <= now
            if due and number not in self.cancelled:
                return self._cancel(number)
        for id in sorted(state.live):
            node = state.node(id)
            if node.status != "waiting" or not node.asked:
                continue
            if node.key:
                # After a crash nobody can tell what the attempt did: somebody says to redo it.
                self.world.redone.add(node.key)
                body: dict[str, Json] = {"node": id, "by": self.test.by, "answer": "redo"}
                self.outside.post(RUN, "answer", body, now)
                return True
            if self._at_gate(id) or self._decide(id, now):
                return True
        return False

    def _at_gate(self, id: str) -> bool:
        plan_node = self.driver.state.instance(id).node.id
        return any(
            cancel.at is not None
            and number not in self.cancelled
            and aims_at(cancel.at, plan_node, id)
            and self._cancel(number)
            for number, cancel in enumerate(self.test.cancels)
        )

    def _decide(self, id: str, now: float) -> bool:
        for number, time in self._answers_at(id):
            if time <= now:
                self.said.add((id, number))
                answer = self.test.answers[number]
                for who in answer.by:
                    body: dict[str, Json] = {"node": id, "by": who, "decision": answer.decision}
                    self.outside.post(RUN, "decide", body, now)
                return True
        return False

    def _answers_at(self, id: str) -> list[tuple[int, float]]:
        """The answers to a gate that are still to be given, and when."""
        state = self.driver.state
        node, approval = state.node(id), state.instance(id).node.approval
        asked = node.due - (approval.within_s if approval is not None else 0.0)
        return [
            (number, asked + answer.after_s)
            for number, answer in enumerate(self.test.answers)
            if (id, number) not in self.said and aims_at(answer.aim, state.instance(id).node.id, id)
        ]

    def _answer_times(self) -> list[float]:
        state = self.driver.state
        gates = [id for id in state.live if state.node(id).asked and not state.node(id).key]
        return [time for id in gates for _, time in self._answers_at(id)]


def _summary(created: ev.RunCreated, at: float) -> RunSummary:
    return RunSummary(
        run=RUN,
        flow=created.flow,
        stage=created.stage,
        kind=created.kind,
        name=created.name,
        description="",
        status="pending",
        concluded=False,
        created_at=at,
        started_at=None,
        ended_at=None,
        by=created.by,
        plan=created.plan,
        length=0,
        queue="",
        policy="allow",
    )


__all__ = ["Fall", "Play", "Rehearsed", "Theatre", "Unplayable", "play"]
