"""The webhooks of Gitea and Forgejo: `push`, `pull_request`, `status`, `workflow_run`.

Described at docs.gitea.com, "Webhooks", and in `modules/structs/hook.go` of its source. A push
has the newest commits only (five, as Gitea comes) and says of how many; its files are those of
the commits it has. A pull request has no files.
"""

from __future__ import annotations

from typing import Any

from rflow.server.events import NOTHING, Action, GitEvent, Ignored, PullRequest
from rflow.server.hosts.github import changed, commit, repos, sender
from rflow.server.hosts.reading import (
    Headers,
    dig,
    flag,
    items,
    number,
    ref_name,
    sha,
    signed,
    text,
)

_ACTIONS: dict[str, Action] = {
    "opened": "opened",
    "reopened": "opened",
    "synchronized": "updated",
    "label_updated": "labelled",
}
_DRAFT = ("wip:", "[wip]", "draft:")


def _header(headers: Headers, name: str) -> str:
    return headers.get(f"x-forgejo-{name}") or headers.get(f"x-gitea-{name}") or ""


def verified(secret: bytes, headers: Headers, body: bytes) -> bool:
    """Whether the message is signed with the secret."""
    return signed(secret, body, _header(headers, "signature"), prefix="")


def delivery(headers: Headers, body: bytes) -> str:
    """The id of the delivery."""
    return _header(headers, "delivery")


def event_name(headers: Headers, payload: dict[str, Any]) -> str:
    """What the message is about; without headers, what it looks like."""
    if name := _header(headers, "event"):
        return name
    if "pull_request" in payload:
        return "pull_request"
    return "status" if "context" in payload and "state" in payload else "push"


def recognises(payload: dict[str, Any]) -> bool:
    """Whether a message without headers looks like one of Gitea's."""
    repository = dig(payload, "repository")
    return isinstance(repository, dict) and (
        "original_url" in repository or "internal_tracker" in repository or "empty" in repository
    )


def read(headers: Headers, payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    """The events of a message. Malformed if it is not as Gitea writes them."""
    match event_name(headers, payload):
        case "push":
            return _push(payload)
        case "pull_request":
            return _pull_request(payload)
        case "status":
            if text(payload, "state") in ("pending", ""):
                return Ignored("a check began: nothing is known of it yet")
            return (GitEvent("checks", repos(payload), sha(payload, "sha"), by=sender(payload)),)
        case "workflow_run":
            if text(payload, "action") != "completed":
                return Ignored("a check began: nothing is known of it yet")
            at = sha(payload, "workflow_run.head_sha")
            return (GitEvent("checks", repos(payload), at, by=sender(payload)),)
        case other:
            return Ignored(f"no trigger listens to `{other}`")


def _push(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    ref = text(payload, "ref")
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if text(payload, "after") in NOTHING:
        return Ignored(f"`{name}` was deleted")
    after, before = sha(payload, "after"), text(payload, "before", "")
    listed = items(payload, "commits")
    head_of = dig(payload, "head_commit")
    head = commit(head_of) if isinstance(head_of, dict) else None
    if kind == "tags":
        at = head.sha if head is not None else after
        tag = ref_name(name, "ref")
        return (GitEvent("tag", repos(payload), at, tag=tag, head=head, by=sender(payload)),)
    if kind != "heads":
        return Ignored(f"`{ref}` is neither a branch nor a tag")
    new = before in NOTHING
    total = dig(payload, "total_commits")
    complete = isinstance(total, int) and total == len(listed) and bool(listed)
    found = tuple(commit(one) for one in listed)
    return (
        GitEvent(
            "push",
            repos(payload),
            after,
            branch=ref_name(name, "ref"),
            before="" if new else before,
            commits=found if complete else None,
            head=head or next((one for one in found if one.sha == after), None),
            paths=changed(listed) if complete and not new else None,
            by=sender(payload),
        ),
    )


def _pull_request(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    said = text(payload, "action")
    pull = dig(payload, "pull_request")
    action = _ACTIONS.get(said)
    title = text(pull, "title", "")
    if said == "edited" and dig(payload, "changes.title.from") is not None:
        was = text(payload, "changes.title.from").lower()
        if was.startswith(_DRAFT) and not title.lower().startswith(_DRAFT):
            action = "ready"
    if action is None:
        return Ignored(f"a pull request was {said}: its commits are the same")
    counted = number(pull, "number")
    ours, theirs = dig(pull, "base.repo_id"), dig(pull, "head.repo_id")
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
                flag(pull, "draft") or title.lower().startswith(_DRAFT),
                fork=ours is None or ours != theirs,
                labels=tuple(text(label, "name") for label in items(pull, "labels")),
                # Gitea does not say which label is new: any of them may be.
                added="*" if action == "labelled" else "",
                ref=f"refs/pull/{counted}/head",
                title=title,
            ),
            by=sender(payload),
        ),
    )
