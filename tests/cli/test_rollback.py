"""`rflow rollback` as a release engineer types it: the plan, what is refused, what is done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rflow.cli import entry
from rflow.cli.cells import cells

from .conftest import Rflow
from .shop import LEAD, Shop
from .terminal_emulator import in_terminal


def test_a_plan_touches_nothing(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one, two = shop.release("1"), shop.release("2")
    text = shop.done("rollback", one, "--plan", COLUMNS="120")
    assert f"shop.production back to v1 ({one})" in text
    web = next(line for line in text.splitlines() if line.startswith("  web"))
    assert web.split()[0] == "web"
    assert "(2)" in web
    assert "(1)" in web
    assert "deploy.directory" in web
    assert f"migrate of run {two}: keep, adds only" in text
    assert shop.site() == "version 2"
    planned = shop.json("rollback", one, "--plan")
    assert [step["resource"] for step in planned["steps"]] == ["web@production"]
    assert planned["unacknowledged"] == []


def test_back_and_twice_is_once(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one, two = shop.release("1"), shop.release("2")
    result = rflow("rollback", one, "--yes", "--reason", "v2 is slow", "--as", LEAD)
    assert result.returncode == 0, result.stderr
    assert f"confirmed by {LEAD}" in result.stderr
    assert shop.site() == "version 1"
    new = shop.json("runs", "--limit", "1")[0]
    assert new["kind"] == "rollback"
    assert f"{new['run']} ↩" in shop.done("runs")
    shown = shop.done("show")
    assert f"back to    v1 ({one})" in shown
    assert f"from       v2 ({two})" in shown
    releases = {release["run"]: release for release in shop.json("releases", "production")}
    assert releases[one]["rollbacks"] == [new["run"]]
    assert "quarantine" in releases[two]["why_not"]
    again = rflow("rollback", one, "--yes")
    assert again.returncode == 0
    assert "nothing is done" in again.stderr
    assert shop.json("runs", "--limit", "1")[0]["run"] == new["run"]


def test_what_must_be_acknowledged(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow, contract='irreversible "drops a column"')
    one = shop.release("1")
    shop.release("2")
    assert "(needs --acknowledge migrate)" in shop.done("rollback", one, "--plan", COLUMNS="120")
    refused = rflow("rollback", one, "--yes")
    assert refused.returncode == entry.USAGE
    assert "error[RF949]" in refused.stderr
    slip = rflow("rollback", one, "--yes", "--acknowledge", "migrat")
    assert "did you mean `migrate`?" in slip.stderr
    assert shop.site() == "version 2"
    shop.done("rollback", one, "--yes", "--acknowledge", "migrate")
    assert shop.site() == "version 1"


def test_what_is_no_target_is_refused_with_the_nearest(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one = shop.release("1")
    waits = shop.create("2")
    result = rflow("rollback", waits, "--yes")
    assert result.returncode == entry.USAGE
    assert "it has not ended" in result.stderr
    assert one in result.stderr
    assert "back to which release?" in rflow("rollback").stderr
    nobody = rflow("rollback", one)
    assert nobody.returncode == 0, "there is nothing to do, and nothing to ask"


def test_a_run_on_the_stage_is_cancelled_first(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one = shop.release("1")
    shop.release("2")
    waits = shop.create("3")
    refused = rflow("rollback", one, "--yes")
    assert "error[RF950]" in refused.stderr
    assert "--cancel-running" in refused.stderr
    result = rflow("rollback", one, "--yes", "--cancel-running")
    assert result.returncode == 0, result.stderr
    assert f"run {waits} is cancelled first" in result.stderr
    assert shop.json("show", waits)["status"] == "cancelled"
    assert shop.site() == "version 1"


def test_who_starts_it_has_said_yes(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow, policy="rollback by managers")
    one = shop.release("1")
    shop.release("2")
    assert "asks first: 1 of lead@example.com, oncall@example.com" in shop.done(
        "rollback", one, "--plan"
    )
    text = shop.done("rollback", one, "--yes", "--as", LEAD)
    assert f"approved by {LEAD}: started it" in text
    assert shop.site() == "version 1"


def test_one_resource_by_its_short_name(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one = shop.release("1")
    shop.release("2")
    shop.done("rollback", one, "--yes", "--only", "web")
    assert shop.site() == "version 1"
    unknown = rflow("rollback", one, "--yes", "--only", "wab")
    assert unknown.returncode == entry.USAGE
    assert "no resource `wab`" in unknown.stderr


def test_the_flow_goes_back_as_well(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    old = shop.flow.read_text()
    one = shop.release("1")
    shop.flow.write_text(old + "\n# a newer one\n")
    shop.flow.chmod(0o640)
    shop.release("2")
    result = rflow("rollback", one, "--yes", "--with-flow")
    assert result.returncode == 0, result.stderr
    assert shop.flow.read_text() == old
    assert shop.flow.stat().st_mode & 0o777 == 0o640
    kept = tmp_path / f"release.rflow.before-{one}"
    assert kept.read_text() == old + "\n# a newer one\n"
    assert str(kept) in result.stderr
    again = rflow("rollback", one, "--yes", "--with-flow")
    assert again.returncode == 0
    assert not (tmp_path / f"release.rflow.before-{one}.2").exists()


@pytest.mark.slow
def test_a_rollback_that_failed_goes_on(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one = shop.release("1")
    shop.release("2")
    site = tmp_path / "site"
    site.rename(tmp_path / "away")
    site.write_text("in the way")
    failed = rflow("rollback", one, "--yes")
    assert failed.returncode == entry.RUN_FAILED, failed.stderr
    assert "--resume" in failed.stderr
    site.unlink()
    (tmp_path / "away").rename(site)
    done = rflow("rollback", "--resume", "--yes")
    assert done.returncode == 0, done.stderr
    assert "is left: web" in done.stdout
    assert shop.site() == "version 1"
    nothing = rflow("rollback", one, "--resume", "--yes")
    assert nothing.returncode == 0
    assert "nothing is left" in nothing.stderr


@pytest.mark.slow
def test_an_old_rollback_does_not_undo_a_newer_release(rflow: Rflow, tmp_path: Path) -> None:
    shop = Shop(tmp_path, rflow)
    one = shop.release("1")
    shop.release("2")
    site = tmp_path / "site"
    site.rename(tmp_path / "away")
    site.write_text("in the way")
    assert rflow("rollback", one, "--yes").returncode == entry.RUN_FAILED
    site.unlink()
    (tmp_path / "away").rename(site)
    three = shop.release("3")
    refused = rflow("rollback", "--resume", "--yes")
    assert refused.returncode == entry.USAGE
    assert f"run {three} has changed web@production since" in refused.stderr
    assert shop.site() == "version 3"
    empty = rflow("rollback", three, "--resume")
    assert f"there is no rollback to run {three}" in empty.stderr


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(rflow: Rflow, tmp_path: Path, columns: int) -> None:
    shop = Shop(tmp_path, rflow, contract='irreversible "drops a column"')
    one = shop.release("1")
    shop.release("2")
    shop.create("1", "stage")
    for argv in (
        ["stages"],
        ["releases", "production"],
        ["rollback", one, "--plan"],
        ["gc", "--plan", "--days", "0", "--keep-releases", "1", "--keep-runs", "0"],
        ["show"],
        ["runs"],
    ):
        for line in shop.done(*argv, COLUMNS=str(columns)).splitlines():
            assert cells(line) <= columns or " " not in line.strip(), (argv, line)


@pytest.mark.parametrize(("typed", "after"), [(LEAD, "version 1"), ("y", "version 2")])
def test_a_protected_stage_asks_for_the_name(
    rflow: Rflow, tmp_path: Path, environment: dict[str, str], typed: str, after: str
) -> None:
    shop = Shop(tmp_path, rflow)
    one = shop.release("1")
    shop.release("2")
    code, screen = in_terminal(
        [sys.executable, "-m", "rflow.cli", "rollback", one, "--as", LEAD],
        80,
        30,
        answers=[("Type that name to roll back: ", f"{typed}\r")],
        cwd=tmp_path,
        env={**environment, "NO_COLOR": "1"},
    )
    assert code == 0
    assert f"confirmed by {LEAD}" in screen.text
    assert shop.site() == after
