"""GitHub's webhooks: `push`, `pull_request`, `check_suite`, `status`.

Described at docs.github.com, "Webhook events and payloads" and "Validating webhook deliveries".
A push has at most 2,048 commits and each of them its files; a pull request has neither.
"""

from __future__ import annotations

from typing import Any

from rflow.server.events import NOTHING, Action, Commit, GitEvent, Ignored, PullRequest
from rflow.server.hosts.reading import (
    Headers,
    addresses,
    dig,
    flag,
    items,
    number,
    ref_name,
    sha,
    signed,
    text,
    texts,
)

COMMITS_MAX = 2048
_ACTIONS: dict[str, Action] = {
    "opened": "opened",
    "reopened": "opened",
    "synchronize": "updated",
    "ready_for_review": "ready",
    "labeled": "labelled",
}


def verified(secret: bytes, headers: Headers, body: bytes) -> bool:
    """Whether the message is signed with the secret."""
    return signed(secret, body, headers.get("x-hub-signature-256", ""))


def delivery(headers: Headers, body: bytes) -> str:
    """The id of the delivery; the same when it is sent again."""
    return headers.get("x-github-delivery", "")


def event_name(headers: Headers, payload: dict[str, Any]) -> str:
    """What the message is about; without headers, what it looks like."""
    if name := headers.get("x-github-event"):
        return name
    if "zen" in payload:
        return "ping"
    if "check_suite" in payload:
        return "check_suite"
    if "pull_request" in payload:
        return "pull_request"
    return "status" if "context" in payload and "state" in payload else "push"


def recognises(payload: dict[str, Any]) -> bool:
    """Whether a message without headers looks like one of GitHub's."""
    return isinstance(dig(payload, "repository.svn_url"), str) or isinstance(
        dig(payload, "repository.node_id"), str
    )


def read(headers: Headers, payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    """The events of a message. Malformed if it is not as GitHub writes them."""
    match event_name(headers, payload):
        case "push":
            return _push(payload, complete=len(items(payload, "commits")) < COMMITS_MAX)
        case "pull_request":
            return _pull_request(payload)
        case "check_suite":
            return _check_suite(payload)
        case "status":
            return _status(payload)
        case "ping":
            return Ignored("GitHub says hello: the webhook is connected")
        case other:
            return Ignored(f"no trigger listens to `{other}`")


def repos(payload: dict[str, Any]) -> tuple[str, ...]:
    """The addresses of the repository that a message is about."""
    return addresses(
        *(dig(payload, f"repository.{name}") for name in ("clone_url", "ssh_url", "html_url"))
    )


def commit(of: Any) -> Commit:
    """A commit of a message."""
    return Commit(sha(of, "id"), text(of, "message", ""), text(of, "author.name", ""))


def changed(commits: list[Any]) -> tuple[str, ...] | None:
    """The files that the commits name; None if they name none at all."""
    if not all(isinstance(dig(one, "modified"), list) for one in commits):
        return None
    return tuple(
        dict.fromkeys(
            path
            for one in commits
            for kind in ("added", "modified", "removed")
            for path in texts(one, kind)
        )
    )


def _push(payload: dict[str, Any], *, complete: bool) -> tuple[GitEvent, ...] | Ignored:
    ref = text(payload, "ref")
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if text(payload, "after") in NOTHING or flag(payload, "deleted"):
        return Ignored(f"`{name}` was deleted")
    after, before = sha(payload, "after"), text(payload, "before", "")
    head_of = dig(payload, "head_commit")
    head = commit(head_of) if isinstance(head_of, dict) else None
    if kind == "tags":
        at = head.sha if head is not None else after  # an annotated tag has a name of its own
        tag = ref_name(name, "ref")
        return (GitEvent("tag", repos(payload), at, tag=tag, head=head, by=sender(payload)),)
    if kind != "heads":
        return Ignored(f"`{ref}` is neither a branch nor a tag")
    new = before in NOTHING
    listed = items(payload, "commits")
    commits = tuple(commit(one) for one in listed) if complete else None
    # Without a commit of its own a push moved the branch, back or to commits known elsewhere:
    # what differs is then known only to the repository. So it is for a forced one.
    known = complete and bool(listed) and not new and not flag(payload, "forced")
    return (
        GitEvent(
            "push",
            repos(payload),
            after,
            branch=ref_name(name, "ref"),
            before="" if new else before,
            commits=commits,
            head=head,
            paths=changed(listed) if known else None,
            by=sender(payload),
        ),
    )


def _pull_request(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    action = _ACTIONS.get(text(payload, "action"))
    if action is None:
        return Ignored(f"a pull request was {text(payload, 'action')}: its commits are the same")
    pull = dig(payload, "pull_request")
    counted = number(pull, "number")
    ours, theirs = dig(pull, "base.repo.id"), dig(pull, "head.repo.id")
    return (
        GitEvent(
            "pull_request",
            repos(payload),
            sha(pull, "head.sha"),
            branch=ref_name(text(pull, "head.ref"), "pull_request.head.ref"),
            action=action,
            pull_request=PullRequest(
                counted,
                ref_name(text(pull, "base.ref"), "pull_request.base.ref"),
                sha(pull, "base.sha"),
                flag(pull, "draft"),
                fork=ours is None or ours != theirs,  # a fork that was deleted has no id
                labels=tuple(text(label, "name") for label in items(pull, "labels")),
                added=text(payload, "label.name", "") if action == "labelled" else "",
                ref=f"refs/pull/{counted}/head",
                title=text(pull, "title", ""),
            ),
            by=sender(payload),
        ),
    )


def _check_suite(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    if text(payload, "action") != "completed":
        return Ignored("a check began: nothing is known of it yet")
    suite = dig(payload, "check_suite")
    return (GitEvent("checks", repos(payload), sha(suite, "head_sha"), by=sender(payload)),)


def _status(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    if text(payload, "state") == "pending":
        return Ignored("a check began: nothing is known of it yet")
    return (GitEvent("checks", repos(payload), sha(payload, "sha"), by=sender(payload)),)


def sender(payload: dict[str, Any]) -> str:
    """Who caused a message."""
    return text(payload, "sender.login", "")
