"""Bitbucket Cloud's webhooks: `repo:push`, `pullrequest:*`, `repo:commit_status_*`.

Described at support.atlassian.com, "Event payloads". A push has up to five commits a branch and
no files; a pull request names its commits by their first twelve characters. Both are therefore
asked of the repository. There are no labels.
"""

from __future__ import annotations

import re
from typing import Any

from rflow.server.events import Action, Commit, GitEvent, Ignored, PullRequest
from rflow.server.hosts.reading import (
    Headers,
    Malformed,
    addresses,
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
    "pullrequest:created": "opened",
    "pullrequest:updated": "updated",
}
_AUTHOR = re.compile(r"\s*<[^>]*>\s*$")


def verified(secret: bytes, headers: Headers, body: bytes) -> bool:
    """Whether the message is signed with the secret."""
    return signed(secret, body, headers.get("x-hub-signature", ""))


def delivery(headers: Headers, body: bytes) -> str:
    """The id of the delivery; the same when it is sent again."""
    return headers.get("x-request-uuid", "")


def event_name(headers: Headers, payload: dict[str, Any]) -> str:
    """What the message is about; without headers, what it looks like."""
    if name := headers.get("x-event-key"):
        return name
    if "pullrequest" in payload:
        return "pullrequest:updated"
    return "repo:commit_status_updated" if "commit_status" in payload else "repo:push"


def recognises(payload: dict[str, Any]) -> bool:
    """Whether a message without headers looks like one of Bitbucket's."""
    return isinstance(dig(payload, "repository.links"), dict) and "actor" in payload


def read(headers: Headers, payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    """The events of a message: a push may be of several branches. Malformed if it is not as
    Bitbucket writes them."""
    name = event_name(headers, payload)
    if name == "repo:push":
        return _push(payload)
    if name in _ACTIONS:
        return _pull_request(payload, _ACTIONS[name])
    if name.startswith("repo:commit_status_"):
        if text(payload, "commit_status.state") == "INPROGRESS":
            return Ignored("a check began: nothing is known of it yet")
        return (GitEvent("checks", repos(payload), _checked(payload), by=_by(payload)),)
    return Ignored(f"no trigger listens to `{name}`")


def repos(payload: dict[str, Any]) -> tuple[str, ...]:
    """The addresses of the repository that a message is about."""
    html = dig(payload, "repository.links.html.href")
    return addresses(html)


def _push(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    found: list[GitEvent] = []
    gone: list[str] = []
    for change in items(payload, "push.changes"):
        new = dig(change, "new")
        if not isinstance(new, dict):
            gone.append(text(change, "old.name", "?"))
            continue
        at = sha(new, "target.hash")
        name = ref_name(text(new, "name"), "push.changes.new.name")
        head = Commit(at, text(new, "target.message", ""), _author(new))
        if text(new, "type") in ("tag", "annotated_tag"):
            found.append(GitEvent("tag", repos(payload), at, tag=name, head=head, by=_by(payload)))
            continue
        listed = items(change, "commits")
        whole = not flag(change, "truncated") and bool(listed)
        commits = tuple(
            Commit(sha(one, "hash"), text(one, "message", ""), _author({"target": one}))
            for one in listed
        )
        found.append(
            GitEvent(
                "push",
                repos(payload),
                at,
                branch=name,
                before=text(change, "old.target.hash", ""),
                commits=commits if whole else None,
                head=head,
                by=_by(payload),
            )
        )
    if not found:
        return Ignored(f"`{', '.join(gone) or 'nothing'}` was deleted")
    return tuple(found)


def _checked(payload: dict[str, Any]) -> str:
    """The commit of a status; Bitbucket's documentation shows it by its address alone."""
    status = dig(payload, "commit_status")
    if dig(status, "commit") is not None:
        return sha(status, "commit.hash")
    address = text(status, "links.commit.href")
    return sha({"href": address.rpartition("/")[2]}, "href")


def _author(of: Any) -> str:
    return _AUTHOR.sub("", text(of, "target.author.raw", ""))


def _pull_request(payload: dict[str, Any], action: Action) -> tuple[GitEvent, ...] | Ignored:
    pull = dig(payload, "pullrequest")
    if text(pull, "state", "OPEN") != "OPEN":
        return Ignored(f"the pull request is {text(pull, 'state').lower()}")
    ours = dig(pull, "destination.repository.uuid")
    if ours is None:
        raise Malformed("`pullrequest.destination.repository.uuid` is not there")
    return (
        GitEvent(
            "pull_request",
            repos(payload),
            sha(pull, "source.commit.hash"),
            branch=ref_name(text(pull, "source.branch.name"), "pullrequest.source.branch.name"),
            action=action,
            pull_request=PullRequest(
                number(pull, "id"),
                ref_name(text(pull, "destination.branch.name"), "destination.branch.name"),
                sha(pull, "destination.commit.hash"),
                flag(pull, "draft"),
                fork=ours != dig(pull, "source.repository.uuid"),
                title=text(pull, "title", ""),
            ),
            by=_by(payload),
        ),
    )


def _by(payload: dict[str, Any]) -> str:
    return text(payload, "actor.display_name", "") or text(payload, "actor.nickname", "")
