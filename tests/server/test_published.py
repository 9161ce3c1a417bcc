"""What is read of published messages of the hosts; `payloads/published/NOTICE` says whose."""

from __future__ import annotations

import pytest
from rflow.server.events import GitEvent, Ignored, PullRequest
from rflow.server.hosts import HOSTS, recognised
from rflow.server.hosts.reading import parse

from .messages import PAYLOADS

PUBLISHED = PAYLOADS / "published"
FIRST = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
BASE = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"
REPOS = (
    "https://github.com/Codertocat/Hello-World.git",
    "git@github.com:Codertocat/Hello-World.git",
    "https://github.com/Codertocat/Hello-World",
)


def read(name: str, event: str) -> tuple[GitEvent, ...] | Ignored:
    payload = parse((PUBLISHED / f"{name}.json").read_bytes())
    host = name.split("-")[0]
    return HOSTS[host].read({"x-github-event": event}, payload)


def one(name: str, event: str) -> GitEvent:
    found = read(name, event)
    assert not isinstance(found, Ignored)
    (git_event,) = found
    assert (git_event.repos, git_event.by) == (REPOS, "Codertocat")
    return git_event


@pytest.mark.parametrize(
    ("name", "branch", "tag", "message"),
    [
        ("github-push-new-branch", "master", "", "Initial commit"),
        ("github-push-tag", "", "simple-tag", "Adding a .gitignore file"),
    ],
)
def test_a_push(name: str, branch: str, tag: str, message: str) -> None:
    event = one(name, "push")

    assert (event.what, event.branch, event.tag) == ("tag" if tag else "push", branch, tag)
    assert (event.sha, event.before, event.paths) == (FIRST, "", None)
    assert event.head is not None
    assert (event.head.sha, event.head.message, event.head.author) == (
        FIRST,
        message,
        "Codertocat",
    )


@pytest.mark.parametrize(
    ("name", "action", "added"),
    [
        ("github-pull-request-opened", "opened", ""),
        ("github-pull-request-synchronize", "updated", ""),
        ("github-pull-request-ready", "ready", ""),
        ("github-pull-request-labeled", "labelled", "bug"),
    ],
)
def test_a_pull_request(name: str, action: str, added: str) -> None:
    event = one(name, "pull_request")

    assert (event.what, event.action, event.branch, event.sha) == (
        "pull_request",
        action,
        "changes",
        HEAD,
    )
    assert event.paths is None
    assert event.pull_request == PullRequest(
        2,
        "master",
        BASE,
        draft=False,
        fork=False,
        labels=("bug",),
        added=added,
        ref="refs/pull/2/head",
        title="Update the README with new information.",
    )


@pytest.mark.parametrize(
    ("name", "event", "at"),
    [
        ("github-check-suite-completed", "check_suite", HEAD),
        ("github-status", "status", FIRST),
    ],
)
def test_checks(name: str, event: str, at: str) -> None:
    found = one(name, event)

    assert (found.what, found.sha) == ("checks", at)


@pytest.mark.parametrize(
    ("name", "event", "why"),
    [
        ("github-push-tag-deleted", "push", "`simple-tag` was deleted"),
        (
            "github-pull-request-closed",
            "pull_request",
            "a pull request was closed: its commits are the same",
        ),
        ("github-ping", "ping", "GitHub says hello: the webhook is connected"),
    ],
)
def test_what_can_start_nothing(name: str, event: str, why: str) -> None:
    assert read(name, event) == Ignored(why)


def test_each_tells_its_host_without_headers() -> None:
    """Only the greeting to an organisation names no repository to tell it by."""
    found = {path.stem: recognised(parse(path.read_bytes())) for path in PUBLISHED.glob("*.json")}

    assert found.pop("github-ping") is None
    assert found == {name: name.split("-")[0] for name in found}
    assert found
