"""Releases that are taken back: real folders, real links, a real ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rflow.runner import events as ev
from rflow.runner.artifacts import ArtifactStore
from rflow.runner.problems import StateError

Make = Callable[..., Any]


def values(shop: Any) -> dict[str, Any]:
    """What the ledger says is on the stage."""
    return {h.resource: h.value for h in shop.service.stage("shop.production").resources}


def roll(shop: Any, run: str, **given: Any) -> str:
    new = shop.service.rollback(run, by="lead@example.com", **given)
    assert new is not None
    assert shop.service.drive(new).status == "success"
    return str(new)


def test_a_stage_goes_back_to_what_it_was(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    then = values(made)
    made.release("2")
    made.release("3")
    assert made.site() == "version 3"
    assert made.configs() == ["config-1", "config-2", "config-3"]
    back = roll(made, one, reason="v3 is slow")
    assert made.site() == "version 1"
    assert made.configs() == ["config-1"], "what came later is absent again"
    now = {k: v for k, v in values(made).items() if v is not None}
    assert now == then
    assert made.service.rollback(one, by="lead@example.com") is None, "twice changes nothing more"
    assert made.service.summary(back).kind == "rollback"
    releases = {r.run.run: r for r in made.service.releases("shop.production")}
    assert releases[one].rollbacks == [back]
    assert releases[one].why_not == ""


def test_a_rollback_can_itself_be_gone_back_to(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    made.release("2")
    back = roll(made, one)
    made.release("4")
    roll(made, back)
    assert made.site() == "version 1"


def test_the_preview_names_what_changes_and_what_is_crossed(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    two = made.release("2")
    found = made.service.rollback_preview(one)
    origins = {step.resource.partition("@")[0]: step.origin for step in found.steps}
    assert origins["web"] == "own"
    assert sorted(origins.values()) == ["later", "own"]
    assert [(c.run, c.node, c.contract) for c in found.crossed] == [(two, "migrate", "keep")]
    assert made.site() == "version 2", "a preview touches nothing"


def test_what_nothing_can_undo_must_be_acknowledged(shop: Make) -> None:
    made = shop(contract='irreversible "drops a column"')
    one = made.release("1")
    made.release("2")
    with pytest.raises(StateError, match="migrate") as error:
        made.service.rollback(one, by="lead@example.com")
    assert error.value.code == "RF949"
    assert "--acknowledge migrate" in error.value.help
    assert made.site() == "version 2"
    roll(made, one, acknowledge=["migrate"])
    assert made.site() == "version 1"


def test_a_failed_run_is_no_target_and_the_nearest_is_named(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    bad = made.release("2", fails=True)
    assert made.site() == "version 1", "it undid itself"
    with pytest.raises(StateError, match="it failed") as error:
        made.service.rollback(bad, by="lead@example.com")
    assert one in error.value.help


def test_an_artifact_that_is_gone_is_refused_before_anything_is_touched(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    digest = next(v for k, v in values(made).items() if k.startswith("web"))
    made.release("2")
    ArtifactStore(made.service.state.artifacts).delete(digest)
    with pytest.raises(StateError, match="the store has no longer"):
        made.service.rollback(one, by="lead@example.com")
    assert made.site() == "version 2"
    why = {r.run.run: r.why_not for r in made.service.releases("shop.production")}
    assert "is gone" in why[one]


def test_one_resource_alone(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    made.release("2")
    web = next(name for name in values(made) if name.startswith("web"))
    roll(made, one, only=[web])
    assert made.site() == "version 1"
    assert made.configs() == ["config-1", "config-2"]
    with pytest.raises(StateError, match="no resource"):
        made.service.rollback_preview(one, only=["wab"])


def test_what_was_taken_away_stays_away_until_it_is_let_in(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    two = made.release("2")
    roll(made, one)
    again = made.release("2")
    assert made.service.summary(again).status == "failed"
    assert made.site() == "version 1"
    record = made.service.node(again, "web")
    assert "rflow release lift" in str(record.error)
    why = {r.run.run: r.why_not for r in made.service.releases("shop.production")}
    assert "quarantine" in why[two]
    made.service.lift(two, by="lead@example.com", reason="it was the network")
    assert made.service.summary(made.release("2")).status == "success"
    assert made.site() == "version 2"


def test_a_release_that_differs_is_not_in_quarantine(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    made.release("2")
    roll(made, one)
    assert made.service.summary(made.release("3")).status == "success"


def test_a_policy_asks_people_first(shop: Make) -> None:
    made = shop(stage="rollback by managers count 2")
    one = made.release("1")
    made.release("2")
    new = made.service.rollback(one, by="lead@example.com")
    made.service.drive(new, until="wait")
    assert made.site() == "version 2"
    with pytest.raises(StateError, match="has decided already"):  # who started it has said yes
        made.service.decide(new, "confirm", by="lead@example.com", decision="approve")
    made.service.decide(new, "confirm", by="oncall@example.com", decision="approve")
    assert made.service.drive(new).status == "success"
    assert made.site() == "version 1"


def test_what_changed_while_it_waited_to_be_confirmed_ends_it(shop: Make) -> None:
    made = shop(stage="rollback by managers count 2")
    text = made.flow.read_text()
    made.flow.write_text(text.replace("concurrency queue", "concurrency allow"))
    one = made.release("1")
    made.release("2")
    new = made.service.rollback(one, by="lead@example.com")
    made.service.drive(new, until="wait")
    late = made.release("3")
    assert made.service.summary(late).status == "success"
    made.service.decide(new, "confirm", by="oncall@example.com", decision="approve")
    assert made.service.drive(new).status == "cancelled"
    state = made.service.fold(new)
    assert state.reason.code == "stage-changed"
    assert state.node("confirm").status == "success"
    assert made.site() == "version 3", "nothing was touched"
    assert made.service.journal.notes("quarantine") == {}
    again = made.service.rollback(one, by="lead@example.com")
    made.service.drive(again, until="wait")
    made.service.decide(again, "confirm", by="oncall@example.com", decision="approve")
    assert made.service.drive(again).status == "success"
    assert made.site() == "version 1"


def test_a_freeze_holds_effects_and_a_rollback_passes_it(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    made.release("2")
    made.service.freeze("shop.production", until=4e9, reason="audit", by="lead@example.com")
    held = made.create("3")
    assert made.service.drive(held, until="wait").status == "waiting"
    node = next(n for n in made.service.view(held).nodes if n.id == "migrate")
    assert "audit" in node.waits
    assert "rflow pass" in node.answer
    with pytest.raises(StateError, match="is going on"):
        made.service.rollback(one, by="lead@example.com")
    new = made.service.rollback(one, by="lead@example.com", cancel_running=True)
    made.service.drive(held)
    assert made.service.drive(new).status == "success"
    assert made.site() == "version 1"
    made.service.thaw("shop.production")
    assert made.service.summary(made.release("4")).status == "success"


def test_a_held_node_can_be_let_through(shop: Make) -> None:
    made = shop()
    made.release("1")
    made.service.freeze("shop.production", until=4e9, reason="audit", by="lead@example.com")
    run = made.create("2")
    made.service.drive(run, until="wait")
    for node in ("migrate", "web", "config"):
        made.service.let_pass(run, node, by="lead@example.com", reason="agreed")
        made.service.drive(run, until="wait")
    assert made.service.summary(run).status == "success"
    assert made.site() == "version 2"


def test_the_stage_says_what_is_on_it(shop: Make) -> None:
    made = shop()
    made.release("1")
    two = made.release("2")
    view = made.service.stages()[0]
    web = next(h for h in view.resources if h.resource.startswith("web"))
    assert view.stage == "shop.production"
    assert web.run == two
    assert view.versions[two] == "2"
    assert view.last is not None
    assert view.last.run == two


def test_a_rollback_that_would_leave_something_out_does_not_begin(shop: Make) -> None:
    made = shop()
    one = made.release("1")
    made.release("2")
    held = made.create("3")
    made.service.freeze("shop.production", until=4e9, reason="audit", by="lead@example.com")
    made.service.drive(held, until="wait")
    new = made.service.rollback(one, by="lead@example.com", cancel_running=True)
    assert new is not None
    journal = made.service.journal
    length = made.service.summary(held).length
    late = [
        ev.AttemptStarted("config", 1, "k"),
        ev.Intended("config", 1, "file late@production", None, "sha256:0"),
    ]
    journal.transact(held, length, late, 1.0)  # what it did before it took note
    assert made.service.drive(new).status == "cancelled"
    assert "file late@production" in made.service.why(new)[-1].text
    assert made.service.summary(held).concluded, "it was ended first"
    assert made.site() == "version 2"
    assert journal.notes("quarantine") == {}, "nothing was taken away"
    again = made.service.rollback(one, by="lead@example.com")
    assert made.service.drive(again).status == "success"


def test_a_release_never_takes_a_rollback_away(shop: Make) -> None:
    made = shop()
    made.flow.write_text(made.flow.read_text().replace("concurrency queue", "concurrency latest"))
    one = made.release("1")
    made.release("2")
    new = made.service.rollback(one, by="lead@example.com")
    late = made.create("3")
    assert made.service.summary(new).status == "pending"
    assert made.service.drive(new).status == "success"
    assert made.service.drive(late).status == "success"
    assert made.site() == "version 3"
