"""Stages, releases, freezes, quarantine and approvals, as they are looked at and said."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from rflow.cli import entry, line
from rflow.cli.failure import Failure
from rflow.plugins.host import Host
from rflow.runner.events import Reason
from rflow.runner.service import Service
from rflow.runner.why import sentence

from .conftest import Rflow
from .shop import LEAD, Shop
from .terminal_emulator import in_terminal


def test_stages_stand_side_by_side_where_there_is_room(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    staged = shop.create("2", "stage")
    one = shop.release("1")
    wide = shop.done("stages", COLUMNS="120").splitlines()
    assert wide[0].split() == ["shop.staging", "shop.production"]
    assert staged in wide[1]
    assert one in wide[1]
    narrow = shop.done("stages", "shop", COLUMNS="60").splitlines()
    assert narrow.index("shop.production") > narrow.index("shop.staging")
    found = {view["stage"]: view for view in shop.json("stages")}
    (web,) = found["shop.production"]["resources"]
    assert web["version"] == "1"
    assert web["run"] == one
    assert web["doubt"] is False
    assert found["shop.production"]["last"]["run"] == one


def test_what_is_not_there_is_said(rflow: Rflow, tmp_path: Path, hello: Path) -> None:
    assert rflow("run", "hello.rflow", "--yes").returncode == 0
    assert "no run was created for a stage yet" in rflow("stages").stderr
    assert "no run was created for a stage yet" in rflow("releases").stderr
    shop = Shop(tmp_path, rflow)
    shop.create("1", "stage")
    assert "did you mean `shop`?" in rflow("stages", "shap").stderr
    wrong = rflow("releases", "stagin")
    assert wrong.returncode == entry.USAGE
    assert "error[RF951]" in wrong.stderr
    assert "did you mean `staging`?" in wrong.stderr


def test_releases_say_why_not(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one = shop.release("1")
    waits = shop.create("2")
    lines = shop.done("releases", "production").splitlines()
    assert lines[1].split()[:2] == ["no", waits]
    assert lines[2].strip() == "it has not ended"
    assert lines[3].split()[:2] == ["yes", one]
    more = rflow("releases", "production", "--limit", "1")
    assert "there are more" in more.stderr


def test_versions_of_releases_are_whole_in_a_terminal(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    (tmp_path / "app-e12a845a0578").mkdir()
    shop.release("e12a845a0578")
    lines = shop.done("releases", "production", COLUMNS="80").splitlines()
    assert "e12a845a0578" in lines[1]
    assert max(map(len, lines)) <= 80


def test_a_freeze_holds_and_one_node_passes(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    shop.release("1")
    said = shop.done("freeze", "production", "--until", "2h", "--reason", "audit", "--as", LEAD)
    assert said.startswith("shop.production is frozen until ")
    assert "frozen until" in shop.done("stages")
    assert f"by {LEAD}: audit" in shop.done("stages", COLUMNS="120")
    run = shop.create("2")
    shop.done("approve", run, "--as", LEAD)
    drive(shop, run)
    passed = shop.done("pass", run, "--reason", "agreed")
    assert passed.startswith(f"migrate of run {run} is let through as ")
    drive(shop, run)
    assert shop.json("show", run, "migrate")["view"]["status"] == "success"
    assert shop.json("show", run, "web")["view"]["status"] == "waiting"
    wrong = rflow("pass", run, "image", "--reason", "agreed")
    assert "error[RF952]" in wrong.stderr
    ended = shop.done("thaw", "production", "--as", "lead@example.com")
    assert ended == "shop.production is not frozen any more\n"
    said = [(one["who"], one["action"], one["object"]) for one in shop.json("audit")]
    assert said[0] == ("lead@example.com", "stage.thaw", "shop.production")
    assert said[1] == (LEAD, "stage.freeze", "shop.production")
    assert rflow("thaw", "production").returncode == entry.USAGE
    shop.done("resume", run)
    assert shop.site() == "version 2"


def drive(shop: Shop, run: str) -> None:
    """Go on until the run waits."""
    service = service_of(shop)
    service.drive(run, until="wait")
    service.close()


def service_of(shop: Shop) -> Service:
    """The runner beneath the commands."""
    return Service.open(shop.folder / ".rflow", Host.load())


def test_quarantine_is_lifted(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one, two = shop.release("1"), shop.release("2")
    shop.done("rollback", one, "--yes", "--reason", "slow")
    assert f"quarantine of what {two} brought" in shop.done("stages", COLUMNS="120")
    assert rflow("release", "lift", two).returncode == entry.USAGE, "it needs a reason"
    said = shop.done("release", "lift", two, "--reason", "it was the network")
    assert said.startswith(f"what run {two} brought may be released again")
    assert "quarantine" not in shop.done("stages")
    again = rflow("release", "lift", two, "--reason", "once more")
    assert "error[RF952]" in again.stderr
    assert rflow("release").returncode == entry.USAGE


@pytest.mark.parametrize("bad", ["", "2x", "soon", "2026-13-01", "25:00", "-1h"])
def test_a_time_that_is_none(bad: str) -> None:
    with pytest.raises(Failure, match="neither a length nor a time"):
        line.moment(bad, 0.0)


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = 1_770_000_000.0  # 2026-02-02 03:40 local
        assert line.moment("1h30m", now) == now + 5400
        assert line.moment("2d", now) == now + 2 * 86400
        assert line.moment("04:00", now) == now + 1200
        assert line.moment("03:00", now) == now - 2400 + 86400, "tomorrow"
        assert line.moment("2026-02-02 04:00", now) == now + 1200
        assert line.moment("2026-02-02T03:00:00Z", now) == now + 1200
        reason = Reason("window-closed", {"opens": now, "windows": []})
        assert "2026-02-02 03:40:00 +0100" in sentence(reason), "as all times are shown"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_freeze_that_is_past(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    shop.create("1", "stage")
    result = rflow("freeze", "--until", "2020-01-01 10:00", "--reason", "late")
    assert result.returncode == entry.USAGE
    assert "is past" in result.stderr


def test_a_stage_without_a_run_is_frozen_by_its_whole_name(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    shop.create("1", "stage")
    until = ("--until", "2h", "--reason", "audit", "--as", LEAD)
    assert rflow("freeze", "production", *until).returncode == entry.USAGE
    early = rflow("freeze", "shop.production", *until)
    assert early.returncode == 0, early.stderr
    assert "no run was created for shop.production yet" in early.stderr
    run = shop.create("2")
    shop.done("approve", run, "--as", LEAD)
    drive(shop, run)
    assert shop.json("show", run, "migrate")["view"]["status"] == "waiting"
    assert shop.done("thaw", "shop.production") == "shop.production is not frozen any more\n"


def test_the_inbox(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    assert rflow("approvals").returncode == entry.USAGE, "there is no state yet"
    run = shop.create("2")
    text = shop.done("approvals")
    assert f"go_live of run v2 ({run}), release for shop.production" in text
    assert "managers: 0 of 1" in text
    assert "migrate  sh  kept: adds only" in text
    assert "arguments  version = 2" in text
    assert "image.artifact = " in text
    assert "dev@example.com is not among those who may approve" in text
    assert f"rflow approve {run} go_live --as {LEAD}" in shop.done("approvals", "--as", LEAD)
    (asked,) = shop.json("approvals")
    assert asked["you_may"] is False
    assert [node["node"] for node in asked["behind"]] == ["migrate", "web"]
    shop.done("approve", run, "--as", LEAD)
    shop.done("resume", run)
    assert "nothing waits" in rflow("approvals").stderr


@pytest.mark.parametrize(("typed", "decided"), [("y", True), ("n", False)])
def test_a_decision_shows_what_it_is_about(
    rflow: Rflow, tmp_path: Path, environment: dict[str, str], typed: str, decided: bool
) -> None:
    shop = Shop(tmp_path, rflow)
    run = shop.create("2")
    code, screen = in_terminal(
        [sys.executable, "-m", "rflow.cli", "approve", "--as", LEAD],
        80,
        30,
        answers=[(f"Approve go_live as {LEAD}? [y/N] ", f"{typed}\r")],
        cwd=tmp_path,
        env={**environment, "NO_COLOR": "1"},
    )
    assert code == 0
    assert "behind it  migrate" in screen.text
    assert (f"approved go_live of run {run}" in screen.text) is decided
    assert ("nothing was decided" in screen.text) is not decided


def test_gc(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one = shop.release("1")
    shop.release("2")
    planned = shop.json("gc", "--plan", "--days", "0", "--keep-runs", "0")
    assert planned["goes"] == []
    assert all(kept["why"] for kept in planned["stays"])
    assert [folder["run"] for folder in planned["folders"]] == [one]
    asked = rflow("gc", "--days", "0", "--keep-runs", "0")
    assert asked.returncode == entry.USAGE
    assert "add `--yes`" in asked.stderr
    done = rflow("gc", "--days", "0", "--keep-runs", "0", "--yes")
    assert "removed the folder of 1 run" in done.stderr
    assert "nothing that nobody needs" in shop.done("gc", "--days", "0", "--keep-runs", "0")
    shop.done("rollback", one, "--yes")
    assert shop.site() == "version 1"


def test_what_has_changed_since_it_was_asked_is_shown(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    run = shop.create("2")
    shop.done("cancel", run)
    assert rflow("resume", run).returncode == entry.RUN_FAILED
    service = service_of(shop)
    service.retry(run, "migrate", {"web": {"target": "elsewhere"}}, by="dev@example.com")
    service.drive(run, until="wait")
    service.close()
    text = shop.done("approvals")
    assert "asked again (2), since this has changed:" in text
    assert "web.target: as the flow says → elsewhere" in text


def test_a_process_that_ends_at_once_is_noticed(
    rflow: Rflow, hello: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    result = rflow("run", "hello.rflow", "--yes", "--detach")
    assert result.returncode == entry.RUN_FAILED
    assert "has ended: it said nothing" in result.stderr
    assert "rflow resume" in result.stderr
