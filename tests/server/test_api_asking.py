"""Asking things of runs over the API: keys, retries, answers, pauses, saved arguments, the log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from rflow.runner.artifacts_shared import artifact_store
from rflow.server import audit
from rflow.server.core import Server
from rflow.server.tokens import Principal

from .api import GATED, HELLO, Api, contents
from .conftest import Place, serving, wait_for

FRAGILE = """
flow fragile {
  arg flag: string
  node first: sh { script = "echo one"  pure }
  node second: sh after first { script = "test -e $<args.flag>"  pure  retry none }
}
"""
SECRET = """
flow secretive {
  arg password: secret
  node use: sh {
    script = "test ${#PASSWORD} = 7"
    env = { PASSWORD = $<args.password> }
    pure
    retry none
  }
}
"""


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("flows.rflow", HELLO + GATED + FRAGILE + SECRET)
    found = Api(*listening())
    yield found
    found.close()


def waits(api: Api, run: str) -> None:
    wait_for(lambda: api("view").get(f"/runs/{run}").json()["status"] == "waiting" or None)


# -- a key --------------------------------------------------------------------------------------


def test_a_request_with_a_key_starts_one_run(api: Api) -> None:
    def start(_: int) -> tuple[str, bool]:
        answer = api("run").post(
            "/runs", json={"flow": "hello"}, headers={"Idempotency-Key": "deploy 7"}
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["run"], "idempotency-replayed" in answer.headers

    api("run")
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(start, range(24))]
    assert len({run for run, _ in found}) == 1
    assert [again for _, again in found].count(False) == 1
    assert len(api("view").get("/runs").json()["items"]) == 1


def test_a_key_is_for_one_request_of_one_name(api: Api) -> None:
    key = {"Idempotency-Key": "k"}
    first = api("run").post("/runs", json={"flow": "hello"}, headers=key)
    other = api("run").post("/runs", json={"flow": "hello", "name": "x"}, headers=key)
    assert other.status_code == 422
    assert other.json()["code"] == "RF975"
    mine = api("admin").post("/runs", json={"flow": "hello"}, headers=key)
    assert mine.json()["run"] != first.json()["run"]


def test_a_key_outlives_the_server(place: Place) -> None:
    place.write("hello.rflow", HELLO)
    key, runs = {"Idempotency-Key": "k"}, []
    for _ in range(2):
        with serving(place) as (server, url):
            api = Api(server, url)
            runs.append(api("run").post("/runs", json={"flow": "hello"}, headers=key).json()["run"])
            api.close()
    assert runs[0] == runs[1]


# -- again --------------------------------------------------------------------------------------


def test_a_run_goes_on_from_what_failed(api: Api) -> None:
    flag = api.server.catalog.root / "flag"
    run = api.start("fragile", flag=str(flag))
    assert api.ended(run) == "failed"
    preview = api("view").post(f"/runs/{run}/retry/preview").json()
    assert (preview["again"], preview["reused"]) == (["second"], ["first"])
    flag.touch()
    assert api("run").post(f"/runs/{run}/retry").status_code == 200
    assert api.ended(run) == "success"
    again = api("run").post(f"/runs/{run}/rerun")
    assert again.status_code == 201
    assert api.ended(again.json()["run"]) == "success"


def test_a_decision_on_another_question_is_refused(api: Api) -> None:
    run = api.start("release")
    waits(api, run)
    said = {"decision": "approve", "node": "go_live", "round": 7}
    answer = api("approve").post(f"/runs/{run}/decisions", json=said)
    assert answer.status_code == 409
    assert answer.json()["code"] == "RF976"


def test_a_name_is_changed(api: Api) -> None:
    run = api.start("hello")
    api.ended(run)
    before = api("view").get(f"/runs/{run}/view")
    etag = {"If-None-Match": before.headers["etag"]}
    assert api("view").get(f"/runs/{run}/view", headers=etag).status_code == 304
    answer = api("run").patch(f"/runs/{run}", json={"name": "v1.4"})
    assert answer.json()["name"] == "v1.4"
    assert api("view").get(f"/runs/{run}/view", headers=etag).status_code == 200


def test_a_list_comes_in_pages(api: Api) -> None:
    started = [api.start("hello") for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = api("view").get("/runs", params=params).json()
        seen += [run["run"] for run in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        if len(seen) == 3:
            api.start("hello")  # what comes in between moves nothing
    assert seen == started[::-1]


# -- flows --------------------------------------------------------------------------------------


def test_a_flow_is_paused_and_goes_on(api: Api) -> None:
    paused = api("run").put("/flows/hello/pause", json={"reason": "the registry moves"})
    assert paused.json()["paused"]["by"] == "run@example.com"
    assert api.ended(api.start("hello")) == "success"  # people still may
    assert api("run").delete("/flows/hello/pause").json()["paused"] is None
    assert api("run").delete("/flows/hello/pause").status_code == 409


def test_a_saved_argument_holds_for_runs_that_are_given_none(api: Api) -> None:
    assert api().put("/flows/hello/args/who", json={"value": "all"}).status_code == 200
    assert api().put("/flows/hello/args/whom", json={"value": "all"}).status_code == 422
    assert api().put("/flows/hello/args/who", json={"value": [1]}).status_code == 422
    run = api.start("hello")
    api.ended(run)
    log = api("view").get(f"/runs/{run}/log", params={"node": "greet"}).json()
    assert [line["text"] for line in log["lines"]] == ["hello all"]
    assert api().delete("/flows/hello/args/who").json()["saved"] == {}


def test_a_saved_secret_is_sealed_and_shown_to_nobody(api: Api, place: Place) -> None:
    saved = api().put("/flows/secretive/args/password", json={"value": "hunter2"})
    assert saved.json()["saved"] == {"password": "***"}
    assert api.ended(api.start("secretive")) == "success"
    for path, data in contents(place.state):
        assert b"hunter2" not in data, path


def test_what_is_served_and_what_is_refused(api: Api, place: Place) -> None:
    place.write("broken.rflow", "flow broken {")
    wait_for(lambda: api("view").get("/flows").json()["refused"] or None)
    listed = api("view").get("/flows").json()
    assert [flow["flow"] for flow in listed["items"]] == [
        "fragile",
        "hello",
        "release",
        "secretive",
    ]
    assert listed["refused"][0]["path"] == "broken.rflow"
    assert str(place.folder) not in str(listed["refused"][0]["path"])
    source = api("view").get("/flows/hello/source").json()["items"]
    assert "node greet" in source[0]["text"]
    assert api("view").get("/flows/hello/check").json()["items"] == []
    plan = api("view").get("/flows/hello/plan")
    assert plan.json()["flow"] == "hello"


def test_what_is_installed_and_what_codes_there_are(api: Api) -> None:
    plugins = api("view").get("/plugins").json()["items"]
    assert "sh" in plugins[0]["provides"]["nodes"]
    codes = [code["id"] for code in api("view").get("/codes").json()["items"]]
    assert codes == sorted(codes)
    assert {"RF203", "RF602", "RF907", "RF930", "RF972"} <= {*codes}
    assert api().get("/gc").json()["goes"] == []


def test_what_nobody_needs_is_removed(api: Api) -> None:
    store = artifact_store(api.server.state)
    digest = store.put_bytes(b"nobody's")
    os.utime(store.path(digest), (0, 0))
    assert [one["digest"] for one in api().get("/gc").json()["goes"]] == [digest]
    assert [one["digest"] for one in api().post("/gc").json()["goes"]] == [digest]
    assert api().get("/gc").json()["goes"] == []
    assert api().get("/audit").json()["items"][0]["action"] == "gc"


# -- the log ------------------------------------------------------------------------------------


def test_every_change_is_logged_with_its_outcome(api: Api) -> None:
    run = api.start("release", text="hunter2")
    waits(api, run)
    api("admin").post(f"/runs/{run}/decisions", json={"decision": "approve"})
    api("approve").post(
        f"/runs/{run}/decisions", json={"decision": "reject", "comment": "too slow"}
    )
    api.ended(run)
    items = api().get("/audit").json()["items"]
    assert [(e["action"], e["who"], e["outcome"].partition(":")[0]) for e in items] == [
        ("run.reject", "approve@example.com", "done"),
        ("run.approve", "admin@example.com", "refused"),
        ("run.start", "run@example.com", "done"),
    ]
    assert items[0]["detail"] == {"node": "go_live", "comment": "too slow"}
    assert items[2]["detail"]["args"] == ["text"]
    assert "hunter2" not in str(items)
    page = api().get("/audit", params={"limit": 2}).json()
    rest = api().get("/audit", params={"cursor": page["next"]}).json()
    assert page["items"] + rest["items"] == items


def test_a_change_during_which_the_server_ends_is_logged(place: Place) -> None:
    server = place.open()
    try:
        who = Principal("dev@example.com", "admin")
        change = audit.change(server.store, who, "x", "y")
        change.__enter__()
        (entry,) = audit.listed(server.store)
        assert entry.outcome == ""
        with suppress(KeyboardInterrupt):
            change.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        (entry,) = audit.listed(server.store)
        assert entry.outcome == "failed"
    finally:
        server.close()
