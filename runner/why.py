"""Why: the recorded reasons of a run and its nodes, in sentences, with the values that decided.

Nothing is guessed: every sentence comes from an event. Where a condition decided, it is evaluated
again on the recorded values, so that each part of it can be shown with its own value. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct
from rflow.compiler.expr import EvalError, Explained, explain
from rflow.compiler.plan import Json
from rflow.runner import events as ev
from rflow.runner.events import Reason, Record
from rflow.runner.scope import Filters, RunScope
from rflow.runner.state import RunState
from rflow.runner.view import code, where


class Because(Struct, frozen=True):
    """One reason: when, what happened to what, why in words, where in the source (""), and the
    lines that show the values."""

    at: float
    subject: str
    what: str
    text: str
    place: str = ""
    details: tuple[str, ...] = ()


def _clock(value: Json) -> str:
    """Local, with its offset, as all times that people read."""
    if not isinstance(value, int | float):
        return str(value)
    return datetime.fromtimestamp(value).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _list(value: Json) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


_TEXTS: dict[str, Callable[[dict[str, Json]], str]] = {
    "": lambda v: "",
    "condition-false": lambda v: "its condition did not hold",
    "no-value": lambda v: f"an expression has no value: {v.get('message')}",
    "lock-held": lambda v: (
        f"the lock {v.get('lock')!r} is held by {v.get('node')} of run {v.get('run')}"
    ),
    "window-closed": lambda v: (
        f"the stage is closed until {_clock(v.get('opens'))} (open {_list(v.get('windows'))})"
    ),
    "frozen": lambda v: (
        f"the stage is frozen until {_clock(v.get('until'))} by {v.get('by')}: {v.get('reason')}"
    ),
    "retry": lambda v: (
        f"attempt {v.get('failures')} of {v.get('attempts_max')} failed: {v.get('message')}"
    ),
    "attempts-used-up": lambda v: (
        f"all {v.get('attempts_max')} attempts failed, the last with: {v.get('message')}"
        if v.get("attempts_max") != 1
        else f"it failed and has no retries: {v.get('message')}"
    ),
    "retry-useless": lambda v: f"it failed and trying again is useless: {v.get('message')}",
    "retry-due": lambda v: "the delay before the next attempt is over",
    "woke": lambda v: "what it waited for has come",
    "cut-off": lambda v: (
        "the runner ended while this attempt was going on"
        + (f", and its kind cannot tell what it did: {v['message']}" if "message" in v else "")
    ),
    "redo": lambda v: f"{v.get('by')} said to run it again",
    "answered": lambda v: f"{v.get('by')} said what the attempt that was cut off did",
    "approved": lambda v: f"approved by {_list(v.get('by'))} ({v.get('count')} needed)",
    "approved-before": lambda v: (
        f"{_list(v.get('by'))} approved it before, and nothing behind it has changed since"
    ),
    "rejected": lambda v: (
        f"rejected by {v.get('by')}" + (f": {v['comment']}" if v.get("comment") else "")
    ),
    "expired": lambda v: f"nobody decided in time (until {_clock(v.get('due'))}): rejected",
    "expired-rollback": lambda v: (
        f"nobody decided in time (until {_clock(v.get('due'))}): what the run did is undone"
    ),
    "slice-changed": lambda v: "what is behind the gate has changed since it was decided on",
    "run-failed": lambda v: f"the run failed: {_list(v.get('nodes'))}",
    "run-cancelled": lambda v: (
        "the run was cancelled"
        + (f" by {v['by']}" if v.get("by") else "")
        + (f": {v['comment']}" if v.get("comment") else "")
    ),
    "run-timed-out": lambda v: (
        f"the run has been running for {v.get('ran_s'):.0f} s; its flow allows "
        f"{v.get('timeout_s'):.0f} s"
    ),
    "node-failed": lambda v: f"`{v.get('node')}` failed",
    "queued": lambda v: f"it waits for run {v.get('run')} of the same flow, which came first",
    "superseded": lambda v: f"run {v.get('run')} of the same flow came after it",
    "stage-changed": lambda v: (
        f"the stage had changed before it could begin ({_list(v.get('resources'))}); "
        "nothing was touched, prepare it anew"
    ),
    "undo-keep": lambda v: f"left as it is, which is safe: {v.get('why')}",
    "undo-irreversible": lambda v: f"nothing can undo it: {v.get('why')}",
    "undo-no-contract": lambda v: (
        "it does not say what rolling it back means"
        + ("; it was cut short, and may have changed something" if v.get("in_doubt") else "")
    ),
    "undo-in-doubt": lambda v: (
        "it did not end well, so nobody knows what it changed; it is not undone by guessing"
    ),
    "undo-changed-since": lambda v: (
        f"run {v.get('run')} has changed {v.get('resource')} since; its value is no longer this "
        "run's to restore"
    ),
    "undo-blocked": lambda v: (
        f"the undo of {_list(v.get('nodes'))} failed, and this comes after it"
    ),
}

CODES = frozenset(_TEXTS)


def sentence(reason: Reason) -> str:
    """A reason in words; "" for none."""
    text = _TEXTS.get(reason.code)
    if text is None:
        return f"{reason.code}: {reason.values}"
    return text(reason.values)


def why(
    state: RunState, records: Sequence[Record], filters: Filters, node: str | None = None
) -> list[Because]:
    """The reasons of a node, or of the run as a whole, oldest first."""
    found = [
        because
        for record in records
        for because in _because(state, record, filters)
        if (because.subject == node if node is not None else _matters(record.event))
    ]
    return found + ([*_now(state, node)] if node is not None else [])


def _matters(event: ev.Event) -> bool:
    """Whether an event belongs in the story of the run as a whole."""
    if getattr(event, "node", None) is None:
        return True
    if isinstance(event, ev.NodeFailed | ev.NodeSkipped | ev.PersonAsked | ev.ApprovalAsked):
        return True
    return isinstance(event, ev.NodeHeld | ev.RetryScheduled | ev.Decided)


def _because(state: RunState, record: Record, filters: Filters) -> Iterator[Because]:
    event, at = record.event, record.at
    reason: Reason = getattr(event, "reason", ev.NO_REASON)
    subject = getattr(event, "node", "")
    what = _WHAT.get(type(event))
    if what is None:
        return
    text = sentence(reason)
    place = ""
    details: tuple[str, ...] = ()
    match event:
        case ev.AttemptStarted():
            text = text or ("all it waits for has ended well" if event.attempt == 1 else "")
            what = f"attempt {event.attempt} started"
        case ev.AttemptFailed():
            what, text = f"attempt {event.attempt} failed", str(event.error.get("message"))
        case ev.AttemptSucceeded() if event.recovered:
            text = "it had taken effect before the runner ended, as its kind could tell"
        case ev.RetryScheduled():
            what = f"attempt {event.attempt} is due at {_clock(event.due)}"
        case ev.NodeSkipped() if reason.code == "condition-false":
            place, details = _condition(state, event, filters)
        case ev.ApprovalAsked():
            what = f"asked for approval until {_clock(event.due)}"
            details = tuple(f"{k} changed{_change(v)}" for k, v in reason.values.items())
        case ev.Decided():
            verb = "approved" if event.decision == "approve" else "rejected"
            what, text = f"{event.by} {verb}", event.comment
        case ev.Intended():
            what = f"was about to change {event.resource}"
            text = f"from {_value(event.before)} to {_value(event.after)}"
        case ev.PhaseStarted():
            what = {"undo": "undo began", "failure": "`on failure` began"}.get(
                event.phase, "`finally` began"
            )
        case ev.RunEnded():
            what = f"the run ended: {event.status}"
        case ev.HoldPassed():
            what, text = f"{event.by} let it through", event.comment
        case ev.PersonAnswered():
            what = f"{event.by} answered: {event.answer}"
        case _:
            pass
    yield Because(at, subject, what, text, place, details)


_WHAT: dict[type, str] = {
    ev.RunCreated: "the run was created",
    ev.RunHeld: "the run is held",
    ev.RunStarted: "the run started",
    ev.RunResumed: "another process went on with the run",
    ev.CancelRequested: "cancel was asked for",
    ev.RunTimedOut: "the run timed out",
    ev.RetryRequested: "the run goes on",
    ev.UndoRequested: "undo goes on",
    ev.PhaseStarted: "",
    ev.RunEnded: "",
    ev.AttemptStarted: "",
    ev.AttemptSucceeded: "succeeded",
    ev.AttemptFailed: "",
    ev.AttemptLost: "was cut off",
    ev.RetryScheduled: "",
    ev.Parked: "waits",
    ev.NodeHeld: "is held",
    ev.HoldPassed: "",
    ev.NodeSkipped: "was skipped",
    ev.NodeFailed: "failed",
    ev.NodeCancelled: "was cancelled",
    ev.ApprovalAsked: "",
    ev.Decided: "",
    ev.Intended: "",
    ev.PersonAsked: "waits for a person",
    ev.PersonAnswered: "",
}


def _value(value: Json) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _change(value: Json) -> str:
    if isinstance(value, list) and len(value) == 2:
        return f": {_value(value[0])} → {_value(value[1])}"
    return ""


def _condition(
    state: RunState, event: ev.NodeSkipped, filters: Filters
) -> tuple[str, tuple[str, ...]]:
    instance = state.instance(event.node)
    number = event.reason.values.get("when")
    if not isinstance(number, int) or number >= len(instance.node.whens):
        return "", ()
    condition, place = instance.node.whens[number]
    plan = state.graph.plan
    scope = RunScope(state, filters, instance)
    names = {loop.id: loop.name for loop in plan.loops}
    lines = [f"when {code(plan, place)}"]
    try:
        lines.extend(_explained(explain(condition, scope, filters, names)))
    except EvalError as error:
        lines.append(f"  {error}")
    return where(plan, place), tuple(lines)


def _explained(part: Explained, depth: int = 1) -> Iterator[str]:
    yield f"{'  ' * depth}{part.text} = {part.shown}"
    for inner in part.parts:
        yield from _explained(inner, depth + 1)


def _now(state: RunState, id: str) -> Iterator[Because]:
    """What a node that has not begun still waits for."""
    node, instance = state.node(id), state.instance(id)
    if node.status != "pending" or state.ended:
        return
    missing = [
        f"{before.id} is {before.status}"
        for number in instance.before
        if (before := state.nodes[number]).status not in ("success", "skipped")
    ]
    text = "it waits for what comes before it" if missing else "it waits for a free place"
    if state.phase == "main" and state.outcome == "failed":
        text = "the run has failed, so it does not start"
    yield Because(state.last_at, id, "has not started", text, "", tuple(missing))


__all__ = ["CODES", "Because", "sentence", "why"]
