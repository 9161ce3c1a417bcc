"""Runs over the API: started, watched, decided on, ended, run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from rflow.server.core import Server

from .api import GATED, HELLO, Api
from .conftest import Place, wait_for


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("hello.rflow", HELLO)
    place.write("release.rflow", GATED)
    found = Api(*listening())
    yield found
    found.close()


def gate(api: Api, run: str) -> dict[str, object]:
    """The gate of a run, as soon as it waits."""

    def look() -> dict[str, object] | None:
        items = api("view").get("/approvals").json()["items"]
        return next((item for item in items if item["run"]["run"] == run), None)

    return wait_for(look)


def test_a_run_is_started_and_ends(api: Api) -> None:
    run = api.start("hello", who="you")
    assert api.ended(run) == "success"
    assert api("view").get(f"/runs/{run}").json()["by"] == "run@example.com"
    view = api("view").get(f"/runs/{run}/view").json()
    assert [node["status"] for node in view["nodes"]] == ["success"]
    log = api("view").get(f"/runs/{run}/log", params={"node": "greet"}).json()
    assert [line["text"] for line in log["lines"]] == ["hello you"]


def test_a_gate_is_approved_by_who_may(api: Api) -> None:
    run = api.start("release")
    asked = gate(api, run)
    assert asked["gate"] == "go_live"
    assert "approve@example.com" in str(asked["why_not"])
    said = {"decision": "approve", "node": "go_live"}
    refused = api("run").post(f"/runs/{run}/decisions", json=said)
    assert refused.status_code == 403
    not_counted = api("admin").post(f"/runs/{run}/decisions", json=said)
    assert not_counted.status_code == 409, not_counted.text
    assert not_counted.json()["code"] == "RF934"
    done = api("approve").post(f"/runs/{run}/decisions", json=said)
    assert done.status_code == 200, done.text
    assert api.ended(run) == "success"


def test_a_release_is_gone_back_to(api: Api) -> None:
    runs = []
    for text in ("one", "two"):
        run = api.start("release", text=text)
        gate(api, run)
        api("approve").post(f"/runs/{run}/decisions", json={"decision": "approve"})
        assert api.ended(run) == "success"
        runs.append(run)
    planned = api("view").get(f"/runs/{runs[0]}/rollback").json()
    assert [step["origin"] for step in planned["steps"]] == ["own"]
    back = api("approve").post(f"/runs/{runs[0]}/rollback", json={"reason": "slow"})
    assert back.status_code == 201, back.text
    assert api.ended(back.json()["run"]) == "success"
    site = api.server.catalog.root / "site.txt"
    assert site.read_text() == "one"
    stage = api("view").get("/stages/shop.production").json()
    assert [*stage["quarantine"]] == [runs[1]]
    assert api("approve").post(f"/runs/{runs[1]}/lift", json={"reason": "ok"}).status_code == 204


def test_a_run_is_cancelled(api: Api) -> None:
    run = api.start("release")
    gate(api, run)
    assert api("run").post(f"/runs/{run}/cancel").status_code == 200
    assert api.ended(run) == "cancelled"
    again = api("run").post(f"/runs/{run}/cancel", json={})
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["code"] == "RF932"
