"""Calls of a flow's webhook, over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rflow.runner.line import PAUSE
from rflow.runner.secrets import Key
from rflow.server import deliveries, webhooks
from rflow.server.calling import CALLING, HOST, resolve_cut_off
from rflow.server.core import Server
from rflow.server.deliveries import Incoming
from rflow.server.hooks import Limiter
from rflow.server.starting import Fired, start
from rflow.server.webhooks import Made, signature

from .conftest import Place, Repository, wait_for

FLOW = """
flow release {
  arg replicas: int = 2
  arg version: string = "1"
  arg canary: bool = false
  arg token: secret?
  trigger hook: webhook
  trigger main: git { repo = "%s"  branches = ["main"] }
  node build: sh { script = "echo $<args.version>" pure }
}
"""


class Called:
    """A server with a webhook of the flow `release`."""

    def __init__(self, server: Server, url: str, repository: Repository) -> None:
        self.server, self.url, self.repository = server, url, repository
        self.made = self.make()
        self.at = f"{url}/release-flows/{self.made.token}"

    def make(self, **options: Any) -> Made:
        key = Key(self.server.state.key)
        return webhooks.create(
            self.server.store,
            key,
            "flow",
            "release",
            trigger="hook",
            by="oncall@example.com",
            **options,
        )

    def get(self, **params: str) -> httpx.Response:
        return httpx.get(self.at, params=params, timeout=30)

    def post(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return httpx.post(self.at, json=body, headers=headers, timeout=30)

    def created(self, answer: httpx.Response) -> Any:
        assert answer.status_code == 201, answer.text
        return self.server.services.here().fold(answer.json()["run"]).created


@pytest.fixture
def called(
    place: Place, listening: Callable[..., tuple[Server, str]], repository: Repository
) -> Called:
    repository.commit("one")
    place.write("release.rflow", FLOW % repository.folder)
    server, url = listening()
    return Called(server, url, repository)


def test_a_call_starts_a_run_and_its_end_can_be_waited_for(called: Called) -> None:
    answer = called.get(replicas="3", version="3.10", name="from CI", description="a fix")

    body = answer.json()
    created = called.created(answer)
    assert created.args == {"replicas": 3, "version": "3.10", "canary": False, "token": None}
    assert (created.name, created.description) == ("from CI", "a fix")
    assert created.triggers["hook"] == {"name": "from CI", "description": "a fix"}
    assert created.by == f"webhook {called.made.webhook.id}"
    assert body["url"].endswith(f"/runs/{body['run']}")
    path = body["status_url"].partition("/release-flows/")[2]
    ended = httpx.get(f"{called.url}/release-flows/{path}?wait=60", timeout=90).json()
    assert (ended["status"], ended["concluded"]) == ("success", True)


def test_a_trigger_that_did_not_fire_has_the_head_of_its_branch(called: Called) -> None:
    created = called.created(called.get())

    assert created.triggers["main"]["sha"] == called.repository.git("rev-parse", "HEAD")


def test_values_of_a_trigger_may_be_given_with_dots_and_slashes_escaped(called: Called) -> None:
    called.repository.git("checkout", "-q", "-b", "release/1")
    sha = called.repository.commit("two")

    answer = httpx.get(f"{called.at}?main%2Ebranch=release%2F1&name=a%20b", timeout=30)

    created = called.created(answer)
    assert created.triggers["main"]["branch"] == "release/1"
    assert created.triggers["main"]["sha"] == sha


def test_a_pull_request_is_its_head(called: Called) -> None:
    sha = called.repository.commit("two")
    called.repository.git("update-ref", "refs/pull/7/head", sha)

    created = called.created(called.post({"main.pullRequestId": 7}))

    assert created.triggers["main"]["pull_request"] == 7
    assert created.triggers["main"]["sha"] == sha


def test_a_form_is_taken_as_well(called: Called) -> None:
    answer = httpx.post(called.at, data={"replicas": "4", "canary": "true"}, timeout=30)

    created = called.created(answer)
    assert (created.args["replicas"], created.args["canary"]) == (4, True)


def test_json_has_types_of_its_own(called: Called) -> None:
    created = called.created(called.post({"replicas": 5, "canary": True}))

    assert (created.args["replicas"], created.args["canary"]) == (5, True)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"replicas": "three"}, "the argument `replicas` is not of type `int`"),
        ({"replica": "3"}, "the flow `release` has no argument `replica`"),
        ({"canary": "yes"}, "the argument `canary` is not of type `bool`"),
        ({"other.branch": "main"}, "there is no git trigger `other`"),
        ({"main.colour": "red"}, "a trigger takes branch, sha, pullRequestId, repoUrl"),
        ({"main.repoUrl": "https://elsewhere.example.com/x"}, "the trigger lists only"),
        ({"main.sha": "--upload-pack=x"}, "it is no commit"),
        ({"main.branch": "-x"}, "it is no name of a branch"),
        ({"main.pullRequestId": "1; rm"}, "it is no number"),
        ({"main.pullRequestId": "99"}, "its commit is not known"),
        ({"main.branch": "nowhere"}, "has no branch `nowhere`"),
        ({"name": "x" * 300}, "`name` is a text of at most 200 characters"),
        ({"name": "last"}, "a run cannot be called `last`"),
    ],
)
def test_what_is_not_accepted_is_refused_with_what_is(
    called: Called, params: dict[str, str], told: str
) -> None:
    answer = called.get(**params)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert told in json.dumps(body, ensure_ascii=False)
    assert {"name": "replicas", "type": "int", "required": False} in body["accepted"]["arguments"]
    assert "main.pullRequestId" in body["accepted"]["triggers"]
    assert "`--" not in answer.text
    assert called.server.services.here().runs() == []


def test_the_repository_that_the_trigger_lists_may_be_named(called: Called) -> None:
    answer = called.get(**{"main.repoUrl": f"file://{called.repository.folder}"})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b"<a/>", "application/xml", 415),
        (b"&".join(b"a%d=1" % n for n in range(500)), "application/x-www-form-urlencoded", 422),
    ],
)
def test_a_body_that_cannot_be_read(called: Called, content: bytes, kind: str, status: int) -> None:
    answer = httpx.post(called.at, content=content, headers={"content-type": kind}, timeout=30)

    assert answer.status_code == status


def test_a_parameter_that_is_given_twice_is_refused(called: Called) -> None:
    assert httpx.get(f"{called.at}?replicas=1&replicas=2", timeout=30).status_code == 422
    twice = httpx.post(f"{called.at}?replicas=1", json={"replicas": 2}, timeout=30)
    assert twice.json()["title"] == "`replicas` is given twice"


def test_a_paused_flow_answers_202_and_says_so(called: Called) -> None:
    note: dict[str, Any] = {"by": "oncall@example.com", "reason": "", "at": 1.0}
    called.server.services.here().journal.put_note(PAUSE, "release", note)

    answer = called.get()

    assert answer.status_code == 202
    assert answer.json()["paused"] is True
    assert "paused by oncall@example.com" in answer.json()["message"]
    assert called.server.services.here().runs() == []


def test_one_key_is_one_run(called: Called) -> None:
    key = {"Idempotency-Key": "build-17"}

    first = called.post({"replicas": 3}, **key)
    again = called.post({"replicas": 3}, **key)
    other = called.post({"replicas": 4}, **key)

    assert first.status_code == again.status_code == 201
    assert first.json()["run"] == again.json()["run"]
    assert other.status_code == 422
    assert len(called.server.services.here().runs()) == 1


def test_one_key_sent_at_once_is_one_run(called: Called) -> None:
    answers: list[httpx.Response] = []

    def call() -> None:
        answers.append(called.post({}, **{"Idempotency-Key": "build-18"}))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(called.server.services.here().runs()) == 1


def test_a_key_of_a_call_that_was_refused_can_be_used_again(called: Called) -> None:
    key = {"Idempotency-Key": "build-19"}

    assert called.post({"replicas": "many"}, **key).status_code == 422
    assert called.post({"replicas": 3}, **key).status_code == 201


def test_a_call_is_a_delivery_without_secrets(called: Called) -> None:
    answer = called.post({"token": "hunter-2-hunter", "replicas": 3})

    id = answer.json()["delivery"]
    (told,) = deliveries.verdicts(called.server.store, id)
    assert (told.outcome, told.run) == ("started", answer.json()["run"])
    assert b"hunter-2" not in deliveries.body(called.server.store, id)
    service, run = called.server.services.here(), answer.json()["run"]
    wait_for(lambda: (service.summary(run).concluded and not service.journal.claimed(run)) or None)
    for path in called.server.state.root.rglob("*"):
        if path.is_file():
            assert b"hunter-2-hunter" not in path.read_bytes()
            assert called.made.token.encode() not in path.read_bytes()


def test_a_token_that_is_unknown_rotated_or_revoked_is_not_found(called: Called) -> None:
    store, key = called.server.store, Key(called.server.state.key)

    assert httpx.get(f"{called.url}/release-flows/nothing").status_code == 404
    fresh = webhooks.rotate(store, key, called.made.webhook.id)
    assert called.get().status_code == 404
    called.at = f"{called.url}/release-flows/{fresh.token}"
    assert called.get().status_code == 201
    webhooks.revoke(store, called.made.webhook.id)
    assert called.get().status_code == 404


def test_a_signed_webhook_takes_only_signed_calls(called: Called) -> None:
    made = called.make(signed=True)
    at = f"{called.url}/release-flows/{made.token}"
    body = b'{"replicas": 3}'
    sent = {"content-type": "application/json"}
    signed = {**sent, "x-rflow-signature": signature(made.signing, b"version=2", body)}

    assert httpx.post(at, content=body, headers=sent).status_code == 401
    assert httpx.post(at, content=body, headers=signed).status_code == 401
    assert httpx.post(f"{at}?version=2", content=body, headers=signed).status_code == 201
    assert httpx.post(f"{at}?version=3", content=body, headers=signed).status_code == 401


def test_a_webhook_may_be_called_so_often(called: Called) -> None:
    called.at = f"{called.url}/release-flows/{called.make(rate=2).token}"

    statuses = [called.get(replicas="x").status_code for _ in range(3)]
    last = called.get()

    assert statuses == [422, 422, 429]
    assert int(last.headers["retry-after"]) >= 1


def test_the_rate_is_given_back_with_time() -> None:
    limiter = Limiter()

    assert [limiter.wait_s("a", 2, 0.0) for _ in range(3)] == [0.0, 0.0, 30.0]
    assert limiter.wait_s("b", 2, 0.0) == 0.0
    assert limiter.wait_s("a", 2, 29.0) == pytest.approx(1.0)
    assert limiter.wait_s("a", 2, 31.0) == 0.0


def test_a_run_of_another_flow_is_not_shown(called: Called, place: Place) -> None:
    place.write("other.rflow", 'flow other { node a: sh { script = "true" pure } }')
    called.server.catalog.refresh()
    run = place.create(called.server, "other")

    assert httpx.get(f"{called.at}/runs/{run}").status_code == 404


def test_a_flow_that_is_running_already_is_a_conflict(called: Called, place: Place) -> None:
    place.write(
        "release.rflow",
        """flow release {
  concurrency forbid
  trigger hook: webhook
  approve gate { within 1h else reject }
}""",
    )
    called.server.catalog.refresh()

    assert called.get().status_code == 201
    answer = called.get()
    assert answer.status_code == 409
    assert "is running already" in answer.json()["title"]


def test_an_answer_is_kept_by_nobody(called: Called) -> None:
    answer = called.get()

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("started", [True, False])
def test_a_call_that_the_server_ended_in_the_middle_of_says_what_became_of_it(
    place: Place, repository: Repository, started: bool
) -> None:
    repository.commit("one")
    place.write("release.rflow", FLOW % repository.folder)
    server = place.open()
    try:
        key = Key(server.state.key)
        made = webhooks.create(
            server.store, key, "flow", "release", trigger="hook", by="oncall@example.com"
        )
        incoming = Incoming(HOST, made.webhook.id, "k", "call", {}, b"{}")
        id, _ = deliveries.keep(server.store, incoming, state=CALLING)
        served = server.catalog.flow("release")
        assert served is not None
        if started:
            start(server, Fired(served, "hook", "webhook", id, 0, {}, "dev@example.com"))

        resolve_cut_off(server)

        found = deliveries.find(server.store, id)
        assert found.state == "done"
        assert "cut off before it was answered" in found.note
        runs = [told.run for told in deliveries.verdicts(server.store, id)]
        assert runs == [run.run for run in server.services.here().runs()]
        assert bool(runs) is started
    finally:
        server.close()
