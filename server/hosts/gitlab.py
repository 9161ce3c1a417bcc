"""GitLab's webhooks: pushes, tags, merge requests, pipelines.

Described at docs.gitlab.com, "Webhook events" and "System hooks". A push has at most 20 commits
and says of how many; a merge request has its newest commit and no files. A system hook, which
tells of all projects, calls a push by another field and its author by no user name.

A message carries the secret token itself, or (since GitLab 18) is signed as the Standard Webhooks
say: `webhook-signature` is `v1,` and base64 of the HMAC-SHA256 of `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import Any

from rflow.server.events import NOTHING, Action, Commit, GitEvent, Ignored, PullRequest
from rflow.server.hosts.github import changed, commit
from rflow.server.hosts.reading import (
    Headers,
    addresses,
    dig,
    flag,
    items,
    number,
    ref_name,
    same,
    sha,
    text,
)

AGE_MAX_S = 5 * 60
_SIGNING = b"whsec_"
_ENDED = ("success", "failed", "canceled", "skipped")


def verified(secret: bytes, headers: Headers, body: bytes) -> bool:
    """Whether the message carries the secret token, or is signed with the signing token."""
    if secret.startswith(_SIGNING):
        return _signed(secret, headers, body)
    return same(secret.decode("utf-8", "replace"), headers.get("x-gitlab-token", ""))


def _signed(secret: bytes, headers: Headers, body: bytes) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix(_SIGNING), validate=True)
        sent = int(headers.get("webhook-timestamp", ""))
    except (ValueError, binascii.Error):
        return False
    if abs(time.time() - sent) > AGE_MAX_S:
        return False
    about = f"{headers.get('webhook-id', '')}.{sent}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, about, hashlib.sha256).digest()).decode()
    return any(same(wanted, given) for given in headers.get("webhook-signature", "").split())


def delivery(headers: Headers, body: bytes) -> str:
    """The id of the delivery; the same when it is sent again."""
    if given := headers.get("webhook-id") or headers.get("idempotency-key"):
        return given
    # Events that follow from one another share this id; with the body it is one event's own.
    event = headers.get("x-gitlab-event-uuid", "")
    return f"{event}-{hashlib.sha256(body).hexdigest()[:16]}" if event else ""


def event_name(headers: Headers, payload: dict[str, Any]) -> str:
    """What the message is about."""
    named = text(payload, "object_kind", "") or text(payload, "event_name", "")
    return named or headers.get("x-gitlab-event", "")


def recognises(payload: dict[str, Any]) -> bool:
    """Whether a message without headers looks like one of GitLab's."""
    named = payload.get("object_kind", payload.get("event_name"))
    return isinstance(named, str)


def read(headers: Headers, payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    """The events of a message. Malformed if it is not as GitLab writes them."""
    match event_name(headers, payload):
        case "push":
            return _push(payload)
        case "tag_push":
            return _tag(payload)
        case "merge_request":
            return _merge_request(payload)
        case "pipeline":
            status = text(payload, "object_attributes.status")
            if status not in _ENDED:
                return Ignored(f"a pipeline is {status}: nothing is known of it yet")
            at = sha(payload, "object_attributes.sha")
            return (GitEvent("checks", repos(payload), at, by=text(payload, "user.username", "")),)
        case other:
            return Ignored(f"no trigger listens to `{other}`")


def repos(payload: dict[str, Any]) -> tuple[str, ...]:
    """The addresses of the project that a message is about."""
    return addresses(
        *(dig(payload, f"project.{name}") for name in ("git_http_url", "git_ssh_url", "web_url"))
    )


def _push(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    ref = text(payload, "ref")
    name = ref_name(ref.removeprefix("refs/heads/"), "ref")
    if text(payload, "after") in NOTHING:
        return Ignored(f"`{name}` was deleted")
    after, before = sha(payload, "after"), text(payload, "before", "")
    new = before in NOTHING
    listed = items(payload, "commits")
    complete = dig(payload, "total_commits_count") == len(listed) and bool(listed)
    found = tuple(commit(one) for one in listed)
    return (
        GitEvent(
            "push",
            repos(payload),
            after,
            branch=name,
            before="" if new else before,
            commits=found if complete else None,
            head=next((one for one in found if one.sha == after), None),
            paths=changed(listed) if complete and not new else None,
            by=_pusher(payload),
        ),
    )


def _tag(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    name = ref_name(text(payload, "ref").removeprefix("refs/tags/"), "ref")
    if text(payload, "after") in NOTHING:
        return Ignored(f"the tag `{name}` was deleted")
    at = sha(payload, "checkout_sha")  # `after` may be the tag's own name
    head = next((commit(one) for one in items(payload, "commits") if dig(one, "id") == at), None)
    by = _pusher(payload)
    return (GitEvent("tag", repos(payload), at, tag=name, head=head, by=by),)


def _pusher(payload: dict[str, Any]) -> str:
    return text(payload, "user_username", "") or text(payload, "user_name", "")


def _action(payload: dict[str, Any]) -> tuple[Action, str]:
    """What has become of a merge request, and which label it was given."""
    said = text(payload, "object_attributes.action", "")
    if said in ("open", "reopen"):
        return "opened", ""
    if said != "update":
        return "", ""
    if isinstance(dig(payload, "object_attributes.oldrev"), str):
        return "updated", ""
    if dig(payload, "changes.draft.previous") is True and not flag(
        payload, "changes.draft.current"
    ):
        return "ready", ""
    had = {text(label, "title") for label in items(payload, "changes.labels.previous")}
    has = {text(label, "title") for label in items(payload, "changes.labels.current")}
    new = sorted(has - had)
    return ("labelled", new[0] if len(new) == 1 else "*") if new else ("", "")


def _merge_request(payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored:
    of = dig(payload, "object_attributes")
    action, added = _action(payload)
    if not action:
        said = text(of, "action", "")
        if not said:  # so come the ones that GitLab sends to test a webhook
            return Ignored("it does not say what was done to the merge request")
        return Ignored(f"a merge request was changed ({said}): its commits are the same")
    counted = number(of, "iid")
    last = dig(of, "last_commit")
    head = Commit(sha(last, "id"), text(last, "message", ""), text(last, "author.name", ""))
    return (
        GitEvent(
            "pull_request",
            repos(payload),
            head.sha,
            branch=ref_name(text(of, "source_branch"), "source_branch"),
            action=action,
            head=head,
            pull_request=PullRequest(
                counted,
                ref_name(text(of, "target_branch"), "target_branch"),
                draft=flag(of, "draft") or flag(of, "work_in_progress"),
                fork=dig(of, "source_project_id") != number(of, "target_project_id"),
                labels=tuple(text(label, "title") for label in items(payload, "labels")),
                added=added,
                ref=f"refs/merge-requests/{counted}/head",
                title=text(of, "title", ""),
            ),
            by=text(payload, "user.username", ""),
        ),
    )
