"""Server-sent events: live, resumed, cut off; and waiting for a run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from rflow.server.core import Server

from .api import GATED, HELLO, Api
from .conftest import Place

CHATTY = """
flow chatty {
  node talk: sh { script = "for i in $(seq 1 2000); do echo line $i; done"  pure }
  node more: sh after talk { script = "echo more"  pure }
}
"""


class Sent(NamedTuple):
    """A part of a stream as it came."""

    event: str
    body: Any
    id: str


def parts(answer: httpx.Response) -> Iterator[Sent]:
    """The parts of a stream."""
    event, id, body = "", "", ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        match name:
            case "event":
                event = value
            case "id":
                id = value
            case "data":
                body = value
            case "" if event:
                yield Sent(event, json.loads(body), id)
                event, id, body = "", "", ""


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("flows.rflow", HELLO + GATED + CHATTY)
    found = Api(*listening())
    yield found
    found.close()


def all_of(api: Api, run: str, last: str = "") -> list[Sent]:
    headers = {"Last-Event-ID": last} if last else {}
    with api("view").stream("GET", f"/runs/{run}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [*parts(answer)]


def lines(sent: list[Sent]) -> list[str]:
    return [line["text"] for part in sent if part.event == "log" for line in part.body["lines"]]


def test_a_run_is_followed_from_its_beginning_to_its_end(api: Api) -> None:
    run = api.start("chatty")
    sent = all_of(api, run)
    assert sent[-1].event == "end"
    assert sent[-1].body == {"status": "success"}
    records = [part.body["number"] for part in sent if part.event == "record"]
    assert records == [*range(1, len(records) + 1)]
    assert lines(sent) == [*(f"line {i}" for i in range(1, 2001)), "more"]
    kinds = [part.body["kind"] if part.event == "record" else part.event for part in sent]
    assert kinds.index("log") < kinds.index("AttemptSucceeded")


def test_a_stream_goes_on_from_any_of_its_parts(api: Api) -> None:
    run = api.start("chatty")
    sent = all_of(api, run)
    for at, part in enumerate(sent[:-1]):
        rest = all_of(api, run, part.id)
        known = [(p.event, p.body) for p in sent[at + 1 :] if p.event == "record"]
        assert [(p.event, p.body) for p in rest if p.event == "record"] == known
        assert lines(sent[: at + 1]) + lines(rest) == lines(sent)


def test_what_happens_is_told_while_it_happens(api: Api) -> None:
    run = api.start("release")
    with api("view").stream("GET", f"/runs/{run}/events") as answer:
        for part in parts(answer):
            if part.event == "record" and part.body["kind"] == "ApprovalAsked":
                said = {"decision": "approve"}
                assert api("approve").post(f"/runs/{run}/decisions", json=said).is_success
            if part.event == "end":
                assert part.body == {"status": "success"}
                break


def test_all_runs_are_told_of(api: Api) -> None:
    with api("view").stream("GET", "/events") as answer:
        told = parts(answer)
        run = api.start("hello")
        seen = [part.body["status"] for part in told_until(told, run, "success")]
    assert seen[-1] == "success"


def told_until(told: Iterator[Sent], run: str, status: str) -> Iterator[Sent]:
    for part in told:
        assert part.event == "run"
        if part.body["run"] == run:
            yield part
            if part.body["status"] == status:
                return


@pytest.mark.parametrize("last", ["x", "-1", "1.x", "1.bnVsbA", "9" * 50, "1." + "A" * 1000])
def test_a_position_that_is_none_is_refused(api: Api, last: str) -> None:
    run = api.start("hello")
    answer = api("view").get(f"/runs/{run}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 422


def test_a_run_that_is_not_there_has_no_events(api: Api) -> None:
    assert api("view").get("/runs/zzzzzzzz/events").status_code == 404
    assert api("view").get("/runs/zzzzzzzz", params={"wait": 60}).status_code == 404


def test_many_who_wait_hold_no_thread(api: Api) -> None:
    run = api.start("release")
    before = threading.active_count()
    streams = []
    with httpx.Client(
        base_url=f"{api.url}/api/v1",
        headers={"Authorization": f"Bearer {api.secrets['view']}"},
        limits=httpx.Limits(max_connections=200),
        timeout=60,
    ) as client:
        for _ in range(100):
            request = client.build_request("GET", f"/runs/{run}/events")
            streams.append(client.send(request, stream=True))
        first = [next(parts(stream)) for stream in streams]
        assert {part.event for part in first} == {"record"}
        assert threading.active_count() - before <= 45  # the pool for reading, not one each
        assert api("view").get(f"/runs/{run}").status_code == 200
        for stream in streams:
            stream.close()


def test_a_revoked_token_ends_its_streams(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rflow.server.routes_events.BEAT_S", 0.05)
    run = api.start("release")
    made = api().post("/tokens", json={"name": "ci", "role": "view"}).json()
    headers = {"Authorization": f"Bearer {made['secret']}"}
    with api(None).stream("GET", f"/runs/{run}/events", headers=headers) as answer:
        told = parts(answer)
        next(told)
        api().delete(f"/tokens/{made['token']['id']}")
        assert all(part.event != "end" for part in told)


def test_waiting_ends_with_the_time(api: Api) -> None:
    run = api.start("release")
    found = api("view").get(f"/runs/{run}", params={"wait": 0.2}).json()
    assert not found["concluded"]
