"""Whoever brings the news drives the run for a step: threads of attempts do what the driving
thread would have done, and it is woken for all that is left to it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from rflow.cli.flows import flows_of
from rflow.plugins import Context
from rflow.plugins.host import Host
from rflow.runner import drive
from rflow.runner.bench import Bench
from rflow.runner.command import Message
from rflow.runner.events import AttemptStarted, Record
from rflow.runner.journal import JournalError, Stale
from rflow.runner.pool import Pool
from rflow.runner.problems import FULL
from rflow.runner.service import Service, Stop
from rflow.runner.sqlite import SqliteJournal

from .conftest import WAIT_S, Early, command_of, needs_dash, plan_node, until

T = TypeVar("T")
CHAIN = """rflow 1
flow release {
  node a: sh { script = "echo a >> done"  pure }
  node b: sh after a { script = "echo b >> done; echo v=1 > $RFLOW_OUTPUT"  output v: int  pure }
  node c: sh after b { script = "echo c$<refs.b.v> >> done"  pure }
  node d: sh after c { script = "echo d >> done"  pure }
}
"""
FORMS: dict[str, tuple[str, str, list[str]]] = {
    "chain": (CHAIN, "success", ["a", "b", "c1", "d"]),
    "other kinds": (
        """rflow 1
flow release {
  node a: sh { script = "echo a >> done"  pure }
  node b: file.write after a { path = "b"  content = "b" }
  node c: sh after b { script = "cat b >> done; echo >> done"  pure }
  node d: sh after c { script = "echo d >> done"  timeout 1m  pure }
}
""",
        "success",
        ["a", "b", "d"],
    ),
    "branches": (
        """rflow 1
flow release {
  node a: sh { script = "true"  pure }
  node b: sh after a { script = "true"  pure }
  node c: sh after a { script = "true"  pure }
  node d: sh after b, c { script = "echo d >> done"  pure }
}
""",
        "success",
        ["d"],
    ),
    "retries": (
        """rflow 1
flow release {
  node a: sh { script = "true"  pure }
  node b: sh after a {
    script = "echo b >> done; test $(wc -l < done) = 3"
    retry 3 every 10ms
    pure
  }
  node c: sh after b { script = "echo c >> done"  pure }
}
""",
        "success",
        ["b", "b", "b", "c"],
    ),
    "a failure that is undone": (
        """rflow 1
flow release {
  node a: sh { script = "echo a >> done"  undo sh { script = "echo not a >> done" } }
  node b: sh after a { script = "no-such-program"  retry none  pure }
  on failure rollback
  finally { node f: sh { script = "echo f >> done"  pure } }
}
""",
        "failed",
        ["a", "not a", "f"],
    ),
    "what cannot be started": (
        """rflow 1
flow release {
  node a: sh { script = "echo a >> done"  pure }
  node b: sh after a { script = "true"  cwd = "nowhere"  pure }
}
""",
        "failed",
        ["a"],
    ),
    "locks": (
        """rflow 1
flow release {
  node a: sh { script = "echo a >> done"  lock "one"  pure }
  node b: sh after a { script = "echo b >> done"  lock "one"  pure }
  node c: sh after b { script = "echo c >> done"  pure }
}
""",
        "success",
        ["a", "b", "c"],
    ),
}


def held_scripts() -> list[str]:
    """Of the shells that this process has started and that begin at their gates."""
    scripts = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue  # it is gone
        if parent == str(os.getpid()):
            scripts += [word for word in words if "RFLOW_GATE" in word]
    return scripts


class Watched(SqliteJournal):
    """The journal; who writes is noted, and one write can be made to go wrong."""

    wrong: BaseException | None = None
    wrong_at = 0

    def transact(self, *args: Any, **parts: Any) -> list[Record]:
        self.writers = [*getattr(self, "writers", ()), threading.current_thread().name]
        self.held = [*getattr(self, "held", ()), *held_scripts()]
        if len(self.writers) == self.wrong_at and self.wrong is not None:
            raise self.wrong
        return super().transact(*args, **parts)


def in_time(do: Callable[[], T]) -> T:
    """What it gives or raises, in a thread that is not waited for for ever."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(do())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(WAIT_S)


class Place:
    """A flow in a folder, and a run of it."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        (folder / "release.rflow").write_text(text)
        self.service = Service.open(folder / ".rflow", Host.load())
        self.journal = self.renewed()
        plan = flows_of(str(folder / "release.rflow")).plan("release")
        prepared = self.service.prepare(plan, directory=folder, args={}, name="r", by="d@e.org")
        self.run = self.service.create(prepared)

    def renewed(self) -> Watched:
        """Use a journal of which nothing has been noted yet."""
        self.service.journal.close()
        self.service.journal = self.journal = Watched(self.service.state)
        return self.journal

    def drive(self, until: Literal["end", "wait"] = "end", stop: Stop | None = None) -> str:
        """Drive the run, in a thread that is not waited for for ever; its status."""
        seen: list[int] = []
        drive = partial(
            self.service.drive,
            self.run,
            observe=lambda record: seen.append(record.number),
            stop=Stop() if stop is None else stop,
            until=until,
        )
        summary = in_time(drive)
        assert seen == [*range(seen[0], seen[0] + len(seen))]
        return summary.status

    def done(self) -> list[str]:
        """What the scripts have done."""
        path = self.folder / "done"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    made: list[Place] = []

    def make(text: str) -> Place:
        made.append(Place(tmp_path, text))
        return made[-1]

    yield make
    for one in made:
        one.service.close()


@pytest.fixture
def unwoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driving thread looks around only when it is woken."""
    monkeypatch.setattr(drive, "POLL_S", 10 * WAIT_S)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("unwoken")
def test_nothing_waits_for_a_look_around(place: Callable[[str], Place], form: str) -> None:
    text, status, done = FORMS[form]
    one = place(text)
    assert one.drive() == status
    assert one.done() == done


def test_a_chain_is_driven_by_the_thread_of_its_attempts(place: Callable[[str], Place]) -> None:
    one = place(CHAIN)
    assert one.drive() == "success"
    driving, *others = one.journal.writers
    assert "rflow-attempt-1" in others
    assert {driving, "rflow-attempt-1"} >= set(others)


@needs_dash
def test_a_shell_is_there_before_its_start_is_written(place: Callable[[str], Place]) -> None:
    one = place(CHAIN)
    one.drive()
    # But for the last, each of its steps begins an attempt.
    assert len(one.journal.held) >= one.journal.writers.count("rflow-attempt-1") - 1


def test_after_a_step_that_could_not_be_written_no_other_is_taken(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the driving thread needs to hear of it."""
    nodes = [plan_node(f"e{number}", "test.early") for number in range(2)]
    pool = Pool(bench({"test.early": Early}, *nodes, early=frozenset({"test.early"})))
    steps: list[str] = []
    acted: list[str] = []

    def first(ctx: Context) -> None:
        acted.append(ctx.node)

    def second(ctx: Context) -> None:
        try:
            ctx.intend("web@production", None, "a")
            acted.append(ctx.node)
        finally:
            until(pool._said.empty)  # the driving thread is on its way

    def take(message: Message) -> Callable[[], None]:
        steps.append(message.node)
        if message.node == "e0":
            pool.prepare(command_of("e1", "test.early", inputs={"do": second}))
        return refuse

    def refuse() -> None:
        raise RuntimeError("there is no room")

    listen = pool._said.take

    def slowly(timeout_s: float | None) -> Any:
        said = listen(timeout_s)
        until(lambda: not pool._said.empty())
        return said

    monkeypatch.setattr(pool._said, "take", slowly)
    pool.submit(command_of("e0", "test.early", inputs={"do": first}))
    with pytest.raises(RuntimeError, match="no room"):
        pool.next(WAIT_S, take)
    assert (steps, acted) == (["e0"], ["e0"])
    monkeypatch.undo()
    pool.close()


@pytest.mark.usefixtures("unwoken")
def test_a_run_that_comes_to_wait_is_left(place: Callable[[str], Place]) -> None:
    one = place(
        """rflow 1
flow release {
  node a: sh { script = "echo a >> done"  pure }
  node b: sh after a { script = "echo b >> done"  pure }
  approve go after b { by "oncall@example.com" }
}
"""
    )
    assert one.drive(until="wait") == "waiting"
    assert one.done() == ["a", "b"]


@pytest.mark.parametrize(
    "wrong",
    [JournalError(FULL, "the disk is full", "make room"), Stale("the run", 1, 2)],
    ids=["full", "stale"],
)
def test_a_step_that_cannot_be_written_is_not_taken(
    place: Callable[[str], Place], wrong: Exception
) -> None:
    """At each write in turn: nothing that was not written has begun, and the run goes on."""
    one = place(CHAIN)
    status, times = "", 0
    while status != "success":
        assert times < 20
        journal = one.renewed()
        # The first write is that the run goes on.
        journal.wrong, journal.wrong_at = wrong, 2 + times % 2
        with contextlib.suppress(JournalError):
            status = one.drive()
        started = [r for r in journal.read(one.run) if isinstance(r.event, AttemptStarted)]
        assert len(one.done()) <= len(started)
        times += 1
    assert sorted(set(one.done())) == ["a", "b", "c1", "d"]


def test_a_run_is_cancelled_whoever_drives_it(place: Callable[[str], Place]) -> None:
    one = place(
        """rflow 1
flow release {
  node a: sh { script = "echo a >> done"  pure }
  node b: sh after a { script = "echo b >> done; sleep 600"  pure }
  node c: sh after b { script = "echo c >> done"  pure }
}
"""
    )
    stop = Stop()

    def cancel() -> None:
        until(lambda: one.done() == ["a", "b"])
        stop.cancel()

    threading.Thread(target=cancel, daemon=True).start()
    assert one.drive(stop=stop) == "cancelled"
    assert one.done() == ["a", "b"]
