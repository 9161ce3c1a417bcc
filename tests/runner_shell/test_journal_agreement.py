"""One machine of random calls drives the journal in SQLite and the one in memory: they agree.

The file is closed and opened again between calls, and a transaction is left half way by an
exception, as often as Hypothesis likes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from rflow.runner import events as ev
from rflow.runner.journal import Journal, LockBusy, Stale, TwiceDecided
from rflow.runner.ledger import deployed
from rflow.runner.memory import MemoryJournal
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir

from .conftest import summary

MEMORY = Path("/dev/shm")  # syncing to a disk is not what is tested here
RUNS = st.sampled_from(["r1", "r2", "r3x", "R%_"])
NODES = st.sampled_from(["build", "web[eu]", "undo:web[eu]", "web[ü/1]"])
RESOURCES = st.sampled_from(["web@production", "db@production"])
STAGE = "shop.production"
LOCKS = st.sampled_from(["shop-web", "db"])
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
ATTEMPTS = st.integers(1, 2)
EVENTS: st.SearchStrategy[ev.Event] = st.one_of(
    st.builds(ev.RunStarted, st.just("guard-1")),
    st.builds(ev.RunRenamed, TEXT, TEXT, st.just("lead@example.com")),
    st.builds(ev.RetryRequested, st.just("lead@example.com"), st.just(("build",))),
    st.builds(ev.RunEnded, st.sampled_from(["success", "failed", "cancelled"])),
    st.builds(ev.AttemptStarted, NODES, ATTEMPTS, st.just("k"), st.dictionaries(TEXT, JSON)),
    st.builds(ev.AttemptSucceeded, NODES, ATTEMPTS, st.dictionaries(TEXT, JSON)),
    st.builds(ev.AttemptFailed, NODES, ATTEMPTS, st.just({"message": "no", "retry": True})),
    st.builds(ev.AttemptLost, NODES, ATTEMPTS),
    st.builds(ev.Intended, NODES, ATTEMPTS, RESOURCES, JSON, JSON, st.booleans()),
    st.builds(ev.NodeSkipped, NODES, st.builds(ev.Reason, st.just("when"), st.just({"a": 1}))),
)
SOME = st.lists(EVENTS, max_size=3)
TIMES = st.floats(0, 2**40)
EXPECTED = (Stale, LockBusy, TwiceDecided, KeyError, ValueError)


class Undo(Exception):
    """Leaves a transaction half way."""


class Agreement(RuleBasedStateMachine):
    """Both journals are called alike; every answer and all that can be read must be equal."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.state = StateDir(self.folder / ".rflow")
        self.file: Journal = SqliteJournal(self.state)
        self.memory = MemoryJournal()
        self.claims: dict[str, tuple[Any, Any]] = {}

    def teardown(self) -> None:
        for pair in self.claims.values():
            for claim in pair:
                claim.release()
        self.file.close()
        shutil.rmtree(self.folder)

    def both(self, call: Callable[[Journal], Any]) -> Any:
        answers = []
        for journal in (self.file, self.memory):
            try:
                answers.append(("gives", call(journal)))
            except EXPECTED as error:
                answers.append(("raises", (type(error), str(error))))
        assert answers[0] == answers[1]
        return answers[0]

    @initialize(stage=st.none() | st.just(STAGE))
    def begin(self, stage: str | None) -> None:
        self.both(lambda j: j.create(summary("r1", stage=stage, queue="shop"), [], 1.0))

    @rule(run=RUNS, events=SOME, at=TIMES, name=TEXT, queue=st.sampled_from(["", "shop"]))
    def create(self, run: str, events: list[ev.Event], at: float, name: str, queue: str) -> None:
        made = summary(
            run, name=name, queue=queue, created_at=at, stage=STAGE if run != "r2" else None
        )
        self.both(lambda j: j.create(made, events, at))

    @rule(
        run=RUNS,
        off=st.sampled_from([0, 0, 0, 0, -1, 1]),
        events=SOME,
        at=TIMES,
        status=st.sampled_from([None, None, "waiting", "running"]),
        facts=st.lists(st.integers(1, 6), max_size=2),
        take=st.lists(st.tuples(LOCKS, NODES), max_size=2),
        free=st.lists(st.tuples(LOCKS, NODES), max_size=2),
    )
    def transact(
        self,
        run: str,
        off: int,
        events: list[ev.Event],
        at: float,
        status: str | None,
        facts: list[int],
        take: list[tuple[str, str]],
        free: list[tuple[str, str]],
    ) -> None:
        expected = max(0, len(self.memory.read(run)) + off)
        self.both(
            lambda j: j.transact(
                run, expected, events, at, status=status, facts=facts, take=take, free=free
            )
        )

    @rule(run=RUNS, body=st.dictionaries(TEXT, JSON, max_size=2), at=TIMES)
    def post(self, run: str, body: dict[str, Any], at: float) -> None:
        self.both(lambda j: j.post(run, "decide", body, at))

    @rule(flow=TEXT, name=st.sampled_from(["replicas", "note"]), value=JSON)
    def save(self, flow: str, name: str, value: Any) -> None:
        self.both(lambda j: j.set_setting(flow, name, value))
        assert self.both(lambda j: j.settings(flow)) == ("gives", {name: value})
        self.both(lambda j: j.delete_setting(flow, name))
        self.both(lambda j: j.delete_setting(flow, name))

    @rule(key=LOCKS, body=st.dictionaries(TEXT, JSON, max_size=2), forget=st.booleans())
    def note(self, key: str, body: dict[str, Any], forget: bool) -> None:
        if forget:
            self.both(lambda j: j.delete_note("freeze", key))
        else:
            self.both(lambda j: j.put_note("freeze", key, body))
        self.both(lambda j: j.notes("freeze"))
        self.both(lambda j: j.notes("quarantine"))

    @rule(data=st.binary(max_size=20), digest=st.sampled_from(["a", "b"]))
    def plan(self, data: bytes, digest: str) -> None:
        self.both(lambda j: j.plan(digest))
        self.both(lambda j: j.put_plan(digest, data))
        self.both(lambda j: j.plan(digest))

    @rule(
        run=RUNS,
        events=SOME,
        inner=st.sampled_from(["nothing", "stale", "undo", "undo"]),
        at=TIMES,
    )
    def admit(self, run: str, events: list[ev.Event], inner: str, at: float) -> None:
        def call(journal: Journal) -> str:
            try:
                with journal.admit():
                    seen = journal.active("shop")
                    if inner == "stale":
                        try:
                            journal.transact("r1", 10_000, events, at)
                        except Stale:
                            seen = []
                    journal.create(summary(run, queue="shop"), events, at)
                    journal.post(run, "cancel", {"by": "lead@example.com"}, at)
                    if inner == "undo":
                        raise Undo
            except Undo:
                return "undone"
            return f"{seen}"

        self.both(call)

    @rule()
    def reopen(self) -> None:
        """The process ends, another begins: what was told is there, claims are not."""
        for pair in self.claims.values():
            pair[0].release()
        self.claims.clear()
        self.file.close()
        self.file = SqliteJournal(self.state)
        self.memory = self.memory.crash()

    @rule(run=RUNS)
    def claim(self, run: str) -> None:
        pair = (self.file.claim(run), self.memory.claim(run))
        assert (pair[0] is None) == (pair[1] is None) == (run in self.claims)
        if pair[0] is not None:
            self.claims[run] = pair

    @rule(run=RUNS)
    def release(self, run: str) -> None:
        for claim in self.claims.pop(run, ()):
            claim.release()
            claim.release()

    @rule(run=RUNS, events=SOME)
    def another_process(self, run: str, events: list[ev.Event]) -> None:
        """Another connection writes; the version tells, and only then."""
        other = SqliteJournal(self.state)
        others: tuple[Journal, Journal] = (other, MemoryJournal(self.memory.store))
        before = [j.version() for j in (self.file, self.memory)]
        assert before == [j.version() for j in (self.file, self.memory)]
        written = []
        for journal in others:
            try:
                journal.transact(run, len(journal.read(run)), events, 5.0)
                written.append(True)
            except EXPECTED:
                written.append(False)
        other.close()
        after = [j.version() for j in (self.file, self.memory)]
        assert written[0] == written[1]
        if events:
            assert [a != b for a, b in zip(before, after, strict=True)] == written

    @invariant()
    def same(self) -> None:
        for run in ("r1", "r2", "r3x", "R%_", "none"):
            _, records = self.both(lambda j, run=run: j.read(run))
            assert [record.number for record in records] == [*range(1, len(records) + 1)]
            self.both(lambda j, run=run: j.read(run, 2))
            _, known = self.both(lambda j, run=run: j.summary(run))
            assert known is None or known.length == len(records)
            _, facts = self.both(lambda j, run=run: j.facts(run))
            _, asked = self.both(lambda j: j.asked())
            assert (run in asked) == bool(facts)
            claimed = self.both(lambda j, run=run: j.claimed(run))
            assert (claimed[1] is not None) == (run in self.claims)
            self.both(lambda j, run=run: j.runs(before=run))
            self.both(lambda j, run=run: j.head(run))
            self.both(lambda j, run=run: j.latest(run, ev.AttemptStarted))
            _, stored = self.both(lambda j, run=run: j.stored(run))
            assert len(stored) == len(records)
            self.both(lambda j, run=run: j.ended_at_change(run))
            for resource in ("web@production", "db@production"):
                self.both(lambda j, run=run, resource=resource: j.changed_since(run, resource))
        for text in ("r", "R%", "", "r3x"):
            self.both(lambda j, text=text: j.find(text))
        self.both(lambda j: j.runs(limit=2))
        self.both(lambda j: j.runs(status="running", concluded=False))
        self.both(lambda j: j.runs(stage=STAGE, flow="release"))
        self.both(lambda j: j.active("shop"))
        self.both(lambda j: j.active(""))
        self.both(lambda j: j.locks())
        self.both(lambda j: j.stages())
        self.both(lambda j: j.ledger(STAGE))
        self.both(lambda j: j.ledger(STAGE, 2, 5))
        self.both(lambda j: j.runs(kind="rollback"))
        for upto in (None, 0, 3):
            for sure in (True, False):
                self.both(lambda j, u=upto, s=sure: j.last_changes(STAGE, u, sure=s))
        changes = self.memory.ledger(STAGE)
        assert deployed(self.memory.last_changes(STAGE)) == deployed(changes)
        assert deployed(self.memory.last_changes(STAGE, 3)) == deployed(changes, 3)


TestAgreement = Agreement.TestCase
TestAgreement.pytestmark = [pytest.mark.slow]
TestAgreement.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
