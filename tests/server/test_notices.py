"""What subscribers are told, event by event."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rflow.runner import events as ev
from rflow.runner.events import Event, Reason, Record
from rflow.runner.journal import RunSummary
from rflow.server import notices

SUMMARY = RunSummary(
    *("7k2mqa9d", "release", "shop.production", "release", "v1.4", "", "running", False),
    *(1.0, 1.0, None, "dev@example.com", "plan", 3, "", "queue"),
)


def told(event: Event) -> dict[str, Any]:
    text = notices.body(SUMMARY, Record(3, 1_795_000_000.5, event), "https://rflow.example.com")
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_message_names_the_run_and_what_happened() -> None:
    assert told(ev.NodeFailed("web[eu]", Reason("attempts-used-up", {"x": 1}))) == {
        "type": "node.failed",
        "timestamp": "2026-11-18T11:06:40.500Z",
        "data": {
            "run": "7k2mqa9d",
            "flow": "release",
            "stage": "shop.production",
            "kind": "release",
            "run_name": "v1.4",
            "number": 3,
            "url": "https://rflow.example.com/runs/7k2mqa9d",
            "node": "web[eu]",
            "reason": "attempts-used-up",
        },
    }


@pytest.mark.parametrize(
    ("event", "type", "data"),
    [
        (
            ev.RunEnded("failed", reason=Reason("node-failed", {"node": "web"})),
            "run.failed",
            {"status": "failed", "node": "web"},
        ),
        (ev.RunEnded("success", {"x": "hidden"}, ("a",)), "run.succeeded", {"warnings": ["a"]}),
        (ev.RunEnded("cancelled"), "run.cancelled", {"status": "cancelled"}),
        (ev.AttemptStarted("web", 1, "hidden", {"x": "hidden"}), "node.started", {"attempt": 1}),
        (ev.AttemptSucceeded("web", 1, {"x": "hidden"}), "node.succeeded", {"node": "web"}),
        (
            ev.AttemptFailed("web", 1, {"message": "no", "detail": "hidden"}),
            "node.attempt_failed",
            {"error": "no"},
        ),
        (
            ev.ApprovalAsked("gate", 1, "sha", {"args": "hidden"}, 9.0),
            "approval.asked",
            {"due": 9.0},
        ),
        (
            ev.Decided("gate", 1, "oncall@example.com", "reject", "not now"),
            "approval.decided",
            {"by": "oncall@example.com", "decision": "reject", "comment": "not now"},
        ),
    ],
)
def test_what_is_told_of_an_event(event: Event, type: str, data: dict[str, Any]) -> None:
    found = told(event)
    assert found["type"] == type
    assert data.items() <= found["data"].items()
    assert "hidden" not in json.dumps(found)


def test_long_texts_are_cut() -> None:
    assert len(json.dumps(told(ev.AttemptFailed("web", 1, {"message": "x" * 99_999})))) < 3000


def test_the_page_names_all_types_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/observe.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[a-z]+\.[a-z_]+`.*?) \|", page, re.M)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert named == {*notices.ALL, notices.TEST}


def test_events_that_nobody_is_told_of() -> None:
    untold = {name for name, kind in ev.KINDS.items() if kind not in notices.TYPES}
    assert untold == {"Intended", "Woke", "RunEnded"}


@pytest.mark.parametrize(
    ("patterns", "type", "wanted"),
    [
        (["*"], "run.failed", True),
        (["run.*"], "node.failed", False),
        (["node.failed", "run.*"], "node.failed", True),
        ([], "run.failed", False),
    ],
)
def test_patterns(patterns: list[str], type: str, wanted: bool) -> None:
    assert notices.matches(patterns, type) is wanted
