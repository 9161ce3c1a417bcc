"""Driving a run: the thin shell around the scheduler.

Theory of operation. One thread at a time drives the run: it alone folds, decides and writes. It is
the thread of `drive`; while that waits for news, the dispatcher may let another take a step
(`Driver.take`). A step takes the news there is, applies what follows, asks the scheduler what
ought to happen and goes on until nothing more does; then the whole step is put on disk in one
transaction, and only then are attempts started, stopped and answered. So an event is on disk
before what it announces happens, and a chain of nodes costs one transaction a node. Only what
nobody can see is begun before (`Dispatcher.prepare`), since to load a shell takes as long as the
disk does.

If the journal refuses the step because a lock is taken, the state is folded anew and the same news
taken again. If it refuses it because somebody else has written (`Stale`), this driver has lost the
run and ends without a further act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Literal, Protocol

from rflow.compiler.expr import EvalError
from rflow.compiler.plan import Json
from rflow.runner import begin, outcomes
from rflow.runner import events as ev
from rflow.runner.command import Command, Dispatcher, Message
from rflow.runner.events import Reason, Record
from rflow.runner.journal import Fact, Journal, Lock, LockBusy
from rflow.runner.line import freeze_of, quarantine_of
from rflow.runner.node_state import UNDO
from rflow.runner.rollback import CONFIRM, STAGE_CHANGED
from rflow.runner.scheduler import (
    CANCELLED,
    TIMED_OUT,
    Cancel,
    End,
    Enter,
    Start,
    Stop,
    desired,
)
from rflow.runner.scope import Filters, RunScope
from rflow.runner.state import RunState
from rflow.runner.step import Step

POLL_S = 0.1
"""How often a driver looks whether another process asked something of it."""

TELL_S = 0.01
UNTOLD_MAX = 256
"""An observer is told of a record when it is so old, or one of so many: to tell of each at once
would hold up what is to happen."""


class Clock(Protocol):
    """Where time comes from: seconds since 1970."""

    def now(self) -> float:
        """The time."""


class Driver:
    """Drives one run that this process has claimed.

    `fold` gives the state as the journal has it. `guard` marks the processes of this runner.
    `outdated` says for what a rollback was not prepared: it ends once confirmed, if there is any.
    `observe` is called with each record, in order, soon after it is on disk, by whoever drives.
    """

    def __init__(
        self,
        *,
        run: str,
        journal: Journal,
        fold: Callable[[], RunState],
        dispatcher: Dispatcher,
        clock: Clock,
        filters: Filters,
        guard: str,
        parallel: int = 4,
        observe: Callable[[Record], None] | None = None,
        outdated: Callable[[], list[str]] = list,
    ) -> None:
        self.run, self.journal, self.fold = run, journal, fold
        self.dispatcher, self.clock, self.filters = dispatcher, clock, filters
        self.guard, self.parallel = guard, parallel
        self.observe = observe
        self.outdated = outdated
        self.state = fold()
        self.cancel_wanted = 0
        self._timers: list[tuple[float, str]] = []
        self._held = _held(self.state)
        self._stopping: dict[str, Reason] = {}
        self._again: dict[str, Reason] = {}
        self._recovering: set[str] = set()
        self._version = -1
        self._looked_at = 0.0
        self._untold: list[Record] = []
        self._tell_at = 0.0
        self._status = ""
        self._uses_locks = any(node.lock is not None for node in self.state.graph.plan.nodes)

    # -- the loop ------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin the run, or go on with it: the first step."""
        if self.state.ended:
            return
        state = self.state
        if state.phase == "created":
            self._perform(self._begin)
        else:
            self._perform(self._resume)

    def _begin(self, step: Step) -> None:
        """A run that was cancelled before it began does not begin."""
        facts = self.journal.facts(self.run)
        if self.cancel_wanted or any(fact.kind == "cancel" for fact in facts):
            self._news(step, (), facts, ())
        else:
            step.emit(ev.RunStarted(self.guard))

    def _resume(self, step: Step) -> None:
        step.emit(ev.RunResumed(self.guard))
        outcomes.take_up(step, self._recovering)

    def step(self, wait: bool = True) -> bool:
        """Take the news there is, waiting for some if `wait`. Whether anything came of it."""
        before = self.state.length
        messages = self._receive(wait)  # meanwhile another thread may have taken steps
        if not self.state.ended:
            due = self._due()
            changed = self._changed(bool(messages or due))
            if messages or due or changed or self.cancel_wanted or self._again:
                facts = self.journal.facts(self.run) if changed else []
                self._perform(lambda step: self._news(step, messages, facts, due))
        return self.state.length > before

    def drive(self, leave: Callable[[], bool] = lambda: False) -> None:
        """Go on until the run has ended or `leave` says to leave it as it is."""
        try:
            self.start()
            while not self.state.ended:
                self.step()
                if leave():
                    return
        finally:
            self._tell()

    def take(self, message: Message) -> Callable[[], None]:
        """Take a step for a message; what is returned puts it on disk. For a dispatcher, in any
        thread, while the thread of `drive` waits for news."""

        def take(step: Step) -> None:
            self._news(step, [message], (), ())

        step = self._work_out(take)

        def finish() -> None:
            self._finish(step, take)
            # What was just begun goes on for a while: there is time.
            if self._untold and self._tell_at - self.clock.now() <= TELL_S / 2:
                self._tell()

        return finish

    def next_due(self) -> float | None:
        """When the next time comes that something waits for."""
        self._add_deadline()
        return self._timers[0][0] if self._timers else None

    # -- news ----------------------------------------------------------------------------------

    def _receive(self, wait: bool) -> list[Message]:
        timeout = 0.0
        if wait and not self.cancel_wanted:
            due = self.next_due()
            timeout = POLL_S if due is None else max(0.0, min(POLL_S, due - self.clock.now()))
        messages: list[Message] = []
        if self._untold:
            left = self._tell_at - self.clock.now()
            # When attempts were just begun there is time to tell; later one may be about to end.
            timeout = min(timeout, left) if left > TELL_S / 2 else 0.0
        message = self.dispatcher.next(timeout, self.take)
        if message is None:
            self._tell()
        while message is not None:
            messages.append(message)
            message = self.dispatcher.next(0.0) if len(messages) < 256 else None
        return messages

    def _changed(self, busy: bool) -> bool:
        """Whether others have written. While there is much else to do, looked at now and then."""
        now = self.clock.now()
        if busy and 0 <= now - self._looked_at < POLL_S:
            return False
        self._looked_at = now
        version = self.journal.version()
        changed = version != self._version
        self._version = version
        return changed

    def _due(self) -> list[tuple[float, str]]:
        now, due = self.clock.now(), []
        while self._timers and self._timers[0][0] <= now:
            due.append(heappop(self._timers))
        return due

    def _add_deadline(self) -> None:
        """The flow's timeout counts only while something runs, so its time moves."""
        limit, state = self.state.graph.plan.timeout_s, self.state
        if limit is not None and state.phase == "main" and state.open:
            due = state.last_at + max(0.0, limit - state.ran_s)
            if (due, "") not in self._timers:
                heappush(self._timers, (due, ""))

    def _news(
        self,
        step: Step,
        messages: Iterable[Message],
        facts: Iterable[Fact],
        due: Iterable[tuple[float, str]],
    ) -> None:
        for message in messages:
            outcomes.take_message(step, message, self._recovering)
        for fact in facts:
            outcomes.take_fact(step, fact)
        for _ in range(self.cancel_wanted):
            step.emit(ev.CancelRequested(self.state.created.by, reason=Reason(CANCELLED)))
        for when, id in due:
            if id:
                outcomes.take_time(step, id, when)
            else:
                self._time_out(step)

    def _time_out(self, step: Step) -> None:
        state, limit = step.state, step.state.graph.plan.timeout_s
        if limit is None or state.phase != "main" or not state.open or state.outcome != "success":
            return
        ran_s = state.ran_s + max(0.0, step.now - state.last_at)
        if ran_s + 1e-6 >= limit:
            step.emit(ev.RunTimedOut(Reason(TIMED_OUT, {"timeout_s": limit, "ran_s": ran_s})))

    # -- one step ------------------------------------------------------------------------------

    def _perform(self, take: Callable[[Step], None]) -> None:
        self._finish(self._work_out(take), take)

    def _work_out(self, take: Callable[[Step], None]) -> Step:
        """What follows from news; what may be begun before it is on disk, is."""
        step = self._new_step()
        take(step)
        self._follow(step)
        if not step.take:  # else the step may be refused, and what follows be another
            for command in _commands(step):
                self.dispatcher.prepare(command)
        return step

    def _finish(self, step: Step, take: Callable[[Step], None]) -> None:
        """Put a step on disk and do what it says."""
        while True:
            try:
                return self._commit(step)
            except LockBusy:
                self.state = self.fold()
                self._held |= _held(self.state)
                step = self._work_out(take)

    def _new_step(self) -> Step:
        locks: dict[str, Lock] = {}
        if self._uses_locks:
            locks = {lock.name: lock for lock in self.journal.locks()}
        return Step(
            self.state,
            self.filters,
            self.clock.now(),
            locks,
            lambda resource: self.journal.changed_since(self.run, resource),
            lambda: freeze_of(self.journal, self.state.created.stage, self.clock.now()),
            lambda value: quarantine_of(self.journal, self.state.created.stage, value),
            stopping=dict(self._stopping),
            again=dict(self._again),
        )

    def _follow(self, step: Step) -> None:
        """Do what the scheduler wishes until it wishes nothing more."""
        for id in sorted(self._held):
            self._try_held(step, id)
        while True:
            self._go_on(step)
            room = self.parallel - len(step.state.open)
            wishes = desired(step.state, room)
            before = len(step.events)
            for wish in wishes:
                self._do(step, wish)
            if not wishes or (len(step.events) == before and not _started(wishes)):
                return

    def _try_held(self, step: Step, id: str) -> None:
        node = step.state.node(id)
        if node.terminal or node.reason.code not in begin.HOLDS:
            self._held.discard(id)
        elif len(step.state.open) < self.parallel:
            begin.begin(step, id)

    def _go_on(self, step: Step) -> None:
        for id, reason in [*step.again.items()]:
            if len(step.state.open) >= self.parallel:
                return
            del step.again[id]
            outcomes.go_on(step, id, reason)
            if step.state.node(id).reason.code in begin.HOLDS:
                self._held.add(id)

    def _do(self, step: Step, wish: object) -> None:
        match wish:
            case Start(id) if left := self._outdated(step, id):
                self._end(step, "cancelled", Reason(STAGE_CHANGED, {"resources": left}))
            case Start(id):
                begin.begin(step, id)
                if step.state.node(id).reason.code in begin.HOLDS:
                    self._held.add(id)
            case Stop(id, reason):
                if id not in step.stopping:
                    step.stopping[id] = reason
                    step.stops.append(id)
            case Cancel(ids, reason):
                for id in ids:
                    step.emit(ev.NodeCancelled(id, reason))
                    step.again.pop(id, None)
                    step.free_locks(id)
            case Enter(phase, reason):
                step.emit(ev.PhaseStarted(phase, reason))
            case End(status, reason):
                self._end(step, status, reason)

    def _outdated(self, step: Step, id: str) -> list[Json]:
        """What has changed on the stage while a rollback waited to be confirmed."""
        if step.state.created.kind != "rollback" or id.startswith(UNDO):
            return []
        confirmed = CONFIRM in step.state.instance(id).node.after
        return [*self.outdated()] if confirmed else []

    def _end(
        self, step: Step, status: Literal["success", "failed", "cancelled"], reason: Reason
    ) -> None:
        outputs = self._outputs(step) if status == "success" else {}
        warnings = tuple(dict.fromkeys(step.state.warnings))
        step.emit(ev.RunEnded(status, outputs, warnings, reason))

    def _outputs(self, step: Step) -> dict[str, Json]:
        scope = RunScope(step.state, self.filters)
        found: dict[str, Json] = {}
        for output in step.state.graph.plan.outputs:
            try:
                found[output.name] = scope.value(output.value)
            except EvalError:
                found[output.name] = None
        return found

    def _commit(self, step: Step) -> None:
        status = step.state.status
        if step.events or step.facts:
            self.journal.transact(
                self.run,
                step.state.length - len(step.events),
                [record.event for record in step.events],
                step.now,
                status=status if status != self._status else None,
                facts=step.facts,
                take=step.take,
                free=step.free,
            )
        self._status = status
        self._stopping, self._again, self.cancel_wanted = step.stopping, step.again, 0
        for timer in step.timers:
            heappush(self._timers, timer)
        for reply, refused in step.replies:
            if refused is None:
                reply.done()
            else:
                reply.refuse(refused)
        for command in _commands(step):
            self.dispatcher.submit(command)
        # Last: after a crash an attempt may be taken up, and ended since the run is cancelled.
        for id in step.stops:
            self.dispatcher.stop(id)
        if not self._untold:
            self._tell_at = step.now + TELL_S
        self._untold.extend(step.events)
        if len(self._untold) > UNTOLD_MAX or self.state.ended:
            self._tell()

    def _tell(self) -> None:
        """Tell the observer."""
        untold, self._untold = self._untold, []
        if self.observe is not None:
            for record in untold:
                self.observe(record)


def _commands(step: Step) -> list[Command]:
    """What the step begins; a node may have ended in it again."""
    return [c for c in step.commands if step.state.node(c.node).open]


def _held(state: RunState) -> set[str]:
    """The nodes that a lock, a window or a freeze holds."""
    return {id for id in state.live if state.node(id).reason.code in begin.HOLDS}


def _started(wishes: Iterable[object]) -> bool:
    return any(isinstance(wish, Start) for wish in wishes)


__all__ = ["Clock", "Driver"]
