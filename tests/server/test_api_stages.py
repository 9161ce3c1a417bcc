"""Stages over the API: rollbacks that are confirmed and bring the flow back, freezes, passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from rflow.server.core import Server

from .api import Api
from .conftest import Place, wait_for

PROTECTED = """
pipeline shop { stage production { protect POLICY } }
flow release for shop.production {
  arg text: string = "one"
  approve go_live { by "approve@example.com"  within 1h else reject }
  node web: file.write after go_live { path = "site.txt"  content = $<args.text> }
}
"""
POLICY = 'rollback by "admin@example.com", "approve@example.com" count 2'


@pytest.fixture
def open_api(
    place: Place, listening: Callable[..., tuple[Server, str]]
) -> Iterator[Callable[[str], Api]]:
    opened: list[Api] = []

    def opening(policy: str) -> Api:
        place.write("release.rflow", PROTECTED.replace("POLICY", policy))
        opened.append(Api(*listening()))
        return opened[-1]

    yield opening
    for api in opened:
        api.close()


def released(api: Api, text: str) -> str:
    """A release that has ended well."""
    run = api.start("release", text=text)
    approved(api, run, "go_live")
    assert api.ended(run) == "success"
    return run


def approved(api: Api, run: str, node: str) -> None:
    said = {"decision": "approve", "node": node}
    wait_for(lambda: api("approve").post(f"/runs/{run}/decisions", json=said).is_success or None)


def site(api: Api) -> str:
    return (api.server.catalog.root / "site.txt").read_text()


def test_a_protected_stage_asks_for_the_name(open_api: Callable[[str], Api]) -> None:
    api = open_api("")
    first, _ = released(api, "one"), released(api, "two")
    for confirm in ("", "run@example.com"):
        refused = api("approve").post(f"/runs/{first}/rollback", json={"confirm": confirm})
        assert refused.status_code == 409
        assert refused.json()["code"] == "RF977"
    assert site(api) == "two"
    done = api("approve").post(f"/runs/{first}/rollback", json={"confirm": "approve@example.com"})
    assert api.ended(done.json()["run"]) == "success"
    assert site(api) == "one"
    again = api("approve").post(f"/runs/{first}/rollback", json={"confirm": "approve@example.com"})
    assert again.json()["run"] is None


def test_several_persons_confirm_where_the_stage_says_so(open_api: Callable[[str], Api]) -> None:
    api = open_api(POLICY)
    first, _ = released(api, "one"), released(api, "two")
    policy = api("view").get(f"/runs/{first}/rollback").json()["policy"]
    assert policy["rollback_count"] == 2
    back = api("approve").post(f"/runs/{first}/rollback", json={}).json()["run"]
    yes = {"decision": "approve", "node": "confirm"}

    def refused() -> bool:  # as soon as the yes of who started it has been taken
        answer = api("approve").post(f"/runs/{back}/decisions", json=yes)
        return not answer.is_success and answer.json()["code"] == "RF934"

    wait_for(refused)
    assert site(api) == "two"
    assert api("admin").post(f"/runs/{back}/decisions", json=yes).is_success
    assert api.ended(back) == "success"
    assert site(api) == "one"


def test_the_flow_comes_back_with_the_release(open_api: Callable[[str], Api], place: Place) -> None:
    api = open_api("")
    first = released(api, "one")
    file = place.folder / "release.rflow"
    before = file.read_text()
    file.write_text(before.replace('= "one"', '= "another"'))
    plan = api("view").get("/flows/release").json()["plan"]
    wait_for(lambda: api("view").get("/flows/release").json()["plan"] != plan or None)
    released(api, "two")
    body = {"confirm": "approve@example.com", "with_flow": True}
    back = api("approve").post(f"/runs/{first}/rollback", json=body).json()["run"]
    assert api.ended(back) == "success"
    wait_for(lambda: file.read_text() == before or None)
    wait_for(lambda: api("view").get("/flows/release").json()["plan"] == plan or None)


def test_a_frozen_stage_lets_one_node_pass(open_api: Callable[[str], Api]) -> None:
    api = open_api("")
    released(api, "one")
    past = {"until": time.time() - 1, "reason": "night"}
    assert api("approve").put("/stages/shop.production/freeze", json=past).status_code == 422
    frozen = {"until": time.time() + 3600, "reason": "night"}
    answer = api("approve").put("/stages/shop.production/freeze", json=frozen)
    assert answer.json()["freeze"]["by"] == "approve@example.com"
    run = api.start("release", text="two")
    approved(api, run, "go_live")
    body = {"node": "web", "reason": "the fix"}
    wait_for(lambda: api("approve").post(f"/runs/{run}/pass", json=body).is_success or None)
    assert api.ended(run) == "success"
    assert api("approve").delete("/stages/shop.production/freeze").json()["freeze"] is None
    assert api("approve").delete("/stages/shop.production/freeze").status_code == 409
    assert api("view").get("/stages/nothing").status_code == 404
    (pipeline,) = api("view").get("/pipelines").json()["items"]
    assert pipeline["pipeline"] == "shop"


def test_no_token_is_in_the_logs(
    open_api: Callable[[str], Api], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    api = open_api("")
    made = api().post("/tokens", json={"name": "ci", "role": "run"}).json()["secret"]
    api(None).get("/me", headers={"Authorization": f"Bearer {made}x"})
    api(None).get("/me", params={"token": made}, headers={"Authorization": f"Bearer {made}"})
    said = [record for record in caplog.records if record.name.startswith(("rflow", "uvicorn"))]
    shown = " ".join(f"{record.getMessage()} {record.__dict__}" for record in said)
    for secret in (made, *api.secrets.values()):
        assert secret not in shown
