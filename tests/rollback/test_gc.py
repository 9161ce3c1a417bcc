"""What is removed is needed by nobody: whatever was released, each release can be gone back to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rflow.runner import events as ev
from rflow.runner.artifacts import VALUE_MARK, ArtifactStore, shrink
from rflow.runner.gc import DAY_S, Keep, collect, find
from rflow.runner.journal import RunSummary
from rflow.runner.ledger import deployed, first_change
from rflow.runner.memory import MemoryJournal
from rflow.runner.state_dir import StateDir

STAGES = ("shop.staging", "shop.production")
RESOURCES = ("web", "config")
NOW = 4_000_000_000.0
"""So late that every file in the store is old."""
NOTHING_RECENT = Keep(recent_s=0.0, releases=1000, runs=0)

Make = Callable[..., Any]

numbers = st.integers(0, 40)
one_run = st.tuples(
    st.sampled_from([*STAGES, STAGES[0]]),
    st.sampled_from(["success"] * 4 + ["failed", "cancelled", None]),
    st.lists(st.tuples(st.sampled_from(RESOURCES), numbers), max_size=2),
    numbers,
    st.booleans(),
)


class State:
    """A state folder with runs in a journal in memory, told as bare events."""

    def __init__(self, folder: Path) -> None:
        self.dir = StateDir(folder / ".rflow").make()
        self.journal = MemoryJournal()
        self.store = ArtifactStore(self.dir.artifacts)
        self.now: dict[tuple[str, str], Any] = {}
        self.clock = 0.0

    def artifact(self, number: int) -> str:
        return self.store.put_bytes(f"artifact {number}".encode())

    def run(
        self,
        stage: str,
        status: Any,
        changes: list[tuple[str, int]],
        input_: int,
        nested: bool,
    ) -> str:
        self.clock += 1.0
        id = f"run{int(self.clock)}"
        summary = RunSummary(
            id, "release", stage, "release", id, "", "pending", False, self.clock, None, None,
            "dev@example.com", "sha256:plan", 0, "", "allow",
        )  # fmt: skip
        created = ev.RunCreated(
            run=id, plan="sha256:plan", flow="release", stage=stage, kind="release", name=id,
            description="", by="dev@example.com", trigger={}, triggers={},
            args={"image": self.artifact(input_)}, sealed={}, overrides={}, loops={}, seed=1,
            directory="/",
        )  # fmt: skip
        self.journal.create(summary, [created], self.clock)
        events: list[ev.Event] = [ev.RunStarted("guard")]
        for number, (resource, artifact) in enumerate(changes):
            digest = self.artifact(artifact)
            value: Any = {"content": digest, "mode": "644"} if nested else digest
            before = self.now.get((stage, resource))
            long = shrink({"text": "x" * 40_000, "of": digest}, self.store) if nested else None
            node = f"{resource}{number}"
            events.append(ev.AttemptStarted(node, 1, "key", {"long": long}))
            events.append(ev.Intended(node, 1, resource, before, value))
            if status != "failed":
                events.append(ev.AttemptSucceeded(node, 1, {}))
                self.now[stage, resource] = value
        if status is not None:
            events.append(ev.RunEnded(status))
        self.journal.transact(id, 1, events, self.clock)
        return id

    def needed(self, releases: int) -> set[str]:
        """What going back to any release takes, by another way than the module under test."""
        found: list[Any] = []
        for stage in self.journal.stages():
            changes = self.journal.ledger(stage)
            found += [held.value for held in deployed(changes).values()]
            for first in [first_change(changes, c.resource) for c in changes]:
                found += [first.before, [ev.encode(r.event) for r in self.journal.read(first.run)]]
            for run in self.journal.runs(stage=stage, limit=1000):
                records = list(self.journal.read(run.run))
                if not run.concluded:
                    found += [ev.encode(r.event) for r in records]
            for run in self.journal.runs(stage=stage, status="success", limit=releases):
                held_then = deployed(changes, self.journal.ended_at_change(run.run))
                found += [held.value for held in held_then.values()]
                for maker in {held.run for held in held_then.values() if held.run}:
                    found += [ev.encode(r.event) for r in self.journal.read(maker)]
        text = json.dumps(found)
        return {kept.digest for kept in self.store.list() if kept.digest in text}


@settings(max_examples=100, deadline=None)
@given(st.lists(one_run, max_size=10), st.sampled_from([1, 2, 1000]))
def test_nothing_that_a_release_needs_is_removed(runs: list[Any], releases: int) -> None:
    keep = Keep(recent_s=0.0, releases=releases, runs=0)
    with TemporaryDirectory() as folder:
        state = State(Path(folder))
        for run in runs:
            state.run(*run)
        needed = state.needed(releases)
        found = find(state.journal, state.dir, keep, NOW)
        removed = {kept.digest for kept in found.goes}
        assert removed & needed == set()
        done = collect(state.journal, state.dir, keep, NOW)
        assert {kept.digest for kept in done.goes} == removed
        assert {kept.digest for kept in state.store.list()} == {k.digest for k, _ in found.stays}
        again = find(state.journal, state.dir, keep, NOW)
        assert again.goes == [], "a second time finds nothing more"


def test_what_no_run_names_goes(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.run("shop.staging", "success", [("web", 1)], 2, False)
    loose = state.artifact(9)
    found = find(state.journal, state.dir, NOTHING_RECENT, NOW)
    assert [kept.digest for kept in found.goes] == [loose]
    why = {kept.digest: why for kept, why in found.stays}
    assert why[state.artifact(1)] == "it is on shop.staging"
    assert why[state.artifact(2)] == "release run1 of shop.staging needs it"


def test_what_is_new_stays(tmp_path: Path) -> None:
    state = State(tmp_path)
    loose = state.artifact(9)
    (kept,) = state.store.list()
    keep = Keep(recent_s=DAY_S)
    assert find(state.journal, state.dir, keep, kept.at + 10).goes == []
    assert [k.digest for k in find(state.journal, state.dir, keep, kept.at + 2 * DAY_S).goes] == [
        loose
    ]


def test_only_so_many_releases_are_kept(tmp_path: Path) -> None:
    state = State(tmp_path)
    for number in (1, 2, 3):
        state.run("shop.staging", "success", [("web", number)], number, False)
    keep = Keep(recent_s=0.0, releases=2, runs=0)
    gone = {kept.digest for kept in collect(state.journal, state.dir, keep, NOW).goes}
    # The first run made `web`, so going back to before it takes what that run names.
    assert gone == set()
    state.run("shop.staging", "success", [("web", 4)], 4, False)
    state.run("shop.staging", "success", [("web", 5)], 5, False)
    gone = {kept.digest for kept in collect(state.journal, state.dir, keep, NOW).goes}
    # What the oldest that is kept had before it is named in its record.
    assert gone == {state.artifact(2)}


def test_what_a_long_value_names_is_named(tmp_path: Path) -> None:
    state = State(tmp_path)
    inner = state.artifact(1)
    outer = state.store.put_bytes(json.dumps({"of": inner, "text": "x" * 40_000}).encode())
    run = state.run("shop.staging", None, [], 2, False)
    events = [ev.AttemptStarted("web", 1, "key", {})]
    state.journal.transact(run, 2, events, 99.0)
    outputs: dict[str, Any] = {"long": {VALUE_MARK: outer}}
    state.journal.transact(run, 3, [ev.AttemptSucceeded("web", 1, outputs)], 99.0)
    found = find(state.journal, state.dir, NOTHING_RECENT, NOW)
    assert found.goes == []


def test_nothing_is_removed_while_a_run_is_driven(tmp_path: Path) -> None:
    state = State(tmp_path)
    run = state.run("shop.staging", None, [("web", 1)], 2, False)
    loose = state.artifact(9)
    claim = state.journal.claim(run)
    assert claim is not None
    with claim:
        done = collect(state.journal, state.dir, NOTHING_RECENT, NOW)
        assert done.driven == run
        assert state.store.exists(loose)
    collect(state.journal, state.dir, NOTHING_RECENT, NOW)
    assert not state.store.exists(loose)


def test_a_real_shop_can_still_be_rolled_back(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    made.release("2")
    bad = made.release("3", fails=True)
    service = made.service
    keep = Keep(recent_s=0.0, releases=10, runs=0)
    loose = ArtifactStore(service.state.artifacts).put_bytes(b"nobody knows it")
    log = Path(service.state.log(bad, "image", 1))
    assert log.exists()
    locked = service.state.workspace(bad) / "locked"
    locked.mkdir()
    (locked / "file").write_text("kept apart")
    os.chmod(locked, 0o500)
    done = collect(service.journal, service.state, keep, NOW)
    assert loose in {kept.digest for kept in done.goes}
    assert bad in {folder.run for folder in done.folders}
    assert not log.exists()
    assert not service.state.workspace(bad).exists()
    assert service.state.heads(bad).exists(), "its record can still be verified"
    assert service.rollback_preview(one).lost == {}
    new = service.rollback(one, by="lead@example.com")
    assert service.drive(new).status == "success"
    assert made.site() == "version 1"


def test_folders_of_the_newest_runs_and_of_what_is_deployed_stay(shop: Make) -> None:
    made = shop()
    runs = [made.release(version) for version in ("1", "2", "3")]
    service = made.service
    keep = Keep(recent_s=0.0, releases=10, runs=1)
    found = find(service.journal, service.state, keep, NOW)
    on_stage = {held.run for held in service.stage("shop.production").resources}
    assert {folder.run for folder in found.folders} == set(runs[:2]) - on_stage
