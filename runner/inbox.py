"""What waits for people: each gate of each run, with what a decision on it binds to.

Nothing here decides or writes. What is shown of a gate is what its last question bound, from the
journal, never what the flow's file says now.
"""

from __future__ import annotations

from msgspec import Struct
from rflow.compiler.plan import Json
from rflow.runner import approvals
from rflow.runner import events as ev
from rflow.runner.asking import Asking
from rflow.runner.journal import RunSummary
from rflow.runner.state import RunState


class Behind(Struct, frozen=True):
    """A node behind a gate: `effect` and `contract` say what it changes and what undoes it."""

    node: str
    kind: str
    effect: str | None
    contract: str
    reason: str


class Asked(Struct, frozen=True):
    """A gate that waits. `by` are groups and names as the flow has them, `people` all who may
    (empty: anyone); `changes` is the difference to what was asked before ({} the first time):
    name → [before, now], or None where a node itself is another. `other_args` are the arguments of
    the run that only nodes before the gate read, or none: the decision is not bound to them."""

    run: RunSummary
    gate: str
    doc: str
    round: int
    slice: str
    by: tuple[str, ...]
    people: tuple[str, ...]
    count: int
    self_ok: bool
    approved_by: tuple[str, ...]
    asked_at: float
    due: float
    otherwise: str
    behind: list[Behind]
    args: dict[str, Json]
    other_args: dict[str, Json]
    values: dict[str, Json]
    overrides: dict[str, Json]
    secrets: list[str]
    changes: dict[str, Json]


def inbox(service: Asking) -> list[Asked]:
    """All gates that wait, those whose time ends first before the others."""
    found = [
        asked(service, run.run, gate)
        for run in service.runs(concluded=False, limit=100_000)
        if run.started_at is not None
        for gate in service.waiting_gates(service.fold(run.run))
    ]
    return sorted(found, key=lambda asked: (asked.due, asked.run.run, asked.gate))


def asked(service: Asking, run: str, gate: str) -> Asked:
    """What is asked at a gate that waits."""
    records = service.records(run)
    state = service.fold(run, records)
    node, instance = state.node(gate), state.instance(gate)
    approval = instance.node.approval
    assert approval is not None
    at, event = next(
        (record.at, record.event)
        for record in reversed(records)
        if isinstance(record.event, ev.ApprovalAsked) and record.event.node == gate
    )
    binds = event.binds
    args = _map(binds.get("args"))
    return Asked(
        service.summary(run),
        gate,
        instance.node.doc,
        node.round,
        node.slice,
        approval.by,
        approval.people,
        approval.count,
        approval.self_ok,
        tuple(decision.by for decision in node.decisions if decision.decision == "approve"),
        at,
        event.due,
        approval.otherwise,
        _behind(state, set(approval.slice)),
        args,
        {name: given for name, given in state.created.args.items() if name not in args},
        _map(binds.get("values")),
        _map(binds.get("overrides")),
        [str(name) for name in _list(binds.get("secrets"))],
        dict(event.reason.values),
    )


def may_not(service: Asking, asked: Asked, by: str) -> str | None:
    """Why a decision of `by` on this gate would not count, None if it would."""
    state = service.fold(asked.run.run)
    approval = state.instance(asked.gate).node.approval
    assert approval is not None
    return approvals.refusal(approval, state.node(asked.gate), by, state.created.by)


def _behind(state: RunState, ids: set[str]) -> list[Behind]:
    return [
        Behind(node.id, node.kind, node.effect, node.contract.type, node.contract.reason)
        for node in state.graph.plan.nodes
        if node.id in ids and node.kind not in ("join", "approve")
    ]


def _map(value: Json) -> dict[str, Json]:
    return dict(value) if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


__all__ = ["Asked", "Behind", "asked", "inbox", "may_not"]
