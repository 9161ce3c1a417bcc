"""What a record says, in a line for people. Owns wording only; never decides anything."""

from __future__ import annotations

import json
import time

from rflow.cli import times
from rflow.cli.cells import clean
from rflow.plugins.types import Json
from rflow.runner import events as ev
from rflow.runner.events import Record

DAY = 86400


def until(what: str, due: float) -> str:
    """`waits for approval until 14:05`."""
    if due >= 9e14 or due <= 0:
        return what
    near = abs(due - time.time()) < DAY / 2
    return f"{what} until {times.clock(due) if near else times.day_time(due)}"


def value(shown: Json) -> str:
    """A value in one line."""
    if isinstance(shown, str):
        return clean(shown)
    return json.dumps(shown, ensure_ascii=False)


def reason(why: ev.Reason) -> str:
    """Why, in words: what the runner says of the code, with the values that decided it."""
    if not why.code:
        return ""
    from rflow.runner.why import sentence

    return clean(sentence(why))


def line(record: Record, run: str) -> tuple[str, str] | None:
    """The node that a record is about ("" for the run) and what it says; None for nothing."""
    event = record.event
    node: str = getattr(event, "node", "")
    said = _of_node(event, run) if node else _of_run(event, run)
    return (node, said) if said else None


def _of_run(event: ev.Event, run: str) -> str:
    match event:
        case ev.RunCreated():
            stage = f" for {event.stage}" if event.stage else ""
            return f"run {run} of {event.flow}{stage} created by {clean(event.by)}"
        case ev.RunHeld():
            return f"held: {reason(event.reason)}"
        case ev.RunStarted():
            return "started"
        case ev.RunResumed():
            return "resumed"
        case ev.RunRenamed():
            return f"named {clean(event.name)} by {clean(event.by)}"
        case ev.CancelRequested():
            with_undo = ", with rollback" if event.rollback else ""
            return f"cancelled by {clean(event.by)}{with_undo}"
        case ev.RunTimedOut():
            return reason(event.reason) or "timed out"
        case ev.RetryRequested():
            return f"retried by {clean(event.by)} from {', '.join(event.nodes)}"
        case ev.UndoRequested():
            return f"undo goes on, asked for by {clean(event.by)}"
        case ev.PhaseStarted():
            named = {"undo": "undoing what the run did", "failure": "on failure"}
            return named.get(event.phase, event.phase) if event.phase != "main" else ""
        case ev.RunEnded():
            said = f"ended: {event.status}"
            if event.warnings:
                said += f" with warnings ({', '.join(event.warnings)} failed)"
            why = reason(event.reason)
            return f"{said} ({why})" if why else said
    return ""


def _of_node(event: ev.Event, run: str) -> str:
    match event:
        case ev.AttemptStarted():
            return "started" if event.attempt == 1 else f"started, attempt {event.attempt}"
        case ev.AttemptSucceeded():
            return "success, as was found after a crash" if event.recovered else "success"
        case ev.AttemptFailed():
            message = clean(str(event.error.get("message", "")))
            return f"attempt {event.attempt} failed: {message}"
        case ev.AttemptLost():
            return f"attempt {event.attempt} was cut off by a crash"
        case ev.RetryScheduled():
            return f"attempt {event.attempt} begins at {times.clock(event.due)}"
        case ev.Parked():
            return until(f"waits for {clean(event.wait)}", event.due)
        case ev.Woke():
            return f"{clean(event.wait)} has come"
        case ev.NodeHeld():
            return f"held: {reason(event.reason)}"
        case ev.NodeSkipped():
            return _with("skipped", event.reason)
        case ev.NodeFailed():
            return _with("failed", event.reason)
        case ev.NodeCancelled():
            return _with("cancelled", event.reason)
        case ev.ApprovalAsked():
            asked = until("waits for approval", event.due)
            again = " (asked again)" if event.round > 1 else ""
            return f"{asked}{again}: rflow approve {run} {event.node} --as NAME"
        case ev.Decided():
            said = "approved" if event.decision == "approve" else "rejected"
            comment = f": {clean(event.comment)}" if event.comment else ""
            return f"{said} by {clean(event.by)}{comment}"
        case ev.PersonAsked():
            return (
                "was cut off by a crash, somebody must say what it did:"
                f" rflow resume {run} --redo|--done|--fail {event.node}"
            )
        case ev.PersonAnswered():
            return f"{clean(event.by)} says: {event.answer}"
    return ""


def _with(said: str, why: ev.Reason) -> str:
    words = reason(why)
    return f"{said}: {words}" if words else said
