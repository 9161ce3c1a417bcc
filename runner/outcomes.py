"""What becomes of news: outcomes of attempts, decisions of people, times that have come.

News counts once: an outcome of an attempt that is no longer the node's open one, or a decision on
a gate that is no longer asked for, changes nothing.
"""

from __future__ import annotations

from random import Random

from rflow.compiler.plan import Json, Retry
from rflow.runner import approvals, begin
from rflow.runner import events as ev
from rflow.runner.command import (
    Failed,
    Intends,
    Message,
    NotDone,
    ParkedAt,
    Stopped,
    Succeeded,
)
from rflow.runner.events import Reason
from rflow.runner.journal import Fact
from rflow.runner.node_state import UNDO, NodeState
from rflow.runner.scheduler import CANCELLED
from rflow.runner.step import Step

UNDO_RETRY = Retry(3, (1.0, 5.0), 0.0)
"""An undo that fails is tried again: what it does must bear that."""

CUT_OFF = "cut-off"


def take_message(step: Step, message: Message, recovering: set[str]) -> None:
    """An attempt said something. `recovering` are nodes whose kind was asked what it did."""
    node = _node(step, message.node)
    body = message.body
    if node is None or not node.open or node.attempt != message.attempt:
        if isinstance(body, Intends):
            step.replies.append((body.reply, "the attempt is no longer the node's"))
        return
    match body:
        case Intends():
            _intend(step, node, body)
        case Succeeded():
            recovered = node.id in recovering
            recovering.discard(node.id)
            step.emit(
                ev.AttemptSucceeded(node.id, node.attempt, body.outputs, body.sealed, recovered)
            )
            _ended(step, node)
        case ParkedAt():
            step.emit(ev.Parked(node.id, node.attempt, body.wait, body.due, body.why))
            step.timers.append((body.due, node.id))
            if node.id in step.stopping:
                _cancel(step, node)
        case Stopped():
            _cancel(step, node)
        case NotDone():
            recovering.discard(node.id)
            again(step, node)
        case Failed() if node.id in recovering:
            recovering.discard(node.id)
            values: dict[str, Json] = {"message": body.message}
            step.emit(ev.PersonAsked(node.id, node.attempt, Reason(CUT_OFF, values)))
        case Failed():
            _fail(step, node, body)


def _node(step: Step, id: str) -> NodeState | None:
    try:
        return step.state.node(id)
    except KeyError:
        return None


def _intend(step: Step, node: NodeState, body: Intends) -> None:
    if node.id in step.stopping:
        step.replies.append((body.reply, "the run was cancelled"))
        return
    refused = step.quarantined(body.after)
    if refused is not None and step.state.created.kind != "rollback":
        step.replies.append((body.reply, refused))
        return
    known = body.resource in node.intents
    anew = known and step.changed_since(body.resource) is not None
    step.emit(ev.Intended(node.id, node.attempt, body.resource, body.before, body.after, anew))
    step.replies.append((body.reply, None))


def _cancel(step: Step, node: NodeState) -> None:
    reason = step.stopping.get(node.id, Reason(CANCELLED))
    step.emit(ev.NodeCancelled(node.id, reason))
    _ended(step, node)


def _ended(step: Step, node: NodeState) -> None:
    step.stopping.pop(node.id, None)
    step.again.pop(node.id, None)
    step.free_locks(node.id)


def _fail(step: Step, node: NodeState, failed: Failed) -> None:
    error: dict[str, Json] = {"message": failed.message, "retry": failed.retry}
    if failed.code:
        error["code"] = failed.code
    if failed.detail is not None:
        error["detail"] = failed.detail
    step.emit(ev.AttemptFailed(node.id, node.attempt, error))
    if node.id in step.stopping:
        _cancel(step, node)
        return
    retry = retry_of(step, node.id)
    values: dict[str, Json] = {
        "message": failed.message,
        "failures": node.failures,
        "attempts_max": retry.attempts,
    }
    if not failed.retry or node.failures >= retry.attempts:
        code = "attempts-used-up" if failed.retry else "retry-useless"
        step.emit(ev.NodeFailed(node.id, Reason(code, values)))
        _ended(step, node)
        return
    due = step.now + delay_s(step, node, retry)
    step.emit(ev.RetryScheduled(node.id, node.attempt + 1, due, Reason("retry", values)))
    step.timers.append((due, node.id))


def retry_of(step: Step, id: str) -> Retry:
    """How a node, or an undo, is retried."""
    return UNDO_RETRY if id.startswith(UNDO) else step.state.instance(id).node.retry


def delay_s(step: Step, node: NodeState, retry: Retry) -> float:
    """The delay before the next attempt; its jitter follows from the run's seed alone."""
    if not retry.delays_s:
        return 0.0
    delay = retry.delays_s[min(node.failures, len(retry.delays_s)) - 1]
    chance = Random(f"{step.state.created.seed}/{node.id}/{node.failures}").random()  # noqa: S311
    return delay * (1.0 - retry.jitter * chance)


def again(step: Step, node: NodeState) -> None:
    """Start an attempt that was cut off again, as the next one, without using up a retry."""
    step.emit(ev.AttemptLost(node.id, node.attempt, Reason(CUT_OFF)))
    begin.start(step, node.id, reason=Reason(CUT_OFF), key=node.key)


# -- after a crash -----------------------------------------------------------------------------


def take_up(step: Step, recovering: set[str]) -> None:
    """Look after the attempts that were going on when the runner died."""
    state = step.state
    for id in sorted(state.open):
        node, plan = state.node(id), state.instance(id).node
        if id.startswith(UNDO) or (plan.repeatable and not plan.recovers):
            again(step, node)
        elif plan.recovers:
            recovering.add(id)
            begin.recover(step, id)
        else:
            step.emit(ev.PersonAsked(id, node.attempt, Reason(CUT_OFF)))
    for id in sorted(state.live):
        node = state.node(id)
        if node.due:
            step.timers.append((node.due, id))


# -- people ------------------------------------------------------------------------------------


def take_fact(step: Step, fact: Fact) -> None:
    """Somebody asked something of the run."""
    step.facts.append(fact.id)
    body = fact.body
    by = str(body.get("by", ""))
    match fact.kind:
        case "cancel":
            if step.state.phase != "ended":
                why = Reason(CANCELLED, {"by": by, "comment": str(body.get("reason", ""))})
                step.emit(ev.CancelRequested(by, body.get("rollback") is True, why))
        case "rename":
            name = str(body.get("name", step.state.name))
            step.emit(ev.RunRenamed(name, str(body.get("description", step.state.description)), by))
        case "decide":
            _decide(step, fact, by)
        case "answer":
            _answer(step, fact, by)
        case "pass":
            node = _node(step, str(body.get("node")))
            if node is not None and node.status == "waiting" and node.reason.code in begin.HOLDS:
                step.emit(ev.HoldPassed(node.id, by, str(body.get("reason", ""))))
        case "retry":
            pass


def _decide(step: Step, fact: Fact, by: str) -> None:
    node = _node(step, str(fact.body.get("node")))
    if node is None or node.status != "waiting" or not node.asked:
        return
    approval = step.state.instance(node.id).node.approval
    if approval is None or fact.body.get("round", node.round) != node.round:
        return
    if approvals.refusal(approval, node, by, step.state.created.by) is not None:
        return
    comment = str(fact.body.get("comment", ""))
    if fact.body.get("decision") == "reject":
        step.emit(ev.Decided(node.id, node.round, by, "reject", comment))
        why = Reason("rejected", {"by": by, "comment": comment})
        step.emit(ev.NodeFailed(node.id, why))
        return
    step.emit(ev.Decided(node.id, node.round, by, "approve", comment))
    names: list[Json] = [decision.by for decision in node.decisions]
    if len(names) >= approval.count:
        why = Reason("approved", {"by": names, "count": approval.count})
        step.emit(ev.AttemptSucceeded(node.id, node.round, {"by": names}, reason=why))


def _answer(step: Step, fact: Fact, by: str) -> None:
    node = _node(step, str(fact.body.get("node")))
    if node is None or not node.asked or not node.key or node.status != "waiting":
        return
    match fact.body.get("answer"):
        case "redo":
            step.emit(ev.PersonAnswered(node.id, node.attempt, by, "redo"))
            begin.start(step, node.id, reason=Reason("redo", {"by": by}), key=node.key)
        case "done":
            step.emit(ev.PersonAnswered(node.id, node.attempt, by, "done"))
            why = Reason("answered", {"by": by})
            step.emit(ev.AttemptSucceeded(node.id, node.attempt, reason=why))
            _ended(step, node)
        case "fail":
            step.emit(ev.PersonAnswered(node.id, node.attempt, by, "fail"))
            step.emit(ev.NodeFailed(node.id, Reason("answered", {"by": by})))
            _ended(step, node)


# -- time --------------------------------------------------------------------------------------


def take_time(step: Step, id: str, due: float) -> None:
    """A time has come that a node waited for; nothing if it waits no more, or for another."""
    node = _node(step, id)
    if node is None or node.terminal:
        return
    if node.status == "retrying" and node.due <= step.now:
        step.again[id] = Reason("retry-due")
    elif node.status == "waiting" and node.wait and node.due <= step.now:
        step.again[id] = Reason("woke")
    elif node.status == "waiting" and node.asked and not node.key and node.due <= step.now:
        approval = step.state.instance(id).node.approval
        otherwise = approval.otherwise if approval is not None else "reject"
        code = "expired-rollback" if otherwise == "rollback" else "expired"
        values: dict[str, Json] = {
            "decisions": [decision.by for decision in node.decisions],
            "due": node.due,
        }
        step.emit(ev.NodeFailed(id, Reason(code, values)))


def go_on(step: Step, id: str, reason: Reason) -> None:
    """Start the next attempt of a node whose time has come, or take up its parked one."""
    node = step.state.node(id)
    if node.status == "retrying":
        begin.try_again(step, id, reason)
    elif node.status == "waiting" and node.wait:
        step.emit(ev.Woke(id, node.attempt, node.wait))
        begin.resume(step, id)
