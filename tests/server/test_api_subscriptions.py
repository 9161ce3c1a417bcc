"""Subscriptions over the API of a server that sends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from rflow.plugins.signing import verify
from rflow.server import audit
from rflow.server.core import Server

from .api import HELLO, Api
from .conftest import Place, wait_for
from .receiver import receiving


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("hello.rflow", HELLO)
    found = Api(*listening())
    yield found
    found.close()


def test_from_the_first_event_to_the_end(api: Api) -> None:
    admin = api("admin")
    with receiving() as receiver:
        made = admin.post("/subscriptions", json={"url": receiver.url, "events": ["run.*"]})
        assert made.status_code == 201, made.text
        assert made.headers["cache-control"] == "no-store"
        id, secret = made.json()["subscription"]["id"], made.json()["secret"]
        api.ended(api.start("hello"))
        ids = [verify(secret, headers, body, time.time()) for _, headers, body in receiver.wait(3)]
        wait_for(lambda: _states(api, id) == {"delivered"})

        first = api("view").get(f"/subscriptions/{id}/deliveries", params={"limit": 2}).json()
        rest = api("view").get(
            f"/subscriptions/{id}/deliveries", params={"limit": 2, "cursor": first["next"]}
        )
        items = [*first["items"], *rest.json()["items"]]
        assert [item["id"] for item in items] == ids[::-1]
        assert rest.json()["next"] is None

        number = items[-1]["number"]
        again = admin.post(f"/subscriptions/{id}/deliveries/{number}/resend")
        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        assert receiver.wait(4)[3][1]["webhook-id"] == ids[0]

        assert admin.post(f"/subscriptions/{id}/test").status_code == 202
        assert json.loads(receiver.wait(5)[4][2])["type"] == "subscription.test"
        assert admin.post(f"/subscriptions/{id}/enable").json()["disabled"] == ""
        assert admin.delete(f"/subscriptions/{id}").status_code == 200
        assert api("view").get("/subscriptions").json()["items"] == []
    log = [entry.action for entry in audit.listed(api.server.store)]
    assert "subscription.add" in log
    assert "token-of-the-hook" not in str(audit.listed(api.server.store))


def _states(api: Api, id: str) -> set[str]:
    found = api("view").get(f"/subscriptions/{id}/deliveries").json()["items"]
    return {item["state"] for item in found}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"url": "http://169.254.169.254/"}, 422, "local link"),
        ({"url": "https://example.com", "events": ["run.ended"]}, 422, "no event `run.ended`"),
        ({"url": "https://example.com", "more": 1}, 422, "not as described"),
        ({}, 422, "not as described"),
    ],
)
def test_what_is_wrong_is_said(api: Api, body: dict[str, object], status: int, said: str) -> None:
    found = api("admin").post("/subscriptions", json=body)
    assert (found.status_code, said in found.json()["title"]) == (status, True)


def test_what_is_not_there(api: Api) -> None:
    admin = api("admin")
    assert admin.get("/subscriptions/nothing/deliveries").status_code == 404
    assert admin.delete("/subscriptions/nothing").status_code == 404
    assert admin.post("/subscriptions/nothing/deliveries/1/resend").status_code == 404
