"""What is asked of the hosts' APIs and told to them, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rflow.runner.chain import shown
from rflow.server import deliveries
from rflow.server.config import Config, SecretRef
from rflow.server.config import Repository as Configured
from rflow.server.core import Server
from rflow.server.deliveries import Delivery
from rflow.server.host_api import ApiError, HostApi, Status, api_of

from .conftest import Place, wait_for
from .git_host import TOKEN, GitHost
from .messages import SECRET, headers, payload

SHA = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
KINDS = ("github", "gitlab", "gitea", "bitbucket")
ADDRESSES = {
    "github": "https://github.com/acme/shop",
    "gitlab": "https://gitlab.example.com/acme/shop",
    "gitea": "https://git.example.com/acme/shop",
    "bitbucket": "https://bitbucket.org/acme/shop",
}


@pytest.fixture
def hosts() -> Iterator[Callable[[str], GitHost]]:
    opened: list[GitHost] = []

    def start(kind: str) -> GitHost:
        opened.append(GitHost(kind))
        return opened[-1]

    yield start
    for host in opened:
        host.close()


def api(host: GitHost, token: str = TOKEN) -> HostApi:
    repository = Configured(ADDRESSES[host.kind], host.kind, host.url)  # type: ignore[arg-type]
    found = api_of(repository, "example.com/acme/shop", token)
    assert found is not None
    return found


def check(kind: str, name: str, state: str) -> dict[str, Any]:
    """A check as the host lists it; `state` is success, failure or pending."""
    match kind:
        case "github":
            return {"context": name, "state": state}
        case "gitlab":
            said = {"failure": "failed"}.get(state, state)
            return {"name": name, "status": said, "allow_failure": False}
        case "gitea":
            return {"context": name, "status": state}
        case _:
            said = {"success": "SUCCESSFUL", "failure": "FAILED", "pending": "INPROGRESS"}[state]
            return {"key": name, "name": name, "state": said}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("states", "standing", "names"),
    [
        ((), "none", ()),
        (("success",), "passed", ()),
        (("success", "success"), "passed", ()),
        (("success", "pending"), "pending", ("c1",)),
        (("success", "failure", "pending"), "failed", ("c1",)),
    ],
)
def test_all_checks_stand_together(
    hosts: Callable[[str], GitHost],
    kind: str,
    states: tuple[str, ...],
    standing: str,
    names: tuple[str, ...],
) -> None:
    host = hosts(kind)
    host.listed = [check(kind, f"c{number}", state) for number, state in enumerate(states)]
    host.listed.append(check(kind, "rflow/release", "pending"))  # our own is no check

    found = api(host).checks(SHA)

    assert (found.standing, found.names) == (standing, names)
    assert host.wrong == []


def test_githubs_check_runs_count_as_well(hosts: Callable[[str], GitHost]) -> None:
    host = hosts("github")
    run = {"name": "lint", "status": "completed", "conclusion": "neutral"}
    host.listed = [check("github", "c", "success"), run]
    assert api(host).checks(SHA).standing == "passed"
    run["conclusion"] = "timed_out"
    assert api(host).checks(SHA).names == ("lint",)
    run |= {"status": "in_progress", "conclusion": None}  # type: ignore[dict-item]
    assert api(host).checks(SHA).standing == "pending"


def test_a_job_of_gitlabs_that_may_fail_does_not_count(hosts: Callable[[str], GitHost]) -> None:
    host = hosts("gitlab")
    host.listed = [{"name": "a", "status": "failed", "allow_failure": True}]
    assert api(host).checks(SHA).standing == "passed"


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_all_pages_are_looked_at(hosts: Callable[[str], GitHost], kind: str) -> None:
    host = hosts(kind)
    host.listed = [check(kind, f"c{n}", "success") for n in range(250)]
    host.listed.append(check(kind, "last", "failure"))

    assert api(host).checks(SHA).names == ("last",)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["pending", "success", "failure", "skipped"])
def test_every_state_is_one_that_the_host_takes(
    hosts: Callable[[str], GitHost], kind: str, state: Any
) -> None:
    host = hosts(kind)

    api(host).report(SHA, Status(state, "rflow/" + "r" * 60, "w" * 400, "https://x.example.com/1"))

    assert host.wrong == []
    assert host.statuses[0]["sha"] == SHA


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_host_refuses_is_told(hosts: Callable[[str], GitHost], kind: str) -> None:
    host = hosts(kind)
    with pytest.raises(ApiError, match="401") as refused:
        api(host, "another").checks(SHA)
    assert not refused.value.again
    assert "another" not in str(refused.value)
    host.down = 1
    with pytest.raises(ApiError, match="503") as away:
        api(host).checks(SHA)
    assert away.value.again


# -- through the whole server ----------------------------------------------------------------------

FLOW = """
flow release {
  trigger main: git {
    repo = "https://github.com/acme/shop.git"
    branches = ["main"]
    pull_requests = ["changes"]
    paths = ["src/**"]
    skip = []
    %s
  }
  node build: sh { script = "%s" pure }
}
"""
Listening = Callable[..., tuple[Server, str]]


class Told:
    """A server that tells GitHub of what it does."""

    def __init__(
        self, place: Place, listening: Listening, host: GitHost, checks: str, script: str
    ) -> None:
        place.write("release.rflow", FLOW % (checks, script))
        for name, text in (("hook-secret", SECRET), ("api-token", TOKEN)):
            (place.folder / name).write_text(text)
        self.host, self.place = host, place
        self.server, self.url = listening(
            Config(
                public_url="https://rflow.example.com",
                repositories=(
                    Configured(
                        "https://github.com/acme/shop",
                        "github",
                        host.url,
                        SecretRef("file", str(place.folder / "hook-secret")),
                        SecretRef("file", str(place.folder / "api-token")),
                    ),
                ),
            )
        )

    def send(self, name: str, delivery: str, **bent: Any) -> tuple[Delivery, list[Any]]:
        body = json.dumps({**payload("github", name), **bent}).encode()
        given = headers("github", name, body, delivery=delivery)
        answer = httpx.post(f"{self.url}/hooks/github", content=body, headers=given, timeout=30)
        assert answer.status_code == 202, answer.text
        id = answer.json()["delivery"]
        found = wait_for(
            lambda: ((d := deliveries.find(self.server.store, id)).state == "done" and d) or None
        )
        return found, deliveries.verdicts(self.server.store, id)

    def states(self, count: int) -> list[str]:
        """The states that the host was told, once there are so many."""
        wait_for(lambda: len(self.host.statuses) >= count)
        assert self.host.wrong == []
        return [str(status["state"]) for status in self.host.statuses]


def test_a_commit_is_told_that_its_run_goes_on_and_how_it_ended(
    place: Place, listening: Listening, hosts: Callable[[str], GitHost]
) -> None:
    told = Told(place, listening, hosts("github"), "", "true")

    _, (verdict,) = told.send("push", "d-1")

    assert told.states(2) == ["pending", "success"]
    first, last = told.host.statuses
    assert last["context"] == "rflow/release"
    assert first["target_url"] == f"https://rflow.example.com/runs/{verdict.run}"
    head = shown(told.server.services.here().journal.head(verdict.run))
    assert head in last["description"]


def test_a_run_that_fails_is_told_so(
    place: Place, listening: Listening, hosts: Callable[[str], GitHost]
) -> None:
    told = Told(place, listening, hosts("github"), "", "exit 1")

    told.send("push", "d-1")

    assert told.states(2)[-1] == "failure"


def test_a_rule_that_said_no_holds_up_nothing_and_says_why(
    place: Place, listening: Listening, hosts: Callable[[str], GitHost]
) -> None:
    told = Told(place, listening, hosts("github"), "", "true")
    commits = [{**payload("github", "push")["head_commit"], "modified": ["README.md"]}]

    told.send("push", "d-1", commits=commits)
    assert told.states(1) == ["success"]
    assert told.host.statuses[0]["description"].startswith("skipped: none of 1 changed file")
    told.send("push", "d-2", ref="refs/heads/other")

    assert len(told.host.statuses) == 1  # nobody waits for an answer about that branch


def test_a_status_that_the_host_does_not_take_now_is_told_later(
    place: Place, listening: Listening, hosts: Callable[[str], GitHost], monkeypatch: Any
) -> None:
    monkeypatch.setattr("rflow.server.statuses.AGAIN_S", (0.05,))
    host = hosts("github")
    host.down = 3
    told = Told(place, listening, host, "", "true")

    told.send("push", "d-1")

    assert wait_for(lambda: host.statuses and host.statuses[-1]["state"] == "success")


def test_a_run_waits_until_all_checks_have_passed(
    place: Place, listening: Listening, hosts: Callable[[str], GitHost]
) -> None:
    host = hosts("github")
    told = Told(place, listening, host, "checks = true", "true")
    service = told.server.services.here()

    push, (waits,) = told.send("push", "d-1")
    assert (waits.outcome, waits.why) == ("waits", "the commit has no checks yet")
    host.listed = [check("github", "a", "success"), check("github", "b", "pending")]
    _, (pending,) = told.send("check-suite-completed", "d-2")
    assert (pending.outcome, pending.why) == ("waits", "checks go on: `b`")
    host.listed[1]["state"] = "failure"
    _, (failed,) = told.send("status", "d-3")
    assert failed.why == "checks have failed: `b`"
    assert service.runs() == []
    host.listed[1]["state"] = "success"
    _, (passed,) = told.send("status", "d-4")

    assert passed.outcome == "started"
    (first,) = deliveries.verdicts(told.server.store, push.id)
    assert (first.outcome, first.run) == ("started", passed.run)
    assert [rule.said for rule in first.rules] == ["yes"] * 4
    created = service.fold(passed.run).created
    assert created.trigger["delivery"] == push.id
    after, told_after = told.send("check-suite-completed", "d-5")
    assert told_after == []
    assert after.note == "nothing waits for the checks of this commit"
    assert len(service.runs()) == 1


def test_checks_that_have_passed_already_are_not_waited_for(
    place: Place, listening: Listening, hosts: Callable[[str], GitHost]
) -> None:
    host = hosts("github")
    host.listed = [check("github", "a", "success")]
    told = Told(place, listening, host, "checks = true", "true")

    _, (verdict,) = told.send("push", "d-1")

    assert verdict.outcome == "started"


def test_no_token_is_in_the_state(
    place: Place, listening: Listening, hosts: Callable[[str], GitHost]
) -> None:
    told = Told(place, listening, hosts("github"), "", "true")
    told.send("push", "d-1")
    told.states(2)

    for path in Path(place.state).rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes()
