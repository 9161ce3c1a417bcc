"""The pool: many attempts at once, each stopped, timed and heard by itself."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from rflow.plugins import Context, Node
from rflow.runner.bench import Bench
from rflow.runner.command import Failed, Intends, Message, Stopped, Succeeded
from rflow.runner.pool import Pool

from .conftest import command_of, plan_node

WAIT_S = 30.0  # for what comes at once; only a failure takes this long


@dataclass(frozen=True)
class Probe(Node, kind="test.probe"):
    """Does what the test says."""

    do: Any = None

    def run(self, ctx: Context) -> Any:
        return self.do(ctx)


NODES = [plan_node(f"n{number}", "test.probe") for number in range(20)]


@pytest.fixture
def pool(bench: Callable[..., Bench]) -> Iterator[Pool]:
    found = Pool(bench({"test.probe": Probe}, *NODES))
    yield found
    found.close()


@pytest.fixture
def hasty(bench: Callable[..., Bench]) -> Iterator[Pool]:
    """Gives attempts up soon after they were asked to end."""
    found = Pool(bench({"test.probe": Probe}, *NODES, grace_s=0.1), stuck_s=0.1)
    yield found
    found.close()


def submit(pool: Pool, number: int, do: Callable[[Context], Any], **parts: Any) -> None:
    pool.submit(command_of(f"n{number}", "test.probe", inputs={"do": do}, **parts))


def heard(pool: Pool) -> Message:
    message = pool.next(WAIT_S)
    assert message is not None
    return message


def test_one_after_another_in_one_thread(pool: Pool) -> None:
    names: set[str] = set()
    for number in range(20):
        submit(pool, number, lambda ctx: names.add(threading.current_thread().name))
        assert heard(pool) == Message(f"n{number}", 1, Succeeded({}, {}))
    assert len(names) == 1
    assert pool.next(0) is None
    assert pool.next(0.01) is None


def test_many_at_once(pool: Pool) -> None:
    together = threading.Barrier(12)
    for number in range(12):
        submit(pool, number, lambda ctx: together.wait(WAIT_S) and None)
    assert {heard(pool).node for _ in range(12)} == {f"n{number}" for number in range(12)}


def test_an_intent_waits_for_the_disk(pool: Pool) -> None:
    order: list[str] = []

    def do(ctx: Context) -> None:
        ctx.intend("web@production", None, "a")
        order.append("acted")

    submit(pool, 0, do)
    message = heard(pool)
    assert isinstance(message.body, Intends)
    assert (message.node, message.body.resource, message.body.after) == (
        "n0",
        "web@production",
        "a",
    )
    order.append("on disk")
    message.body.reply.done()
    assert heard(pool).body == Succeeded({}, {})
    assert order == ["on disk", "acted"]


def test_a_refused_intent_is_not_acted_on(pool: Pool) -> None:
    acted: list[bool] = []

    def do(ctx: Context) -> None:
        ctx.intend("web@production", None, "a")
        acted.append(True)

    submit(pool, 0, do)
    body = heard(pool).body
    assert isinstance(body, Intends)
    body.reply.refuse("the run was cancelled")
    failed = heard(pool).body
    assert isinstance(failed, Failed)
    assert "the run was cancelled" in failed.message
    assert acted == []


def test_stopping_one_leaves_the_others(pool: Pool) -> None:
    begun, go_on = threading.Barrier(3), threading.Event()

    def waits(ctx: Context) -> None:
        begun.wait(WAIT_S)
        assert go_on.wait(WAIT_S)

    def sleeps(ctx: Context) -> None:
        begun.wait(WAIT_S)
        ctx.process(["sleep", "600"])

    submit(pool, 0, waits)
    submit(pool, 1, sleeps)
    begun.wait(WAIT_S)
    pool.stop("n1")
    pool.stop("n1")
    pool.stop("unknown")
    assert heard(pool) == Message("n1", 1, Stopped())
    go_on.set()
    assert heard(pool) == Message("n0", 1, Succeeded({}, {}))


def test_time_over(pool: Pool) -> None:
    submit(pool, 0, lambda ctx: ctx.process(["sleep", "600"]), timeout_s=0.1)

    async def waits(ctx: Context) -> None:
        import asyncio

        await asyncio.sleep(600)

    submit(pool, 1, waits, timeout_s=0.1)
    bodies = [heard(pool).body for _ in range(2)]
    assert bodies == [Failed("it took longer than 0.1 s and was ended", code="timeout")] * 2


def test_who_notices_by_itself_that_its_time_is_over_is_not_given_up(pool: Pool) -> None:
    noticed, go_on = threading.Event(), threading.Event()

    def works(ctx: Context) -> None:
        while not ctx.cancelled():
            pass
        noticed.set()
        assert go_on.wait(WAIT_S)
        raise RuntimeError

    submit(pool, 0, works, timeout_s=0.01)
    assert noticed.wait(WAIT_S)
    assert pool.next(0) is None
    go_on.set()
    assert heard(pool).body == Failed("it took longer than 0.01 s and was ended", code="timeout")


def test_what_does_not_end_is_given_up_and_not_heard_any_more(hasty: Pool) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def deaf(ctx: Context) -> None:
        begun.set()
        assert go_on.wait(WAIT_S)

    submit(hasty, 0, deaf)
    assert begun.wait(WAIT_S)
    hasty.stop("n0")
    message = heard(hasty)
    assert isinstance(message.body, Failed)
    assert message.body.code == "stuck"
    assert not message.body.retry
    submit(hasty, 1, lambda ctx: None)
    assert heard(hasty).node == "n1"
    go_on.set()
    threads = list(hasty._threads)
    hasty.close()
    for thread in threads:
        thread.join(WAIT_S)
    assert hasty.next(0) is None


def test_what_was_given_up_can_begin_nothing(hasty: Pool) -> None:
    begun, go_on, refused = threading.Event(), threading.Event(), threading.Event()

    def deaf(ctx: Context) -> None:
        begun.set()
        assert go_on.wait(WAIT_S)
        try:
            ctx.intend("web", None, "a")
        except BaseException:
            refused.set()
            raise

    submit(hasty, 0, deaf)
    assert begun.wait(WAIT_S)
    hasty.stop("n0")
    assert isinstance(heard(hasty).body, Failed)
    go_on.set()
    assert refused.wait(WAIT_S)


def test_closing_ends_what_goes_on(bench: Callable[..., Bench]) -> None:
    pool = Pool(bench({"test.probe": Probe}, *NODES))
    begun = threading.Barrier(3)

    def sleeps(ctx: Context) -> None:
        begun.wait(WAIT_S)
        ctx.process(["sleep", "600"])

    def intends(ctx: Context) -> None:
        begun.wait(WAIT_S)
        ctx.intend("web", None, "a")

    submit(pool, 0, sleeps)
    submit(pool, 1, intends)
    begun.wait(WAIT_S)
    threads = list(pool._threads)
    pool.close()
    assert len(threads) == 2
    assert not any(thread.is_alive() for thread in threads)
    pool.close()


class Hung(Exception):
    """The wait had to be ended from outside."""


@contextmanager
def interrupted(timeout_s: float) -> Iterator[None]:
    """A signal that keeps this thread busy for longer than `timeout_s`; a second one, much later,
    ends what still waits."""
    begun = time.monotonic()
    count = 0

    def handler(*_: object) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise Hung
        while time.monotonic() < begun + 2 * timeout_s:
            pass

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, timeout_s / 5, 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_signal_does_not_make_a_wait_endless(pool: Pool) -> None:
    with interrupted(0.05):
        assert pool.next(0.05) is None
