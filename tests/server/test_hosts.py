"""What is read of the messages of each host, and which of them are believed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rflow.server.events import GitEvent, Ignored, repository_key
from rflow.server.hosts import HOSTS, recognised
from rflow.server.hosts.plain import from_lines
from rflow.server.hosts.reading import Malformed, parse

from .messages import SECRET, every, headers, payload

A = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
B = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
C = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"


def read(host: str, name: str) -> tuple[GitEvent, ...] | Ignored:
    body = json.dumps(payload(host, name)).encode()
    return HOSTS[host].read(headers(host, name, body), parse(body))


def one(host: str, name: str) -> GitEvent:
    found = read(host, name)
    assert not isinstance(found, Ignored)
    (event,) = found
    return event


@pytest.mark.parametrize(("host", "name"), every())
def test_every_message_is_read_and_believed_only_with_its_signature(host: str, name: str) -> None:
    body = json.dumps(payload(host, name)).encode()
    given_headers = headers(host, name, body)
    module = HOSTS[host]

    found = module.read(given_headers, parse(body))

    assert isinstance(found, Ignored) or all(event.repos for event in found)
    assert module.delivery(given_headers, body) == "d-1"
    assert module.verified(SECRET.encode(), given_headers, body)
    assert not module.verified(b"another", given_headers, body)
    assert not module.verified(SECRET.encode(), {}, body)
    if host not in ("gitlab", "plain"):  # these two send the secret itself
        assert not module.verified(SECRET.encode(), given_headers, body + b" ")


@pytest.mark.parametrize(("host", "name"), every())
def test_a_message_tells_its_host_without_headers(host: str, name: str) -> None:
    assert recognised(payload(host, name)) == host


@pytest.mark.parametrize("host", ["github", "gitlab", "gitea", "bitbucket"])
def test_a_push_to_a_branch(host: str) -> None:
    event = one(host, "push")

    assert (event.what, event.branch, event.before, event.sha) == ("push", "main", A, B)
    assert event.commits is not None
    assert {commit.sha for commit in event.commits} == {B, C}
    assert event.head is not None
    assert event.head.sha == B
    assert event.head.author == "On Call"
    assert repository_key(event.repos[0]).endswith("acme/shop")


def test_the_files_of_a_push_are_those_of_its_commits() -> None:
    assert one("github", "push").paths == ("src/prices.py", "README.md")
    assert one("gitlab", "push").paths == (
        "src/prices.py",
        "CHANGELOG",
        "app/controller/application.rb",
    )
    assert one("gitea", "push").paths == ("src/a.py", "docs/b.md")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("gitlab", "push-cut-off"),
        ("gitea", "push-cut-off"),
        ("bitbucket", "push-truncated"),
    ],
)
def test_of_a_push_that_is_cut_off_nothing_is_taken_for_all(host: str, name: str) -> None:
    event = one(host, name)

    assert event.commits is None
    assert event.paths is None


def test_a_push_that_was_forced_is_asked_of_the_repository() -> None:
    assert one("github", "push-forced").paths is None


def test_a_new_branch_has_nothing_before_it() -> None:
    event = one("github", "push-new-branch")

    assert (event.branch, event.before, event.paths) == ("release/1", "", None)


@pytest.mark.parametrize(
    ("host", "name", "tag"),
    [
        ("github", "push-tag", "v1.2.0"),
        ("gitlab", "tag-push", "v1.0.0"),
        ("gitea", "push-tag", "v2"),
        ("bitbucket", "push-tag", "v1.0"),
    ],
)
def test_a_tag_names_its_commit_even_if_it_is_annotated(host: str, name: str, tag: str) -> None:
    event = one(host, name)

    assert (event.what, event.tag, event.sha) == ("tag", tag, B)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("github", "push-branch-deleted"),
        ("gitlab", "push-branch-deleted"),
        ("gitea", "delete"),
        ("bitbucket", "push-branch-deleted"),
        ("github", "pull-request-closed"),
        ("gitlab", "merge-request-approved"),
        ("github", "ping"),
    ],
)
def test_what_can_start_nothing_says_why(host: str, name: str) -> None:
    found = read(host, name)

    assert isinstance(found, Ignored)
    assert found.why


@pytest.mark.parametrize(
    ("host", "name", "action"),
    [
        ("github", "pull-request-opened", "opened"),
        ("github", "pull-request-synchronize", "updated"),
        ("github", "pull-request-labeled", "labelled"),
        ("github", "pull-request-ready", "ready"),
        ("gitlab", "merge-request-open", "opened"),
        ("gitlab", "merge-request-update", "updated"),
        ("gitlab", "merge-request-labels", "labelled"),
        ("gitlab", "merge-request-ready", "ready"),
        ("gitea", "pull-request-opened", "opened"),
        ("gitea", "pull-request-synchronized", "updated"),
        ("gitea", "pull-request-labels", "labelled"),
        ("gitea", "pull-request-ready", "ready"),
        ("bitbucket", "pull-request-created", "opened"),
    ],
)
def test_a_pull_request(host: str, name: str, action: str) -> None:
    event = one(host, name)

    assert event.what == "pull_request"
    assert event.action == action
    assert event.sha in (B, B[:12])
    pull = event.pull_request
    assert pull is not None
    assert (pull.base, pull.draft, pull.fork) == ("main", False, False)
    assert pull.number in (2, 3, 4, 39)
    assert event.paths is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("github", "pull-request-fork"),
        ("github", "pull-request-fork-deleted"),
        ("gitlab", "merge-request-fork"),
        ("gitea", "pull-request-fork"),
        ("bitbucket", "pull-request-fork"),
        ("bitbucket", "pull-request-fork-deleted"),
    ],
)
def test_a_pull_request_from_a_fork(host: str, name: str) -> None:
    pull = one(host, name).pull_request

    assert pull is not None
    assert pull.fork


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("github", "pull-request-draft"),
        ("gitlab", "merge-request-draft"),
        ("gitea", "pull-request-wip"),
    ],
)
def test_a_draft(host: str, name: str) -> None:
    pull = one(host, name).pull_request

    assert pull is not None
    assert pull.draft


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("github", "check-suite-completed"),
        ("github", "status"),
        ("gitlab", "pipeline"),
        ("gitea", "status"),
        ("bitbucket", "commit-status"),
    ],
)
def test_checks_name_their_commit(host: str, name: str) -> None:
    event = one(host, name)

    assert (event.what, event.sha) == ("checks", B)


def test_a_status_of_bitbucket_may_name_its_commit_by_its_address_alone() -> None:
    """So its documentation writes it."""
    sent = payload("bitbucket", "commit-status")
    del sent["commit_status"]["commit"]
    address = f"https://api.bitbucket.org/2.0/repositories/acme/shop/commit/{B}"
    sent["commit_status"]["links"] = {"commit": {"href": address}}

    (event,) = HOSTS["bitbucket"].read({}, sent)  # type: ignore[misc]

    assert (event.what, event.sha) == ("checks", B)


def test_a_push_of_two_branches_is_two_events() -> None:
    found = read("bitbucket", "push-two-branches")

    assert not isinstance(found, Ignored)
    assert [event.branch for event in found] == ["main", "release/1"]


def test_the_lines_of_a_post_receive_hook() -> None:
    body = from_lines("/srv/git/shop.git", f"{A} {B} refs/heads/main\n", "oncall")

    (event,) = HOSTS["plain"].read({}, parse(body))  # type: ignore[misc]

    assert (event.branch, event.before, event.sha, event.by) == ("main", A, B, "oncall")


@pytest.mark.parametrize("lines", ["", "nothing\n", f"{A} {B}\n"])
def test_lines_that_no_hook_gives_are_refused(lines: str) -> None:
    with pytest.raises(Malformed):
        from_lines("/srv/git/shop.git", lines)


def test_gitlab_signs_as_the_standard_webhooks_say() -> None:
    key = b"0123456789abcdef0123456789abcdef"
    secret = b"whsec_" + base64.b64encode(key)
    body = b"{}"

    def signed(at: int) -> dict[str, str]:
        digest = hmac.new(key, f"m-1.{at}.".encode() + body, hashlib.sha256).digest()
        return {
            "webhook-id": "m-1",
            "webhook-timestamp": str(at),
            "webhook-signature": "v1,AAAA v1," + base64.b64encode(digest).decode(),
        }

    verified = HOSTS["gitlab"].verified
    now = int(time.time())

    assert verified(secret, signed(now), body)
    assert not verified(secret, signed(now), body + b" ")
    assert not verified(secret, signed(now - 3600), body)
    assert not verified(secret, {"x-gitlab-token": secret.decode()}, body)


@pytest.mark.parametrize(
    ("one_", "other"),
    [
        ("https://example.com/Acme/shop.git", "git@example.com:acme/shop"),
        ("ssh://git@example.com:22/acme/shop", "https://user:word@example.com/acme/shop/"),
        ("https://example.com:443/acme/shop", "git://example.com/acme/shop.git"),
        ("file:///srv/git/shop", "/srv/git/../git/shop/.git"),
    ],
)
def test_addresses_of_one_repository_are_the_same(one_: str, other: str) -> None:
    assert repository_key(one_) == repository_key(other)


def test_a_relative_path_begins_at_the_flow(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()

    assert repository_key("../shop.git", tmp_path / "flows") == f"{tmp_path}/shop.git"


@pytest.mark.parametrize(
    ("one_", "other"),
    [
        ("https://example.com/acme/shop", "https://example.com/acme/shop2"),
        ("https://example.com/acme/shop", "https://example.com:8443/acme/shop"),
        ("https://example.com/acme/shop", "https://example.org/acme/shop"),
    ],
)
def test_addresses_of_two_repositories_are_not(one_: str, other: str) -> None:
    assert repository_key(one_) != repository_key(other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(every()), st.data())
def test_a_message_that_is_bent_is_read_or_refused_and_never_breaks(
    message: tuple[str, str], data: st.DataObject
) -> None:
    host, name = message
    bent: Any = payload(host, name)
    place = bent
    for _ in range(data.draw(st.integers(0, 4))):
        inner = [key for key, value in place.items() if isinstance(value, dict)]
        if not inner:
            break
        place = place[data.draw(st.sampled_from(inner))]
    if place:
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)
    body = json.dumps(payload(host, name)).encode()

    with contextlib.suppress(Malformed):
        HOSTS[host].read(headers(host, name, body), bent)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b"\xff", b'{"a": 1} x'])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(body)


@pytest.mark.parametrize("branch", ["--upload-pack=x", "a..b", "a b", "a\nb", "", "x.lock", "a~1"])
def test_a_branch_that_git_would_not_have_is_refused(branch: str) -> None:
    bent = payload("github", "push")
    bent["ref"] = f"refs/heads/{branch}"

    with pytest.raises(Malformed):
        HOSTS["github"].read({"x-github-event": "push"}, bent)
