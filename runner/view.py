"""A run as people look at it: its nodes with their statuses and times, and a node's record. Pure.

All of it is read from the journal: the state is the fold, the times and earlier attempts come from
the records themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rflow.compiler.plan import Json, Place, Plan
from rflow.runner import events as ev
from rflow.runner.begin import HOLDS
from rflow.runner.events import Reason, Record
from rflow.runner.node_state import UNDO, NodeState
from rflow.runner.outcomes import UNDO_RETRY
from rflow.runner.scope import MASK
from rflow.runner.state import RunState


class NodeView(Struct):
    """A node of a run. `undo` marks what undoes another; `waits` says what it waits for, in words
    ("" if it does not); `answer` is the command that answers it, with RUN for the run."""

    id: str
    plan_id: str
    kind: str
    section: str
    status: str
    group: str | None
    attempt: int
    attempts_max: int
    started_at: float | None = None
    ended_at: float | None = None
    due: float | None = None
    reason: Reason = ev.NO_REASON
    waits: str = ""
    answer: str = ""
    undo: bool = False
    warning: bool = False


class GroupView(Struct):
    """A group of the flow; its status follows from its members'."""

    id: str
    order: str
    parent: str | None
    status: str


class RunView(Struct):
    """A run: its state as a whole and its nodes, in the order in which they are shown."""

    run: str
    flow: str
    stage: str | None
    kind: str
    name: str
    description: str
    status: str
    phase: str
    by: str
    reason: Reason
    created_at: float
    started_at: float | None
    ended_at: float | None
    trigger: dict[str, Json]
    args: dict[str, Json]
    outputs: dict[str, Json]
    warnings: tuple[str, ...]
    held: Reason
    nodes: list[NodeView]
    groups: list[GroupView]


class AttemptView(Struct):
    """One attempt of a node. `error` is None if it did not fail."""

    attempt: int
    started_at: float
    ended_at: float | None = None
    outcome: str = "running"
    error: dict[str, Json] | None = None


class NodeRecord(Struct):
    """All that is kept of a node: its own source, its inputs (secrets masked), what it answered,
    and what was tried."""

    view: NodeView
    code: str
    place: str
    inputs: dict[str, Json]
    outputs: dict[str, Json]
    secret_outputs: tuple[str, ...]
    error: dict[str, Json] | None
    attempts: list[AttemptView]
    next_at: float | None
    intents: dict[str, tuple[Json, Json]]
    decisions: list[dict[str, Json]]
    contract: str


GROUP_ORDER = ("running", "retrying", "waiting", "failed", "cancelled", "pending", "success")


def group_status(statuses: Sequence[str]) -> str:
    """A group's status: the first present of `GROUP_ORDER`; all skipped is skipped."""
    present = set(statuses)
    return next((status for status in GROUP_ORDER if status in present), "skipped")


def where(plan: Plan, place: Place) -> str:
    """`release.rflow:42` for a place in a plan."""
    source = plan.sources[place.source]
    return f"{source.path}:{source.text.count(chr(10), 0, place.start) + 1}"


def code(plan: Plan, place: Place) -> str:
    """The text at a place, without the indentation that its lines share."""
    text = plan.sources[place.source].text
    start = text.rfind("\n", 0, place.start) + 1
    indent = text[start : place.start]
    lines = text[place.start : place.end].split("\n")
    if indent.strip():
        return "\n".join(lines)
    return "\n".join([lines[0], *(line.removeprefix(indent) for line in lines[1:])])


def view(state: RunState, records: Sequence[Record]) -> RunView:
    """The run as it is."""
    times = _times(records)
    created = state.created
    nodes = [
        _node_view(state, state.nodes[instance.index], times)
        for section in ("main", "failure", "finally")
        for number in state.graph.sections[section]
        if not (instance := state.graph.instances[number]).hidden
    ]
    undos = [
        _node_view(state, undo, times) for _, undo in sorted(state.undos.items(), reverse=True)
    ]
    cut = next((i for i, node in enumerate(nodes) if node.section != "main"), len(nodes))
    nodes[cut:cut] = undos
    return RunView(
        created.run,
        created.flow,
        created.stage,
        created.kind,
        state.name,
        state.description,
        state.status,
        state.phase,
        created.by,
        state.reason,
        state.created_at,
        state.started_at or None,
        state.ended_at or None,
        created.trigger,
        {**created.args, **dict.fromkeys(created.sealed, MASK)},
        state.outputs,
        tuple(dict.fromkeys(state.warnings)),
        state.held,
        nodes,
        _groups(state, nodes),
    )


def _groups(state: RunState, nodes: list[NodeView]) -> list[GroupView]:
    plan = state.graph.plan
    parents = {group.id: group.parent for group in plan.groups}
    statuses: dict[str, list[str]] = {group.id: [] for group in plan.groups}
    for node in nodes:
        at = None if node.undo else node.group
        while at is not None:
            statuses[at].append(node.status)
            at = parents[at]
    return [
        GroupView(group.id, group.order, group.parent, group_status(statuses[group.id]))
        for group in plan.groups
    ]


def _times(records: Sequence[Record]) -> dict[str, tuple[float | None, float | None]]:
    found: dict[str, tuple[float | None, float | None]] = {}
    for record in records:
        id = getattr(record.event, "node", None)
        if id is None:
            continue
        match record.event:
            case ev.AttemptStarted() | ev.ApprovalAsked() | ev.NodeHeld():
                start = found.get(id, (None, None))[0]
                found[id] = (record.at if start is None else start, None)
            case ev.AttemptSucceeded() | ev.NodeFailed() | ev.NodeSkipped() | ev.NodeCancelled():
                found[id] = (found.get(id, (None, None))[0], record.at)
            case _:
                pass
    return found


def _node_view(
    state: RunState, node: NodeState, times: dict[str, tuple[float | None, float | None]]
) -> NodeView:
    instance = state.instance(node.id)
    undo = node.id.startswith(UNDO)
    by_contract = undo and instance.node.contract.type == "undo"
    retry = UNDO_RETRY if undo else instance.node.retry
    started, ended = times.get(node.id, (None, None))
    waits, answer = waiting_for(state, node)
    return NodeView(
        node.id,
        instance.node.id,
        instance.node.contract.kind if by_contract else instance.node.kind,
        "undo" if undo else instance.node.section,
        node.status,
        instance.node.group,
        node.attempt,
        retry.attempts,
        started,
        ended,
        node.due or None,
        node.reason,
        waits,
        answer,
        undo,
        node.status == "failed" and node.id in state.warnings,
    )


def waiting_for(state: RunState, node: NodeState) -> tuple[str, str]:
    """What a node waits for, in words, and the command that answers it."""
    if node.status != "waiting":
        return "", ""
    values = node.reason.values
    if node.asked and node.key:
        return (
            "for a person to say what the attempt that was cut off did",
            f"rflow resume RUN --redo {node.id} | --done {node.id} | --fail {node.id}",
        )
    if node.asked:
        approval = state.instance(node.id).node.approval
        count = 1 if approval is None else approval.count
        by = ", ".join(approval.by) if approval is not None and approval.by else "anybody"
        given = f"{len(node.decisions)} of {count}"
        return f"for approval by {by} ({given})", f"rflow approve RUN {node.id}"
    if node.reason.code in HOLDS:
        if "lock" in values:
            return (
                f"for the lock {values['lock']!r}, held by {values['node']} of run {values['run']}",
                "",
            )
        answer = f"rflow pass RUN {node.id} --reason TEXT"
        if "reason" in values:
            return f"for the freeze to end ({values['reason']})", answer
        return "for the stage to open", answer
    return (f"for {node.wait}" if node.wait else "to go on"), ""


def node_record(state: RunState, records: Sequence[Record], id: str) -> NodeRecord:
    """The record of a node; KeyError if there is none."""
    node, instance = state.node(id), state.instance(id)
    plan = state.graph.plan
    attempts: dict[int, AttemptView] = {}
    decisions: list[dict[str, Json]] = []
    error: dict[str, Json] | None = None
    for record in records:
        event = record.event
        if getattr(event, "node", None) != id:
            continue
        match event:
            case ev.AttemptStarted():
                attempts[event.attempt] = AttemptView(event.attempt, record.at)
            case ev.AttemptSucceeded() if event.attempt in attempts:
                _close(attempts[event.attempt], record.at, "success", None)
                error = None
            case ev.AttemptFailed() if event.attempt in attempts:
                _close(attempts[event.attempt], record.at, "failed", event.error)
                error = event.error
            case ev.AttemptLost() | ev.PersonAsked() if event.attempt in attempts:
                _close(attempts[event.attempt], record.at, "cut off", None)
            case ev.NodeCancelled() if attempts:
                last = attempts[max(attempts)]
                if last.ended_at is None:
                    _close(last, record.at, "cancelled", None)
            case ev.Decided():
                decisions.append(
                    {
                        "by": event.by,
                        "decision": event.decision,
                        "comment": event.comment,
                        "at": record.at,
                        "round": event.round,
                    }
                )
            case _:
                pass
    return NodeRecord(
        _node_view(state, node, _times(records)),
        code(plan, instance.node.place),
        where(plan, instance.node.place),
        node.inputs,
        {**node.outputs, **dict.fromkeys(node.sealed, MASK)},
        instance.node.secret_outputs,
        error,
        [attempts[number] for number in sorted(attempts)],
        node.due if node.status == "retrying" else None,
        node.intents,
        decisions,
        _contract(instance.node.contract.type, instance.node.contract.reason),
    )


def _contract(type: str, reason: str) -> str:
    return f"{type} ({reason})" if reason else type


def _close(attempt: AttemptView, at: float, outcome: str, error: dict[str, Json] | None) -> None:
    attempt.ended_at, attempt.outcome, attempt.error = at, outcome, error


__all__ = [
    "AttemptView",
    "GroupView",
    "NodeRecord",
    "NodeView",
    "RunView",
    "code",
    "group_status",
    "node_record",
    "view",
    "waiting_for",
    "where",
]
