"""Two processes release to one stage and roll it back, in any order, and die at any moment."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from rflow.runner.ledger import deployed
from rflow.runner.problems import StateError
from stage_world import BY, FLOWS, NAME, RESOURCES, Crash, Piece, Runner, StageWorld

which = st.integers(0, 1)
choices = st.integers(0, 30)
pieces = st.builds(
    Piece,
    st.sampled_from([*RESOURCES, None]),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([0, 0, 0, 1, 2, 3]),
    st.booleans(),
    st.sampled_from(["keep", "irreversible"]),
)
DISTURBANCES = [
    "dies before",
    "dies after",
    "crash",
    "replaced",
    "replaced goes on",
    "cancel",
    "cancel and undo",
    "freeze",
    "thaw",
    "lift",
    "time",
]


class TwoRunners(RuleBasedStateMachine):
    """See the module. A rule that is refused must have changed nothing; the checks see to it."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = StageWorld(Path(tempfile.mkdtemp(prefix="rflow-two-")))
        self.checked: set[str] = set()

    def runner(self, number: int) -> Runner:
        return self.stage.runners[number]

    def ended(self, choice: int, *statuses: str) -> str | None:
        """One of the runs that have ended, of those with such a status if there are some."""
        runs = [run for run in self.stage.store.tables.runs.values() if run.concluded]
        names = [r.run for r in runs if r.status in statuses] or [r.run for r in runs]
        return names[choice % len(names)] if names else None

    def going(self, choice: int) -> str | None:
        """One of the runs that have not ended."""
        names = self.stage.going()
        return names[choice % len(names)] if names else None

    @rule(
        number=which,
        flow=st.sampled_from(FLOWS),
        parts=st.lists(pieces, min_size=1, max_size=4, unique_by=lambda p: p.resource),
        undo=st.booleans(),
        ends=st.booleans(),
    )
    def release(self, number: int, flow: str, parts: list[Piece], undo: bool, ends: bool) -> None:
        run = self.stage.release(self.runner(number), flow, parts, undo)
        self.runner(number).take(run)
        if ends:
            self.settle()

    @rule(number=which, choice=choices, cancel=st.booleans(), ends=st.booleans())
    def roll_back(self, number: int, choice: int, cancel: bool, ends: bool) -> None:
        run = self.ended(choice, "success")
        if run is None:
            return
        runner = self.runner(number)
        try:
            new = self.stage.rollback(runner, run, cancel)
        except StateError:
            return
        if new is not None:
            runner.take(new)
            if ends:
                self.settle()

    @rule(number=which, choice=choices, how=st.sampled_from(["retry", "from n0", "undo"]))
    def go_on(self, number: int, choice: int, how: str) -> None:
        """Retry a run that has ended, or finish its undo."""
        run = self.ended(choice, *(() if how == "from n0" else ("failed", "cancelled")))
        if run is None:
            return
        service = self.runner(number).service
        try:
            if how == "undo":
                service.undo_again(run, by=BY)
            else:
                service.retry(run, "n0" if "n0" in how else None, by=BY)
        except (StateError, KeyError):
            return
        except Crash:
            self.runner(number).crash()
        self.checked.discard(run)
        self.runner(number).take(run)

    @rule(steps=st.lists(st.tuples(which, choices), min_size=1, max_size=40), take=choices)
    def step(self, steps: list[tuple[int, int]], take: int) -> None:
        for number, choice in steps:
            run = self.going(take)
            if choice == 0 and run is not None:
                self.runner(number).take(run)
            self.runner(number).step(choice)
            self.check()

    @rule(number=which, what=st.sampled_from(DISTURBANCES), choice=choices)
    def disturb(self, number: int, what: str, choice: int) -> None:
        runner, service, world = self.runner(number), self.runner(0).service, self.stage.world
        run = self.going(choice)
        match what:
            case "dies before" | "dies after":
                at = 1 + choice % 6
                runner.dies_in(at if what == "dies before" else -at)
            case "crash":
                runner.crash()
            case "replaced":
                runner.lose(self.runner(1 - number))
            case "replaced goes on":
                runner.step_replaced()
            case "cancel" | "cancel and undo" if run is not None:
                service.cancel(run, by=BY, rollback=what != "cancel")
            case "freeze":
                service.freeze(NAME, until=4e9, reason="audit", by=BY)
                world.frozen = True
            case "thaw" if world.frozen:
                service.thaw(NAME)
                world.frozen = False
            case "lift":
                for taken in service.journal.notes("quarantine"):
                    service.lift(taken, by=BY, reason="tried again")
                world.away.clear()
            case "time":
                world.clock += 2.0

    @rule()
    def settle(self) -> None:
        self.stage.settle()
        self.check()

    @invariant()
    def check(self) -> None:
        self.stage.check_ledger()
        for run, summary in self.stage.store.tables.runs.items():
            if not summary.concluded:
                self.checked.discard(run)
            elif run not in self.checked:
                self.checked.add(run)
                self.stage.check_undone(run)
                if summary.kind == "rollback":
                    self.stage.check_rolled_back(run)

    def teardown(self) -> None:
        try:
            self.stage.settle()
            self.check()
        finally:
            self.stage.close()


def play(examples: int, steps: int, **given: Any) -> None:
    """Play so many games."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        TwoRunners,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            **given,
        ),
    )


@pytest.mark.slow
def test_two_runners_on_one_stage() -> None:
    play(150, 30)


# -- what games seldom come to -------------------------------------------------------------------


def a_freeze_holds_a_further_attempt(stage: StageWorld) -> None:
    runner = stage.runners[0]
    run = stage.release(runner, "release", [Piece("web", 1, False, 1, False)], True)
    runner.take(run)
    while runner.step(0):
        pass
    assert runner.service.fold(run).node("n0").status == "retrying"
    runner.service.freeze(NAME, until=4e9, reason="audit", by=BY)
    stage.world.frozen = True
    stage.world.clock += 10.0
    runner.step(0)
    assert runner.service.fold(run).node("n0").reason.code == "frozen"
    stage.settle()
    assert runner.service.summary(run).status == "success"


def an_undo_that_was_cut_off_leaves_doubt(stage: StageWorld) -> None:
    runner = stage.runners[0]
    fails = Piece(None, 0, True, 3, False)
    run = stage.release(runner, "release", [Piece("web", 1, False, 0, False), fails], True)
    runner.take(run)
    while "undo:n0" not in runner.drives[run].dispatcher.going:
        stage.world.clock += 10.0
        runner.step(0)
    assert runner.drives[run].dispatcher.advance(0)
    runner.crash()  # it is undone, and nobody has taken note
    stage.check_ledger()


def a_rollback_waits_for_what_it_cancelled(stage: StageWorld) -> None:
    one, two = stage.runners
    target = stage.release(one, "release", [Piece("web", 1, False, 0, False)], True)
    one.take(target)
    stage.settle()
    late = stage.release(one, "hotfix", [Piece("web", 2, False, 0, False)], False)
    one.take(late)
    one.step(0)
    new = stage.rollback(two, target, True)
    assert new is not None
    assert not two.take(new)
    stage.settle()
    assert one.service.summary(late).concluded
    stage.check_rolled_back(new)


def what_an_attempt_left_when_it_failed_is_in_doubt(stage: StageWorld) -> None:
    runner = stage.runners[0]
    run = stage.release(runner, "release", [Piece("web", 1, False, 99, True)], False)
    runner.take(run)
    stage.settle()
    assert runner.service.summary(run).status == "failed"
    (left,) = runner.service.journal.ledger(NAME)
    assert left.state == "open"
    assert deployed([left])[left.resource].doubt


def a_change_in_between_counts_anew(stage: StageWorld) -> None:
    one, two = stage.runners
    slow = stage.release(one, "release", [Piece("web", 1, False, 3, True)], False)
    one.take(slow)
    stage.settle()
    assert one.service.summary(slow).status == "failed"
    quick = stage.release(two, "hotfix", [Piece("web", 2, False, 0, False)], False)
    two.take(quick)
    stage.settle()
    one.service.retry(slow, by=BY)
    one.take(slow)
    stage.settle()
    assert one.service.summary(slow).status == "success"
    stage.check_ledger()


def a_run_cancelled_before_it_began_has_begun_when_it_is_retried(stage: StageWorld) -> None:
    runner = stage.runners[0]
    web, data = Piece("web", 1, False, 0, False), Piece(None, 0, True, 0, False, "irreversible")
    target = stage.release(runner, "release", [web], True)
    runner.take(target)
    stage.settle()
    late = stage.release(runner, "release", [web, data], False)
    runner.service.cancel(late, by=BY)
    runner.take(late)
    stage.settle()
    runner.service.retry(late, "n0", by=BY)
    runner.take(late)
    stage.settle()
    assert runner.service.summary(late).started_at is not None
    assert [crossed.node for crossed in runner.service.rollback_preview(target).crossed] == ["n1"]


SCENES = [
    a_run_cancelled_before_it_began_has_begun_when_it_is_retried,
    a_change_in_between_counts_anew,
    what_an_attempt_left_when_it_failed_is_in_doubt,
    a_freeze_holds_a_further_attempt,
    an_undo_that_was_cut_off_leaves_doubt,
    a_rollback_waits_for_what_it_cancelled,
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_scene(scene: Callable[[StageWorld], None], tmp_path: Path) -> None:
    stage = StageWorld(tmp_path / "stage")
    try:
        scene(stage)
    finally:
        stage.close()
