"""The messages of the git hosts in `payloads/`, with the headers each host sends."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parent / "payloads"
SECRET = "a secret of the hook"

EVENTS = {
    "github": {
        "push": "push",
        "pull-request": "pull_request",
        "check-suite": "check_suite",
        "status": "status",
        "ping": "ping",
    },
    "gitlab": {
        "push": "Push Hook",
        "tag-push": "Tag Push Hook",
        "merge-request": "Merge Request Hook",
        "pipeline": "Pipeline Hook",
    },
    "gitea": {
        "push": "push",
        "pull-request": "pull_request",
        "status": "status",
        "delete": "delete",
    },
    "bitbucket": {
        "push": "repo:push",
        "pull-request-created": "pullrequest:created",
        "pull-request": "pullrequest:updated",
        "commit-status": "repo:commit_status_updated",
    },
    "plain": {"post-receive": "push"},
}


def payload(host: str, name: str) -> dict[str, Any]:
    """A message as an object."""
    found: dict[str, Any] = json.loads((PAYLOADS / host / f"{name}.json").read_text())
    return found


def headers(host: str, name: str, body: bytes, *, delivery: str = "d-1") -> dict[str, str]:
    """The headers with which a host sends it, signed with `SECRET`."""
    begins = [begin for begin in EVENTS[host] if name.startswith(begin)]
    event = EVENTS[host][max(begins, key=len)]
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    match host:
        case "github":
            return {
                "x-github-event": event,
                "x-github-delivery": delivery,
                "x-hub-signature-256": f"sha256={digest}",
            }
        case "gitlab":
            return {
                "x-gitlab-event": event,
                "x-gitlab-event-uuid": "e-1",
                "idempotency-key": delivery,
                "x-gitlab-token": SECRET,
            }
        case "gitea":
            return {
                "x-gitea-event": event,
                "x-gitea-delivery": delivery,
                "x-gitea-signature": digest,
                "x-github-event": event,
            }
        case "bitbucket":
            return {
                "x-event-key": event,
                "x-request-uuid": delivery,
                "x-hub-signature": f"sha256={digest}",
            }
        case _:
            return {"authorization": f"Bearer {SECRET}", "x-rflow-delivery": delivery}


def every() -> list[tuple[str, str]]:
    """(host, name) of all messages that were written for the tests."""
    return sorted((host, path.stem) for host in EVENTS for path in PAYLOADS.glob(f"{host}/*.json"))
