"""A stage under releases, failures, crashes, freezes and rollbacks, in any order.

The model is what the files were when each run ended. Whatever happens: the ledger says what the
files are; a run that failed has left nothing; after a rollback the stage is what it was; rolling
back again changes nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from rflow.cli.flows import flows_of
from rflow.plugins.host import Host
from rflow.runner.events import Record
from rflow.runner.memory import MemoryJournal, MemoryStore
from rflow.runner.problems import StateError
from rflow.runner.service import Service
from rflow.runner.state_dir import StateDir

FLOW = """
rflow 1
pipeline shop { stage production }

flow release for shop.production {
  arg a: string?
  arg b: string?
  arg names: list(string)
  arg good: bool
  concurrency queue

  node first: file.write {
    when $<args.a | default("")> != ""
    path = "world/a"
    content = $<args.a | default("")>
  }
  parallel rest after first {
    node second: file.write {
      when $<args.b | default("")> != ""
      path = "world/b"
      content = $<args.b | default("")>
    }
    node each_one: file.write {
      each name in $<args.names>
      path = "world/c-$<each.name>"
      content = "$<each.name> $<args.a | default("none")>"
    }
  }
  node verdict: wait.until after rest { delay = 0s  when $<args.good> }
  node fails: sh after verdict {
    when not $<args.good>
    script = "exit 1"
    retry none
    pure
  }
  on failure rollback
}
"""

HOST = Host.load()


class Crash(Exception):
    """The process died."""


class DyingJournal(MemoryJournal):
    """Dies at a transaction: before it is on disk, or (negative) after."""

    at: int | None = None
    count = 0

    def transact(self, *args: Any, **given: Any) -> list[Record]:
        self.count += 1
        if self.at == self.count:
            raise Crash
        records = super().transact(*args, **given)
        if self.at == -self.count:
            raise Crash
        return records


contents = st.sampled_from([None, "one", "two", "three"])
crashes = st.none() | st.integers(-9, 9).filter(bool)


class Stage(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="rflow-stage-"))
        self.world = self.folder / "world"
        self.world.mkdir()
        (self.folder / "f.rflow").write_text(FLOW)
        self.plan = flows_of(str(self.folder / "f.rflow")).plan("release")
        self.store = MemoryStore()
        self.state = StateDir(self.folder / ".rflow").make()
        self.ends: dict[str, dict[str, str]] = {}
        self.frozen = False

    def service(self, dies_at: int | None = None) -> Service:
        """The runner of a process of its own."""
        journal = DyingJournal(self.store)
        journal.at = dies_at
        return Service(self.state, journal, HOST)

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.world.iterdir())}

    def drive(self, run: str, dies_at: int | None) -> str:
        """Drive a run in a process that may die, then in others that do not; its status."""
        service = self.service(dies_at)
        try:
            service.drive(run)
        except Crash:
            journal = service.journal
            assert isinstance(journal, DyingJournal)
            journal.crash()
            service = self.service()
            service.drive(run)
        return service.summary(run).status

    @rule(
        a=contents,
        b=contents,
        names=st.lists(st.sampled_from(["x", "y", "z"]), unique=True),
        good=st.booleans(),
        dies_at=crashes,
    )
    def release(
        self, a: str | None, b: str | None, names: list[str], good: bool, dies_at: int | None
    ) -> None:
        service = self.service()
        before = self.files()
        args: dict[str, Any] = {"names": [*names], "good": good}
        args.update((n, v) for n, v in (("a", a), ("b", b)) if v is not None)
        run = service.create(
            service.prepare(
                self.plan, directory=self.folder, args=args, by="dev@example.com", text=False
            )
        )
        effects = a is not None or b is not None or names
        if self.frozen and effects:
            service.drive(run, until="wait")
            assert service.summary(run).status == "waiting"
            assert self.files() == before, "a frozen stage takes no effects"
            service.cancel(run, by="dev@example.com", rollback=True)
            assert self.drive(run, None) == "cancelled"
            assert self.files() == before
            return
        status = self.drive(run, dies_at)
        quarantined = any(
            "quarantine" in str(record.event) or "was taken from" in str(record.event)
            for record in service.records(run)
        )
        if status == "success":
            self.ends[run] = self.files()
        else:
            assert not good or quarantined
            assert self.files() == before, "a run that failed has left nothing"

    @rule(choice=st.integers(0, 20), dies_at=crashes)
    def roll_back(self, choice: int, dies_at: int | None) -> None:
        service = self.service()
        if not self.ends:
            return
        run = [*self.ends][choice % len(self.ends)]
        before = self.files()
        why_not = {r.run.run: r.why_not for r in service.releases("shop.production")}[run]
        if why_not:
            with pytest.raises(StateError, match="quarantine"):
                service.rollback(run, by="lead@example.com")
            assert self.files() == before
            return
        new = service.rollback(run, by="lead@example.com")
        if new is not None:
            assert self.drive(new, dies_at) == "success"
            self.ends[new] = self.files()
        assert self.files() == self.ends[run], "the stage is what it was"
        assert self.service().rollback(run, by="lead@example.com") is None, "twice changes nothing"

    @rule()
    def lift(self) -> None:
        service = self.service()
        for run in service.journal.notes("quarantine"):
            service.lift(run, by="lead@example.com", reason="tried again")

    @rule()
    def freeze_or_thaw(self) -> None:
        service = self.service()
        if self.frozen:
            service.thaw("shop.production")
        else:
            service.freeze("shop.production", until=4e9, reason="audit", by="lead@example.com")
        self.frozen = not self.frozen

    @invariant()
    def the_ledger_is_the_world(self) -> None:
        held = self.service().journal.ledger("shop.production")
        from rflow.runner.ledger import deployed

        now = deployed(held)
        present = sum(1 for one in now.values() if one.value is not None)
        assert present == len(self.files())
        assert not any(one.doubt for one in now.values())

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


@pytest.mark.slow
def test_a_stage_is_always_what_the_ledger_says() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Stage,
        settings=settings(
            max_examples=20,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
