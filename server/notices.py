"""What subscribers are told of a run: the type of an event, and the message that it becomes.

A message says which run and which node, what happened and why; it never holds inputs, outputs or
arguments. Who wants those asks the API, as somebody who may. Pure.
"""

from __future__ import annotations

import datetime
import json
import re
from fnmatch import fnmatchcase

from rflow.plugins.types import Json
from rflow.runner import events as ev
from rflow.runner.events import Event, Record
from rflow.runner.journal import RunSummary

TEXT_MAX = 2000

TYPES: dict[type[Event], str] = {
    ev.RunCreated: "run.created",
    ev.RunHeld: "run.held",
    ev.RunStarted: "run.started",
    ev.RunResumed: "run.resumed",
    ev.RunRenamed: "run.renamed",
    ev.CancelRequested: "run.cancel_requested",
    ev.RunTimedOut: "run.timed_out",
    ev.RetryRequested: "run.retried",
    ev.UndoRequested: "run.undo_requested",
    ev.PhaseStarted: "run.phase",
    ev.AttemptStarted: "node.started",
    ev.AttemptSucceeded: "node.succeeded",
    ev.AttemptFailed: "node.attempt_failed",
    ev.AttemptLost: "node.attempt_lost",
    ev.RetryScheduled: "node.retrying",
    ev.Parked: "node.waiting",
    ev.NodeHeld: "node.held",
    ev.HoldPassed: "node.passed",
    ev.NodeSkipped: "node.skipped",
    ev.NodeFailed: "node.failed",
    ev.NodeCancelled: "node.cancelled",
    ev.PersonAsked: "node.person_asked",
    ev.PersonAnswered: "node.person_answered",
    ev.ApprovalAsked: "approval.asked",
    ev.Decided: "approval.decided",
}
"""The type of each event that is told; a run's end has the type of its status."""

ENDS = {"success": "run.succeeded", "failed": "run.failed", "cancelled": "run.cancelled"}
ALL = tuple(sorted({*TYPES.values(), *ENDS.values()}))
TEST = "subscription.test"

_SHOWN = ("node", "attempt", "by", "comment", "decision", "answer", "name", "due", "phase", "wait")


def type_of(event: Event) -> str | None:
    """The type, None for an event that nobody is told of."""
    if isinstance(event, ev.RunEnded):
        return ENDS[event.status]
    return TYPES.get(type(event))


def matches(patterns: list[str], type: str) -> bool:
    """Whether somebody who wants these (`run.*`, `node.failed`) wants this type."""
    return any(fnmatchcase(type, pattern) for pattern in patterns)


def unknown(pattern: str) -> bool:
    """Whether a pattern means no type at all."""
    plain = re.fullmatch(r"[a-z_.*]+", pattern) is not None
    return not plain or not any(fnmatchcase(type, pattern) for type in ALL)


def body(summary: RunSummary, record: Record, url: str) -> str:
    """The message, as JSON; `url` is the server's address."""
    event = record.event
    data: dict[str, Json] = {
        "run": summary.run,
        "flow": summary.flow,
        "stage": summary.stage,
        "kind": summary.kind,
        "run_name": _cut(summary.name),
        "number": record.number,
        "url": f"{url}/runs/{summary.run}",
    }
    for name in _SHOWN:
        if (value := getattr(event, name, None)) not in (None, ""):
            data[name] = _cut(value) if isinstance(value, str) else value
    match event:
        case ev.RunEnded():
            data["status"] = event.status
            data["warnings"] = list(event.warnings)
            if isinstance(node := event.reason.values.get("node"), str):
                data["node"] = _cut(node)
        case ev.AttemptFailed():
            data["error"] = _cut(str(event.error.get("message", "")))
        case _:
            pass
    if (reason := getattr(event, "reason", ev.NO_REASON)).code:
        data["reason"] = reason.code
    return message(type_of(event) or "", record.at, data)


def message(type: str, at: float, data: dict[str, Json]) -> str:
    """A message as Standard Webhooks recommends it: type, timestamp, data."""
    time = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="milliseconds")
    told = {"type": type, "timestamp": time.replace("+00:00", "Z"), "data": data}
    return json.dumps(told, ensure_ascii=True, separators=(",", ":"))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
