"""Carrying commands out on this machine: threads, one for each attempt that is going on.

Theory of operation. The driving thread submits, stops and waits for messages; each attempt has a
thread of its own for as long as it goes on, and threads are used again. Nothing is polled: the
driving thread sleeps in `next` until a message comes or the nearest deadline of an attempt.
How many attempts go on at once is the scheduler's to say.

Whoever drives has the *turn*, a lock, which the driving thread gives up only while it sleeps. In
a chain of nodes it would be woken by each attempt just to wake the same attempt's thread again.
So where nothing else goes on, a thread that brings an outcome and finds the turn free takes the
step itself, and carries out the attempt that follows, if that may be got ready before it may act:
the step is put on disk, and the turn given back, when the attempt comes to its gate.

A kind that neither ends nor listens when it is stopped cannot be ended by force. After a while its
attempt is given up: it fails, is not tried again (two attempts of a node never go on at once), and
whatever it says later is not heard.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

from msgspec import Struct
from rflow.plugins.context import NodeError
from rflow.plugins.types import Json
from rflow.runner.attempt import run_attempt
from rflow.runner.bench import Bench
from rflow.runner.command import Command, Failed, Intends, Message, Outcome, Stopped, Take
from rflow.runner.gate import Gate
from rflow.runner.mailbox import Mailbox
from rflow.runner.stop import Stop, Stopping, Why

STUCK_S = 15.0
"""How long after being stopped, beyond the grace, an attempt is waited for."""

LOST_STUCK_S = 1.0
"""The same where the runner itself is to end at once."""

REST_S = 0.005
"""How long a thread waits for the next attempt before it puts in order what the last one left."""


class _Job:
    """An attempt that is going on."""

    __slots__ = ("command", "gate", "given_up", "patience_until", "stop", "thread")

    def __init__(self, command: Command, gate: Gate | None = None) -> None:
        self.command = command
        self.gate = gate
        """None if it may act from the beginning."""
        self.given_up = False
        self.patience_until: float | None = None
        """When it is given up; None while the driving thread has not asked it to end."""
        self.thread: threading.Thread | None = None
        self.stop = Stop()


class _Reply:
    """The driver's answer to an intent, waited for by the attempt's thread."""

    def __init__(self) -> None:
        self._given = threading.Event()
        self._refused: str | None = None

    def done(self) -> None:
        self._given.set()

    def refuse(self, why: str) -> None:
        self._refused = why
        self._given.set()

    def wait(self) -> None:
        """Until it is given; NodeError if the intent was refused."""
        self._given.wait()
        if self._refused is not None:
            raise NodeError(f"the change was not begun: {self._refused}", retry=False)


class _Said(Struct, frozen=True):
    job: _Job
    body: Outcome | Intends


class _Wake:
    """Put in for a driving thread that is to look around."""


class Pool:
    """See `runner.command.Dispatcher`. For one run, and one driving thread."""

    def __init__(self, bench: Bench, *, stuck_s: float = STUCK_S) -> None:
        self._bench = bench
        self._stuck_s = stuck_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._said: Mailbox[_Said | _Wake] = Mailbox()
        self._turn = threading.Lock()  # what follows is for whoever has it
        self._turn.acquire()
        self._take: Take | None = None
        """How a step is taken by another than the driving thread; None while that does so."""
        self._stepping = False
        """Whether another thread is taking one."""
        self._own: _Job | None = None
        """What that thread is to carry out itself."""
        self._broken: BaseException | None = None
        """What went wrong there, for the driving thread."""
        self._going: dict[str, _Job] = {}
        self._stuck: set[_Job] = set()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._deadlines: list[tuple[float, int, _Job]] = []
        self._count = 0
        self._ready: list[Message] = []

    def prepare(self, command: Command) -> None:
        """Begin an attempt that can wait at its gate; returns at once. While others go on, there is
        no time to be gained: it would be taken from them."""
        early = command.mode == "run" and command.kind in self._bench.early
        if early and not self._going and not command.reads_secrets:
            job = _Job(command, Gate())
            if self._stepping:
                self._going[command.node] = self._own = job
                self._idle -= 1
            else:
                self._begin(job)

    def submit(self, command: Command) -> None:
        """Begin; returns at once."""
        job = self._going.get(command.node)
        gate = job.gate if job is not None and job.command is command else None
        if job is None or gate is None:
            job = _Job(command)
        if command.timeout_s is not None:
            job.stop.deadline = time.monotonic() + command.timeout_s
            self._watch(job, job.stop.deadline)
        if gate is not None:
            gate.open()
        else:
            self._begin(job)

    def _begin(self, job: _Job) -> None:
        self._going[job.command.node] = job
        if self._idle:
            self._idle -= 1
        else:
            self._count += 1
            name = f"rflow-attempt-{self._count}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def stop(self, node: str) -> None:
        """End the node's attempt; its outcome still comes."""
        job = self._going.get(node)
        if job is not None:
            self._stop(job, "cancelled")

    def next(self, timeout_s: float | None, take: Take | None = None) -> Message | None:
        """The next message, None after `timeout_s` without one (None: wait for ever), or sooner.
        While it waits, a thread of an attempt may hand its message to `take`; what that raises is
        raised here."""
        now = time.monotonic()
        until = None if timeout_s is None else now + timeout_s
        while True:
            if self._deadlines:
                self._look_at_deadlines(now)
            if self._ready:
                return self._ready.pop()
            wake_at = until
            if self._deadlines and (wake_at is None or self._deadlines[0][0] < wake_at):
                wake_at = self._deadlines[0][0]
            said = self._listen(None if wake_at is None else wake_at - now, take)
            if isinstance(said, _Said):
                if (message := self._heard(said)) is not None:
                    return message
            elif said is not None or (until is not None and now >= until):
                return None
            now = time.monotonic()

    def _listen(self, timeout_s: float | None, take: Take | None) -> _Said | _Wake | None:
        """What is said next; meanwhile the turn is free, if there is a `take`."""
        if take is None or not self._said.empty() or (timeout_s is not None and timeout_s <= 0):
            return self._said.take(timeout_s)
        self._take = take
        self._turn.release()
        try:
            said = self._said.take(timeout_s)
        finally:
            self._turn.acquire()
            self._take = None
        if self._broken is not None:
            raise self._broken
        return said

    def close(self) -> None:
        """End everything that still goes on, and wait for it. What it says is not heard."""
        for job in list(self._going.values()):
            self._stop(job, "lost")
        while self._going:
            message = self.next(None)
            if message is not None and isinstance(message.body, Intends):
                message.body.reply.refuse("the runner is ending")
        for _ in self._threads:
            self._jobs.put(None)
        stuck = {job.thread for job in self._stuck}
        for thread in self._threads:
            if thread not in stuck:
                thread.join()
        self._threads.clear()
        self._idle = 0

    # -- in the driving thread -----------------------------------------------------------------

    def _heard(self, said: _Said) -> Message | None:
        job, body = said.job, said.body
        if not isinstance(body, Intends):
            self._idle += 1
            self._stuck.discard(job)
            if not job.given_up:
                del self._going[job.command.node]
        elif job.given_up:
            body.reply.refuse("the attempt was given up")
        if job.given_up:
            return None
        return Message(job.command.node, job.command.attempt, body)

    def _stop(self, job: _Job, why: Why) -> None:
        # An attempt that noticed by itself that its time is over has the grace all the same.
        if job.patience_until is None:
            job.stop.request(why)
            wait_s = self._stuck_s if why != "lost" else min(self._stuck_s, LOST_STUCK_S)
            job.patience_until = time.monotonic() + self._bench.grace_s + wait_s
            self._watch(job, job.patience_until)

    def _watch(self, job: _Job, at: float) -> None:
        self._count += 1
        heappush(self._deadlines, (at, self._count, job))

    def _look_at_deadlines(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, job = heappop(self._deadlines)
            if self._going.get(job.command.node) is not job:
                continue
            if job.patience_until is None:
                self._stop(job, "timeout")
            elif job.patience_until <= now:
                self._give_up(job)

    def _give_up(self, job: _Job) -> None:
        job.given_up = True
        del self._going[job.command.node]
        self._stuck.add(job)
        message = (
            f"it was asked to end ({job.stop.why}) and did not; what it still does is not known"
        )
        failed = Failed(message, retry=False, code="stuck")
        self._ready.append(Message(job.command.node, job.command.attempt, failed))

    # -- in the attempts' threads --------------------------------------------------------------

    def _work(self) -> None:
        thread = threading.current_thread()
        job: _Job | None = None
        while (job := job or self._next_job()) is not None:
            job.thread = thread
            announce = partial(self._announce, job)
            outcome = run_attempt(self._bench, job.command, job.stop, announce, job.gate)
            if job.gate is not None:  # it may have ended before it came there
                try:
                    job.gate.arrive()
                except Stopping:
                    outcome = Stopped()
            job = self._hand_over(job, outcome)

    def _hand_over(self, job: _Job, outcome: Outcome) -> _Job | None:
        """Say how an attempt has ended, or take the step that follows. What this thread is to
        carry out next, None if that is not known yet."""
        if self._take is not None and self._turn.acquire(blocking=False):
            if self._may_step(job):
                return self._step(_Said(job, outcome), self._take)
            self._turn.release()
        self._said.put(_Said(job, outcome))
        return None

    def _may_step(self, job: _Job) -> bool:
        alone = len(self._going) == 1 and not job.given_up and self._said.empty()
        return alone and self._take is not None and self._broken is None

    def _step(self, said: _Said, take: Take) -> _Job | None:
        """Take a step; see `_hand_over`. The turn is given up here, or by `_arrived`."""
        own: _Job | None = None
        self._stepping = True
        try:
            message = self._heard(said)
            assert message is not None
            finish = take(message)
            if (own := self._own) is not None:
                assert own.gate is not None
                own.gate.on_arrival = partial(self._arrived, own, finish)
                return own
            finish()
            own, self._own = self._own, None
        except BaseException as error:
            self._broken = error
            if self._own is not None:  # it will not begin
                del self._going[self._own.command.node]
                self._idle += 1
        finally:
            self._stepping, self._own = False, None
        self._said.put(_Wake())
        self._turn.release()
        return own

    def _arrived(self, job: _Job, finish: Callable[[], None]) -> None:
        """The attempt that this thread carries out, the turn still being its own, has come to its
        gate. Stopping if its start cannot be put on disk."""
        try:
            finish()
        except BaseException as error:
            self._broken = error
            job.stop.request("lost")
            self._said.put(_Wake())
            raise Stopping from error
        finally:
            self._turn.release()

    def _next_job(self) -> _Job | None:
        """What to do next; None to end. Where there is nothing yet, there is time to tidy."""
        try:
            return self._jobs.get(timeout=REST_S)
        except queue.Empty:
            self._bench.scratch.tidy()
            return self._jobs.get()

    def _announce(self, job: _Job, resource: str, before: Json, after: Json) -> None:
        """Hand an intent to the driving thread and wait until it is on disk."""
        reply = _Reply()
        self._said.put(_Said(job, Intends(resource, before, after, reply)))
        reply.wait()
