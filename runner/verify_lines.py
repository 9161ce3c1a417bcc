"""A run's lines in the list of runs and in the ledger of effects, held against its events.

Both repeat what the events say, for quick looking up; rollback believes the ledger.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import Any

from rflow.runner.chain import Stored
from rflow.runner.events import RunCreated, decode
from rflow.runner.journal import Journal, moves
from rflow.runner.problems import StateError
from rflow.runner.verdict import Body, Finding, Verdict


def check_line(found: Verdict, journal: Journal, events: list[Stored], bodies: list[Body]) -> None:
    """The run's line in the list of runs, against the events."""
    try:
        summary = journal.summary(found.run)
    except (StateError, TypeError, ValueError) as error:
        found.findings.append(Finding("unreadable", "the run's line", str(error)))
        return
    if summary is None:
        message = "the run is not in the list of runs"
        found.findings.append(Finding("missing", "the run's line", message))
        return
    if summary.length > len(events):
        message = f"is not there: the run has {summary.length} events"
        for number in range(bodies[-1].number + 1 if bodies else 1, summary.length + 1):
            found.findings.append(Finding("cut", f"event {number}", message))
    elif summary.length < len(events):
        _add_line(found, "length", summary.length, len(events))
    if not bodies or bodies[0].kind != "RunCreated":
        return
    for column, value in _columns(bodies).items():
        if getattr(summary, column) != value:
            _add_line(found, column, getattr(summary, column), value)


def _columns(bodies: list[Body]) -> dict[str, object]:
    """What the events say of the run, as far as the list of runs repeats it."""
    created = bodies[0].says
    names = ("flow", "stage", "kind", "name", "description", "by", "plan")
    columns: dict[str, object] = {name: created.get(name) for name in names}
    columns["created_at"] = bodies[0].at
    columns["concluded"] = False
    for body in bodies[1:]:
        match body.kind:
            case "RunRenamed":
                columns["name"] = body.says.get("name")
                columns["description"] = body.says.get("description")
            case "RunStarted" | "RunResumed":
                columns.setdefault("started_at", body.at)
            case "RetryRequested" | "UndoRequested":
                columns["concluded"] = False
                columns.pop("status", None)
                columns.pop("ended_at", None)
            case "RunEnded":
                columns["concluded"] = True
                columns["status"] = body.says.get("status")
                columns["ended_at"] = body.at
            case _:
                pass
    return columns


def _add_line(found: Verdict, column: str, line: object, events: object) -> None:
    message = f"the list of runs says {line!r}, the events say {events!r}"
    found.findings.append(Finding("line", f"the run's {column}", message))


def check_ledger(found: Verdict, journal: Journal, events: list[Stored]) -> None:
    """The run's lines in the ledger of effects, against the events, if these are as written."""
    if found.findings:
        return
    said = [decode(event.kind, event.body.decode()) for event in events]
    created = said[0]
    if not isinstance(created, RunCreated) or created.stage is None:
        return
    wanted: list[dict[str, object]] = []
    for move in moves(said):
        own = [line for line in wanted if line["node"] == move.node and line["state"] != "undone"]
        open_ = [line for line in own if line["state"] == "open"]
        if move.kind == "intended":
            same = [] if move.anew else [one for one in open_ if one["resource"] == move.resource]
            for line in same:
                line["after"] = move.after
            if not same:
                line = dict.fromkeys(_LEDGER, None) | {"state": "open"}
                wanted.append(line | {name: getattr(move, name) for name in _LEDGER[:4]})
        elif move.kind != "ended":
            for line in open_ if move.kind == "done" else own:
                line["state"] = "open" if move.kind == "undoing" else move.kind
    try:
        lines = [line for line in journal.ledger(created.stage) if line.run == found.run]
    except (StateError, ValueError) as error:
        found.findings.append(Finding("unreadable", "the ledger", str(error)))
        return
    for line, change in zip_longest(wanted, lines):
        one = None if line is None else [line[name] for name in _LEDGER]
        two = None if change is None else [getattr(change, name) for name in _LEDGER]
        if one != two:
            node, resource = (two or one or ["", ""])[:2]
            message = f"the ledger says {_line(two)}, the events say {_line(one)}"
            found.findings.append(Finding("line", f"the effect of {node} on {resource}", message))


_LEDGER = ("node", "resource", "before", "after", "state")


def _line(line: list[Any] | None) -> str:
    if line is None:
        return "nothing"
    _, _, before, after, state = line
    return f"{json.dumps(before)} → {json.dumps(after)} ({state})"
