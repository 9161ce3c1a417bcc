"""Runs that the server drives: to their end, through waits without a thread, across restarts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from rflow.runner.events import RunHeld
from rflow.runner.service import Service
from rflow.server.core import Server

from .conftest import Place, wait_for

HELLO = """
flow hello { node greet: sh { script = "echo hello"  pure } }
"""
GATED = """
flow gated {
  node build: sh { script = "echo built"  pure }
  approve go after build { }
  node ship: sh after go { script = "echo shipped >> shipped"  keep "text" }
}
"""
QUEUED = """
flow queued {
  concurrency queue
  arg n: string
  node note: sh { script = "echo $<args.n> >> order"  keep "text" }
}
"""
WAITS = """
flow waits { node rest: wait.until { delay = 1s } }
"""
FROZEN = """
pipeline p { stage s }
flow ship for p.s { node ship: sh { script = "echo shipped >> shipped"  keep "text" } }
"""


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("run ")]


def test_a_run_is_driven_to_its_end(place: Place, served: Callable[..., Server]) -> None:
    place.write("hello.rflow", HELLO)
    server = served()
    assert place.ended(server, place.create(server, "hello")) == "success"


def test_a_run_that_waits_for_a_person_holds_no_thread(
    place: Place, served: Callable[..., Server]
) -> None:
    place.write("gated.rflow", GATED)
    server = served()
    run = place.create(server, "gated")
    service = server.services.here()
    wait_for(lambda: service.summary(run).status == "waiting" or None)
    wait_for(lambda: not threads() or None)
    before = len(service.records(run))
    service.decide(run, "go", decision="approve", by="lead@example.com")
    assert place.ended(server, run) == "success"
    assert (place.folder / "shipped").read_text() == "shipped\n"
    assert len(service.records(run)) > before


def test_a_run_that_waits_for_a_time_is_taken_up_again(
    place: Place, served: Callable[..., Server]
) -> None:
    place.write("waits.rflow", WAITS)
    server = served()
    assert place.ended(server, place.create(server, "waits")) == "success"


def test_a_freeze_that_ends_lets_its_run_go_on(place: Place, served: Callable[..., Server]) -> None:
    place.write("frozen.rflow", FROZEN)
    server = served()
    service = server.services.here()
    service.journal.put_note("freeze", "p.s", {"until": 4e9, "reason": "fair", "by": "dev"})
    run = place.create(server, "ship")
    wait_for(lambda: service.summary(run).status == "waiting" or None)
    wait_for(lambda: not threads() or None)
    service.thaw("p.s")
    assert place.ended(server, run) == "success"


def test_runs_that_queue_keep_their_order(place: Place, served: Callable[..., Server]) -> None:
    place.write("queued.rflow", QUEUED)
    server = served()
    runs = [place.create(server, "queued", n=str(n)) for n in range(12)]
    assert {place.ended(server, run) for run in runs} == {"success"}
    assert (place.folder / "order").read_text().split() == [str(n) for n in range(12)]


def test_a_run_that_queues_says_which_one_it_comes_after(
    place: Place, served: Callable[..., Server]
) -> None:
    place.write("gated.rflow", GATED.replace("node build", "concurrency queue\n  node build"))
    server = served()
    first, second, third = (place.create(server, "gated") for _ in range(3))
    service = server.services.here()

    def held(run: str) -> object:
        return service.view(run).held.values.get("run")

    wait_for(lambda: (held(second), held(third)) == (first, second) or None)
    service.cancel(second, by="you")
    wait_for(lambda: held(third) == first or None)
    assert service.summary(third).status == "pending"
    told = [one for one in service.records(third) if isinstance(one.event, RunHeld)]
    assert len(told) == 2


def test_a_run_left_to_a_server_has_somebody_who_goes_on_with_it(
    place: Place, served: Callable[..., Server]
) -> None:
    place.write("gated.rflow", GATED)
    server = place.open()
    service = server.services.here()
    run = place.create(server, "gated")
    assert service.driver(run) is None
    server.start()
    try:
        wait_for(lambda: service.summary(run).status == "waiting" or None)
        wait_for(lambda: service.journal.claimed(run) is None or None)
        assert service.driver(run) == os.getpid()
        other = Service.open(server.state.root, server.host)
        assert other.drivers([run]) == {run: os.getpid()}
        other.close()
    finally:
        server.close()
    again = Service.open(server.state.root, server.host)
    assert again.driver(run) is None
    again.close()


def test_runs_are_taken_up_after_a_restart(place: Place, served: Callable[..., Server]) -> None:
    place.write("gated.rflow", GATED)
    first = place.open()
    run = place.create(first, "gated")
    first.start()
    service = first.services.here()
    wait_for(lambda: service.summary(run).status == "waiting" or None)
    first.close()
    second = served()
    second.services.here().decide(run, "go", decision="approve", by="lead@example.com")
    assert place.ended(second, run) == "success"


def test_runs_of_the_command_line_are_left_to_it(
    place: Place, served: Callable[..., Server]
) -> None:
    place.write("hello.rflow", HELLO)
    server = served()
    other = place.open()
    service = other.services.here()
    flow = other.catalog.flow("hello")
    assert flow is not None
    mine = service.create(
        service.prepare(flow.plan, directory=flow.directory, args={}, by="dev@example.com")
    )
    theirs = place.create(server, "hello")
    assert place.ended(server, theirs) == "success"
    assert service.summary(mine).status == "pending"
    server.drivers.adopt(mine)
    assert place.ended(server, mine) == "success"
    other.close()
