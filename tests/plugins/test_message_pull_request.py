"""`message.pull_request`, against servers that answer as the hosts' APIs say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rflow.plugins import NodeError
from rflow.plugins.kinds.message_pull_request import PullRequest, _place
from rflow.plugins.local_context import LocalContext, run_node

from .git_hosts import BOT, OTHER, TOKEN, Bitbucket, Gitea, GitHost, GitHub, GitLab

HOSTS = (GitHub, GitLab, Gitea, Bitbucket)


@pytest.fixture(params=HOSTS, ids=lambda kind: kind.kind)
def host(request: pytest.FixtureRequest) -> Iterator[GitHost]:
    found = request.param()
    yield found
    found.close()


def comment(host: GitHost, text: str = "on staging", **inputs: Any) -> PullRequest:
    api = f"{host.url}/2.0" if host.kind == "bitbucket" else None
    given = {"number": 12, "token": TOKEN, "host": host.kind, "api": api}
    return PullRequest(f"{host.url}/acme/shop.git", text=text, **{**given, **inputs})


def test_one_comment_is_kept_up_to_date(ctx: LocalContext, host: GitHost) -> None:
    first = run_node(comment(host), ctx)
    second = run_node(comment(host, "on production"), ctx)
    assert (first.created, second.created) == (True, False)
    assert first.url == second.url
    assert first.url.startswith(f"{host.url}/acme/shop")
    assert first.url.endswith(str(host.comments[0]["id"]))
    (text,) = host.texts()
    assert text.endswith("\n\non production")


def test_it_is_found_behind_many_others(ctx: LocalContext, host: GitHost) -> None:
    for number in range(250):
        host.add(OTHER, f"comment {number}")
    run_node(comment(host), ctx)
    run_node(comment(host, "again"), ctx)
    assert len(host.comments) == 251
    assert host.texts()[-1].endswith("again")


def test_a_flow_and_a_topic_have_one_each(ctx: LocalContext, host: GitHost) -> None:
    run_node(comment(host), ctx)
    run_node(comment(host, topic="plan"), ctx)
    ctx.flow = "other"
    run_node(comment(host), ctx)
    assert len(host.comments) == 3
    assert not run_node(comment(host), ctx).created


def test_a_comment_of_somebody_else_is_never_written_to(ctx: LocalContext, host: GitHost) -> None:
    run_node(comment(host), ctx)
    forged = host.texts()[0]
    host.comments.clear()
    host.add(OTHER, forged)
    assert run_node(comment(host, "new"), ctx).created
    assert host.texts()[0] == forged


def test_nothing_in_the_text_means_anything(ctx: LocalContext, host: GitHost) -> None:
    evil = "/close\n@all #1 <b>x</b> [a](https://evil.example) ![](x)"
    run_node(comment(host, evil, title="*v1*", link="https://ci.example.com/1"), ctx)
    lines = host.texts()[0].split("\n")
    assert lines[2] == r"**\*v1\***"
    if host.kind != "bitbucket":  # it knows no quick actions
        assert not [line for line in lines if line.startswith("/")]
    shown = "".join(lines[3:-1]).replace("\\", "")
    assert "@all" not in shown
    assert "#1" not in shown
    assert r"\<b" in host.texts()[0]
    assert r"\[a\]\(" in host.texts()[0]
    assert lines[-1].startswith("[Open](")


def test_without_a_pull_request_nothing_is_sent(ctx: LocalContext, host: GitHost) -> None:
    done = run_node(comment(host, number=None), ctx)
    assert (done.url, done.created) == (None, False)
    assert not host.asked


def test_a_token_that_is_not_accepted(ctx: LocalContext, host: GitHost) -> None:
    with pytest.raises(NodeError, match="token") as caught:
        run_node(comment(host, token="hidden-token"), ctx)
    assert not caught.value.retry
    assert "hidden" not in str(caught.value)
    assert not host.comments


def test_a_pull_request_that_is_not_there(ctx: LocalContext, host: GitHost) -> None:
    with pytest.raises(NodeError, match="answered 404: there is no such pull request") as caught:
        run_node(comment(host, number=13), ctx)
    assert not caught.value.retry


@pytest.mark.parametrize(("status", "again"), [(422, False), (429, True), (502, True)])
def test_which_answers_are_worth_another_try(
    ctx: LocalContext, host: GitHost, status: int, again: bool
) -> None:
    host.fails = [status]
    with pytest.raises(NodeError, match=f"answered {status}") as caught:
        run_node(comment(host), ctx)
    assert caught.value.retry is again


@pytest.mark.parametrize("kind", [GitHub, Bitbucket])
def test_an_app_knows_its_comment_by_its_kind(
    ctx: LocalContext, kind: type[GitHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = kind()
    try:
        host.me = None
        run_node(comment(host), ctx)
        host.add({**OTHER}, host.texts()[0])
        assert host.comments[0]["user"] == BOT
        assert not run_node(comment(host, "again"), ctx).created
        assert host.texts()[0].endswith("again")
    finally:
        host.close()


@pytest.mark.parametrize("kind", [GitLab, Gitea])
def test_a_token_that_may_not_read_its_account(ctx: LocalContext, kind: type[GitHost]) -> None:
    host = kind()
    try:
        host.me = None
        with pytest.raises(NodeError, match="read:user"):
            run_node(comment(host), ctx)
    finally:
        host.close()


def test_a_user_and_a_token_for_bitbucket(ctx: LocalContext) -> None:
    host = Bitbucket()
    try:
        run_node(comment(host, token=f"me@example.com:{TOKEN}"), ctx)
        assert len(host.comments) == 1
    finally:
        host.close()


@pytest.mark.parametrize(
    ("repo", "kind", "api"),
    [
        ("https://github.com/acme/shop", "auto", "https://api.github.com"),
        ("git@github.com:acme/shop.git", "auto", "https://api.github.com"),
        ("https://git.example.com/acme/shop", "github", "https://git.example.com/api/v3"),
        ("ssh://git@gitlab.com:22/acme/shop.git", "auto", "https://gitlab.com/api/v4"),
        ("https://git.example.com:8443/a/b/c", "gitlab", "https://git.example.com:8443/api/v4"),
        ("https://codeberg.org/acme/shop/", "auto", "https://codeberg.org/api/v1"),
        ("https://bitbucket.org/acme/shop", "auto", "https://api.bitbucket.org/2.0"),
    ],
)
def test_where_the_api_is(repo: str, kind: str, api: str) -> None:
    assert _place(repo, kind, None).api == api


@pytest.mark.parametrize(
    ("repo", "kind", "message"),
    [
        ("/srv/git/shop", "auto", "no address of a repository"),
        ("https://github.com/shop", "auto", "no address of a repository"),
        ("https://[x/acme/shop", "auto", "no address of a repository"),
        ("https://git.example.com/acme/shop", "auto", "is not known: say it with `host"),
        ("https://git.example.com/acme/shop", "bitbucket", "bitbucket.org only"),
    ],
)
def test_where_there_is_none(repo: str, kind: str, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        _place(repo, kind, None)
