"""Messages of git hosts to a real server: kept, worked off, with a verdict of every trigger."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from rflow.runner.line import PAUSE
from rflow.server import deliveries
from rflow.server.config import Config, Repository, SecretRef
from rflow.server.core import Server
from rflow.server.deliveries import Delivery, Told
from rflow.server.following import Followed

from .conftest import Place, wait_for
from .conftest import Repository as GitRepository
from .messages import SECRET, headers, payload

SHOP = "https://github.com/acme/shop.git"
FLOW = """
flow release {
  trigger main: git {
    repo = "https://github.com/acme/shop.git"
    branches = ["main"]
    paths = ["src/**"]
  }
  node build: sh {
    script = "echo v=$<refs.main.sha> > \\"$RFLOW_OUTPUT\\""
    pure
    output v: string
  }
}
"""
Listening = Callable[..., tuple[Server, str]]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A server that hears of the shop, on each of the hosts."""
    secret = tmp_path / "hook-secret"
    secret.write_text(SECRET)
    ref = SecretRef("file", str(secret))
    return Config(
        repositories=(
            Repository(SHOP, "github", webhook_secret=ref),
            Repository("https://gitlab.example.com/acme/shop", "gitlab", webhook_secret=ref),
            Repository("https://git.example.com/acme/shop", "gitea", webhook_secret=ref),
            Repository("https://bitbucket.org/acme/shop", "bitbucket", webhook_secret=ref),
        )
    )


def send(
    url: str, host: str, name: str, *, delivery: str = "d-1", body: bytes | None = None, **bent: Any
) -> httpx.Response:
    """Post a message as its host does; `bent` replaces parts of it."""
    sent = body if body is not None else json.dumps({**payload(host, name), **bent}).encode()
    given = {"content-type": "application/json", **headers(host, name, sent, delivery=delivery)}
    return httpx.post(f"{url}/hooks/{host}", content=sent, headers=given, timeout=30)


def done(server: Server, answer: httpx.Response) -> tuple[Delivery, list[Told]]:
    """A delivery, as soon as it was worked off, and what was said of it."""
    assert answer.status_code == 202, answer.text
    id = answer.json()["delivery"]

    def look() -> Delivery | None:
        found = deliveries.find(server.store, id)
        return found if found.state == "done" else None

    return wait_for(look), deliveries.verdicts(server.store, id)


def test_a_push_starts_a_run_and_the_verdict_says_why(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write("release.rflow", FLOW)
    server, url = listening(config)

    delivery, (told,) = done(server, send(url, "github", "push"))

    assert delivery.event == "push"
    assert (told.flow, told.trigger, told.outcome) == ("release", "main", "started")
    assert [rule.said for rule in told.rules] == ["yes"] * 4
    assert place.ended(server, told.run) == "success"
    created = server.services.here().fold(told.run).created
    assert created.trigger["delivery"] == delivery.id
    assert created.triggers["main"]["sha"] == payload("github", "push")["after"]
    assert created.triggers["main"]["message"] == "Update README.md\n\nNothing else."
    assert created.by == "oncall"


def test_a_rule_that_says_no_is_kept_with_what_it_said(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write("release.rflow", FLOW)
    server, url = listening(config)

    _, (told,) = done(server, send(url, "github", "push-skip-ci"))

    assert (told.outcome, told.run) == ("no", "")
    assert told.why == f"the message of {'f95f852bd8fc'} contains `[skip ci]`"
    assert server.services.here().runs() == []


def test_the_same_delivery_is_the_same_run(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write("release.rflow", FLOW)
    server, url = listening(config)

    first = send(url, "github", "push")
    again = send(url, "github", "push")
    other = send(url, "github", "push", delivery="d-2")
    done(server, other)

    assert first.json()["delivery"] == again.json()["delivery"]
    assert (first.json()["new"], again.json()["new"]) == (True, False)
    assert len(server.services.here().runs()) == 2


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("gitlab", "push"),
        ("gitlab", "merge-request-open"),
        ("gitea", "push"),
        ("bitbucket", "push"),
    ],
)
def test_every_host_is_understood(
    place: Place, listening: Listening, config: Config, host: str, name: str
) -> None:
    repo = next(one.url for one in config.repositories if one.host == host)
    place.write(
        "release.rflow",
        f"""flow release {{
  trigger main: git {{ repo = "{repo}" branches = ["main"] pull_requests = ["**"] }}
  node build: sh {{ script = "true" pure }}
}}""",
    )
    server, url = listening(config)

    _, (told,) = done(server, send(url, host, name))

    assert told.outcome == "started"


def test_what_is_not_signed_is_neither_kept_nor_read(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write("release.rflow", FLOW)
    server, url = listening(config)
    body = json.dumps(payload("github", "push")).encode()
    signed = headers("github", "push", body)

    unsigned = httpx.post(f"{url}/hooks/github", content=body)
    changed = httpx.post(f"{url}/hooks/github", content=body + b" ", headers=signed)
    elsewhere = httpx.post(f"{url}/hooks/gitea", content=body, headers=signed)

    for answer in (unsigned, changed, elsewhere):
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
    assert deliveries.latest(server.store) == []


def test_a_secret_speaks_only_for_its_own_repository(
    place: Place, listening: Listening, config: Config
) -> None:
    server, url = listening(config)
    other = payload("github", "push")["repository"] | {
        "clone_url": "https://github.com/acme/other.git",
        "ssh_url": "git@github.com:acme/other.git",
        "html_url": "https://github.com/acme/other",
    }

    answer = send(url, "github", "push", repository=other)

    assert answer.status_code == 403
    assert deliveries.latest(server.store) == []


@pytest.mark.parametrize("event", ["ping", "membership"])
def test_what_is_about_an_organisation_is_taken(
    place: Place, listening: Listening, config: Config, event: str
) -> None:
    server, url = listening(config)
    greeting = {**payload("github", "ping"), "organization": {"login": "acme"}}
    del greeting["repository"]
    body = json.dumps(greeting).encode()
    sent = {**headers("github", "ping", body), "x-github-event": event}

    delivery, told = done(server, httpx.post(f"{url}/hooks/github", content=body, headers=sent))

    assert (delivery.event, told) == (event, [])
    assert delivery.note in (
        "GitHub says hello: the webhook is connected",
        "no trigger listens to `membership`",
    )


def test_a_push_that_names_no_repository_is_refused(
    place: Place, listening: Listening, config: Config
) -> None:
    server, url = listening(config)

    answer = send(url, "github", "push", repository=None)

    assert answer.status_code == 400
    assert deliveries.latest(server.store) == []


def test_no_signature_and_no_token_is_kept(
    place: Place, listening: Listening, config: Config
) -> None:
    server, url = listening(config)
    done(server, send(url, "gitlab", "push"))
    done(server, send(url, "github", "ping"))

    text = (place.state / "server.db").read_bytes() + (place.state / "server.db-wal").read_bytes()

    assert SECRET.encode() not in text
    assert b"sha256=" not in text


def test_what_starts_nothing_by_its_nature_says_so(
    place: Place, listening: Listening, config: Config
) -> None:
    server, url = listening(config)

    delivery, told = done(server, send(url, "github", "push-branch-deleted"))

    assert told == []
    assert delivery.note == "`old` was deleted"


def test_a_repository_that_no_trigger_listens_to_says_so(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write("release.rflow", FLOW)
    server, url = listening(config)

    delivery, told = done(server, send(url, "gitea", "push"))

    assert told == []
    assert "triggers listen to github.com/acme/shop" in delivery.note


def test_a_paused_flow_starts_nothing_and_says_who_paused_it(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write("release.rflow", FLOW)
    server, url = listening(config)
    body: dict[str, Any] = {"by": "oncall@example.com", "reason": "an outage", "at": 1.0}
    server.services.here().journal.put_note(PAUSE, "release", body)

    _, (told,) = done(server, send(url, "github", "push"))

    assert told.outcome == "paused"
    assert told.why == "the flow is paused by oncall@example.com: an outage"


def test_what_is_missing_for_a_run_is_in_the_verdict(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write(
        "release.rflow",
        """flow release {
  arg note: string
  secret token from env "RFLOW_TEST_NO_SUCH"
  trigger main: git { repo = "https://github.com/acme/shop.git" branches = ["main"] }
  node build: sh { script = "true" env = { T = $<secrets.token> } pure }
}""",
    )
    server, url = listening(config)

    _, (told,) = done(server, send(url, "github", "push"))

    assert told.outcome == "refused"
    assert "the argument `note` is missing" in told.why
    assert "the secret `token` has no value" in told.why


FORKS = """flow release {
  %s
  trigger main: git {
    repo = "https://github.com/acme/shop.git"
    pull_requests = ["**"]
    forks = true
    skip = []
  }
  node build: sh { script = "true" %s pure }
}"""


def test_a_fork_gets_no_secrets(place: Place, listening: Listening, config: Config) -> None:
    secret = 'secret token from env "HOME"'
    place.write("release.rflow", FORKS % (secret, "env = { T = $<secrets.token> }"))
    server, url = listening(config)

    _, (told,) = done(server, send(url, "github", "pull-request-fork"))

    assert told.outcome == "refused"
    assert told.why == "a run of a fork gets no secrets, and the flow has `token`"


def test_files_that_are_not_in_the_message_are_asked_of_the_repository(
    place: Place, listening: Listening, config: Config, repository: GitRepository
) -> None:
    before = repository.commit("one", src__a="1")
    after = repository.commit("two", README="1")
    third = repository.commit("three", src__a="2")
    place.write("release.rflow", FLOW.replace(SHOP, str(repository.folder)))
    secret = config.repositories[0].webhook_secret
    server, url = listening(
        Config(repositories=(Repository(str(repository.folder), webhook_secret=secret),))
    )

    def push(old: str, new: str, delivery: str) -> Told:
        body = f"{old} {new} refs/heads/main\n".encode()
        given = headers("plain", "post-receive", body, delivery=delivery)
        answer = httpx.post(f"{url}/hooks/plain", content=body, headers=given)
        _, (told,) = done(server, answer)
        return told

    no, yes = push(before, after, "d-1"), push(after, third, "d-2")

    assert (no.outcome, no.why) == ("no", "none of 1 changed file matches `src/**`")
    assert yes.outcome == "started"
    created = server.services.here().fold(yes.run).created
    assert created.triggers["main"]["message"] == "three"


def test_a_push_that_changes_a_flow_is_judged_by_the_changed_one(
    listening: Listening, config: Config, repository: GitRepository
) -> None:
    address = str(repository.folder)
    text = "rflow 1" + FLOW.replace(SHOP, address).replace("src/", "")
    before = repository.commit("one", release_dot_rflow=text.replace('"main"', '"none"'))
    repo = Repository(address, webhook_secret=config.repositories[0].webhook_secret)
    server, url = listening(Config(repositories=(repo,)), Followed(address, "main"))
    after = repository.commit("two", release_dot_rflow=text)
    body = f"{before} {after} refs/heads/main\n".encode()

    answer = httpx.post(
        f"{url}/hooks/plain", content=body, headers=headers("plain", "post-receive", body)
    )

    _, (told,) = done(server, answer)
    assert told.outcome == "started"
    served = server.catalog.flow("release")
    assert served is not None
    assert served.revision == after


def test_a_repository_that_does_not_answer_is_asked_again_and_the_delivery_says_why(
    place: Place, listening: Listening, config: Config, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere.git")
    place.write("release.rflow", FLOW.replace(SHOP, nowhere))
    secret = config.repositories[0].webhook_secret
    server, url = listening(Config(repositories=(Repository(nowhere, webhook_secret=secret),)))
    body = f"{'a' * 40} {'b' * 40} refs/heads/main\n".encode()

    answer = httpx.post(
        f"{url}/hooks/plain", content=body, headers=headers("plain", "post-receive", body)
    )
    id = answer.json()["delivery"]

    found = wait_for(lambda: ((d := deliveries.find(server.store, id)).tries and d) or None)
    assert found.state == "kept"
    assert "the repository cannot be asked" in found.trouble


TWO = """flow release {
  trigger main: git { repo = "https://github.com/acme/shop.git"  branches = ["main"] }
  trigger labelled: git {
    repo = "https://github.com/acme/shop.git"
    pull_requests = ["**"]
    labels = ["ship"]
  }
  node build: sh { script = "echo %s" pure }
}"""


def test_a_trigger_that_nothing_reads_needs_no_value(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write("release.rflow", TWO % "hello")
    server, url = listening(config)

    _, told = done(server, send(url, "github", "push"))

    assert [(one.trigger, one.outcome) for one in told] == [
        ("main", "started"),
        ("labelled", "no"),
    ]


def test_a_trigger_that_is_read_must_have_one(
    place: Place, listening: Listening, config: Config
) -> None:
    place.write("release.rflow", TWO % "$<refs.labelled.sha>")
    server, url = listening(config)

    _, told = done(server, send(url, "github", "push"))

    main = next(one for one in told if one.trigger == "main")
    assert main.outcome == "refused"
    assert main.why == "the trigger `labelled` did not fire and lists no literal branch"


def test_a_delivery_can_be_replayed(place: Place, listening: Listening, config: Config) -> None:
    server, url = listening(config)
    delivery, told = done(server, send(url, "github", "push"))
    assert told == []
    place.write("release.rflow", FLOW)
    server.catalog.refresh()

    again = deliveries.replay(server.store, delivery)

    found = wait_for(lambda: (d := deliveries.find(server.store, again)).state == "done" and d)
    assert isinstance(found, Delivery)
    assert found.replay_of == delivery.id
    (told_again,) = deliveries.verdicts(server.store, again)
    assert told_again.outcome == "started"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"content": b"{", "name": "push"}, 400),
        ({"content": b"[" * 100_000, "name": "push"}, 400),
        ({"content": b"{}", "name": "push"}, 400),
    ],
)
def test_a_signed_message_that_is_none_is_refused(
    place: Place, listening: Listening, config: Config, words: dict[str, Any], status: int
) -> None:
    server, url = listening(config)

    answer = send(url, "github", words["name"], body=words["content"])

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert deliveries.latest(server.store) == []


def test_a_message_that_is_too_large_is_refused_before_it_is_read(
    place: Place, listening: Listening, config: Config
) -> None:
    _, url = listening(config)
    port = int(url.rpartition(":")[2])

    with socket.create_connection(("127.0.0.1", port)) as client:
        length = 26 * 1024 * 1024
        client.sendall(
            f"POST /hooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_markup_in_a_message_stays_text(place: Place, listening: Listening, config: Config) -> None:
    place.write("release.rflow", FLOW)
    server, url = listening(config)
    bent = payload("github", "push")
    bent["head_commit"]["message"] = "<script>alert(1)</script>\x1b[2J $(touch x) \x00"

    _, (told,) = done(server, send(url, "github", "push", **bent))

    assert place.ended(server, told.run) == "success"
    created = server.services.here().fold(told.run).created
    assert str(created.triggers["main"]["message"]).startswith("<script>alert(1)</script>")
    assert "\x00" not in str(created.triggers["main"]["message"])
