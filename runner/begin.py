"""How a node begins: its conditions, what may hold it, its inputs, the command.

Everything it waits for has ended well when `begin` is called. What comes of it is one event: it is
skipped, held, asked for, failed (an expression has no value), or an attempt starts.
"""

from __future__ import annotations

from rflow.compiler.expr import EvalError, Expr, Literal, evaluate
from rflow.compiler.plan import Json, Node
from rflow.runner import approvals
from rflow.runner import events as ev
from rflow.runner.command import Command, Mode
from rflow.runner.events import NO_REASON, Reason
from rflow.runner.node_state import UNDO, NodeState
from rflow.runner.scope import RunScope, work_out
from rflow.runner.step import Step

LOCK_HELD = "lock-held"
WINDOW_CLOSED = "window-closed"
FROZEN = "frozen"
HOLDS = frozenset({LOCK_HELD, WINDOW_CLOSED, FROZEN})

SHOWN_MAX = 8192
"""Longer strings are cut in what is journalled of inputs; the attempt gets them whole."""


def begin(step: Step, id: str) -> None:
    """Begin a node, or an undo, that is ready or was held."""
    if id.startswith(UNDO):
        _begin_undo(step, id)
        return
    instance = step.state.instance(id)
    scope = RunScope(step.state, step.filters, instance)
    try:
        skipped = _skipped(scope, instance.node)
        if skipped is not None:
            step.emit(ev.NodeSkipped(id, skipped))
        elif instance.node.kind == "approve":
            _ask(step, id)
        elif not _held(step, id, scope, instance.node):
            start(step, id)
    except EvalError as error:
        step.emit(ev.NodeFailed(id, Reason("no-value", {"message": str(error)})))


def _skipped(scope: RunScope, node: Node) -> Reason | None:
    for number, (condition, place) in enumerate(node.whens):
        if scope.value(condition) is not True:
            where: Json = [place.source, place.start, place.end]
            return Reason("condition-false", {"when": number, "place": where})
    return None


def _ask(step: Step, id: str) -> None:
    instance, node = step.state.instance(id), step.state.node(id)
    approval = instance.node.approval
    assert approval is not None
    bound = approvals.binds(step.state, step.filters, id)
    digest = approvals.digest(bound)
    reason = NO_REASON
    if node.round and node.slice != digest:
        reason = Reason("slice-changed", approvals.difference(node.binds, bound))
    due = step.now + approval.within_s
    step.emit(ev.ApprovalAsked(id, node.round + 1, digest, bound, due, reason))
    if node.approved is not None and node.approved[0] == digest:
        by = node.approved[1]
        why = Reason("approved-before", {"by": by})
        step.emit(ev.AttemptSucceeded(id, node.round, {"by": by}, reason=why))
        return
    step.timers.append((due, id))


def try_again(step: Step, id: str, reason: Reason) -> None:
    """Start the next attempt of a node that failed, unless its stage takes no effects now."""
    instance = step.state.instance(id)
    if not _held(step, id, RunScope(step.state, step.filters, instance), instance.node):
        start(step, id, reason=reason)


def _held(step: Step, id: str, scope: RunScope, node: Node) -> bool:
    """Whether a freeze, a closed window or a lock keeps it from starting; takes the lock if not."""
    state = step.state.node(id)
    if node.effect is not None and not (state.passed or node.restores or id.startswith(UNDO)):
        closed = _closed(step)
        if closed is not None:
            _hold(step, state, closed[0])
            step.timers.append((closed[1], id))
            return True
    if node.lock is None:
        return False
    lock = str(scope.value(node.lock))
    holder = step.holder(lock)
    run = step.state.created.run
    if holder is not None and (holder.run, holder.node) != (run, id):
        values: dict[str, Json] = {"lock": lock, "run": holder.run, "node": holder.node}
        _hold(step, state, Reason(LOCK_HELD, values))
        return True
    if holder is None:
        step.take_lock(lock, id)
    return False


def _closed(step: Step) -> tuple[Reason, float] | None:
    """Why the stage takes no effects now, and until when."""
    stage = step.state.graph.plan.stage
    if stage is None:
        return None
    freeze = step.freeze()
    if freeze is not None:
        until = freeze["until"]
        assert isinstance(until, int | float)
        return Reason(FROZEN, freeze), float(until)
    from rflow.runner.windows import opens_at

    opens = opens_at(stage.open, step.now)
    if opens is None:
        return None
    return Reason(WINDOW_CLOSED, {"opens": opens, "windows": [*stage.open]}), opens


def _hold(step: Step, node: NodeState, reason: Reason) -> None:
    if node.reason != reason or node.status == "pending":
        step.emit(ev.NodeHeld(node.id, reason))


def start(step: Step, id: str, *, reason: Reason = NO_REASON, key: str = "") -> None:
    """Start the next attempt of a node; `key` is that of an attempt which was cut off."""
    node = step.state.node(id)
    try:
        command = command_for(step, id, "run", node.attempt + 1, key)
    except EvalError as error:
        step.emit(ev.NodeFailed(id, Reason("no-value", {"message": str(error)})))
        return
    shown = {name: _cut(value) for name, value in command.inputs.items()}
    shown.update((f"${name}", _cut(value)) for name, value in command.program.items())
    step.emit(ev.AttemptStarted(id, command.attempt, command.key, shown, reason))
    step.commands.append(command)


def _cut(value: Json) -> Json:
    if isinstance(value, str) and len(value) > SHOWN_MAX:
        return f"{value[:SHOWN_MAX]}… ({len(value)} characters)"
    return value


def resume(step: Step, id: str) -> None:
    """Go on with an attempt that was parked: `run` is called again from its top."""
    node = step.state.node(id)
    step.commands.append(command_for(step, id, "run", node.attempt, node.key))


def recover(step: Step, id: str) -> None:
    """Ask the kind whether the attempt that was cut off took effect."""
    node = step.state.node(id)
    step.commands.append(command_for(step, id, "recover", node.attempt, node.key))


def command_for(step: Step, id: str, mode: Mode, attempt: int, key: str) -> Command:
    """The command of an attempt. Raises EvalError where an input has no value."""
    state, instance = step.state, step.state.instance(id)
    node, known = instance.node, state.node(id)
    undo = id.startswith(UNDO)
    by_contract = undo and node.contract.type == "undo"
    source = state.nodes[instance.index]
    done, sealed = source.done or (source.outputs, source.sealed)
    scope = RunScope(state, step.filters, instance, done if undo else None)
    contract, own = node.contract, id.removeprefix(UNDO)
    worked = work_out(dict(contract.inputs) if by_contract else _inputs(step, own, node), scope)
    program = work_out(dict(contract.program) if by_contract else _variables(node), scope)
    values = {**worked.values, **program.values}
    kind = node.contract.kind if by_contract else node.kind
    plan = state.graph.plan
    effects = tuple(
        (resource, before, after)
        for resource, (before, after) in source.intents.items()
        if undo or step.changed_since(resource) is None  # else it is no longer this node's value
    )
    if node.restores:
        mode = "restore"
        effects = tuple(
            (r.resource, evaluate(r.now, scope, {}), evaluate(r.value, scope, {}))
            for r in node.restores
        )
    return Command(
        run=state.created.run,
        plan=state.created.plan,
        node=id,
        plan_node=node.id,
        mode="undo" if undo and not by_contract else mode,
        attempt=attempt,
        key=key or f"{state.created.run}/{id}/{attempt}",
        kind=kind,
        version=plan.kinds.get(kind, ""),
        inputs=worked.shown,
        program=program.shown,
        late=tuple(worked.late),
        late_program=tuple(program.late),
        values=tuple((root, path, value) for (root, path), value in values.items()),
        done=done if undo and state.did(instance.index) else None,
        sealed_done=sealed if undo and sealed else None,
        effects=effects,
        woke=tuple(sorted(known.woke)),
        timeout_s=node.timeout_s,
        from_contract=by_contract,
    )


def _inputs(step: Step, id: str, node: Node) -> dict[str, Expr]:
    inputs = dict(node.inputs or {})
    for name in (node.id, id):
        for key, value in step.state.overrides.get(name, {}).items():
            inputs[key] = Literal(value)
    return inputs


def _variables(node: Node) -> dict[str, Expr]:
    return {name: expr for pairs in (node.program or {}).values() for name, expr in pairs}


# -- undo --------------------------------------------------------------------------------------


def _begin_undo(step: Step, id: str) -> None:
    state, instance = step.state, step.state.instance(id)
    contract = instance.node.contract
    doubt = state.in_doubt(instance.index)
    match contract.type:
        case "keep" | "irreversible":
            values: dict[str, Json] = {"why": contract.reason}
            if doubt:
                values["in_doubt"] = True
            step.emit(ev.NodeSkipped(id, Reason(f"undo-{contract.type}", values)))
            return
        case "none" | "pure":
            step.emit(ev.NodeSkipped(id, Reason("undo-no-contract", {"in_doubt": doubt})))
            return
        case "undo" if doubt:
            step.emit(ev.NodeSkipped(id, Reason("undo-in-doubt")))
            return
        case _:
            pass
    for resource in state.nodes[instance.index].intents:
        other = step.changed_since(resource)
        if other is not None:
            values = {"run": other, "resource": resource}
            step.emit(ev.NodeSkipped(id, Reason("undo-changed-since", values)))
            return
    scope = RunScope(state, step.filters, instance)
    try:
        held = _held(step, id, scope, instance.node)
    except EvalError as error:
        step.emit(ev.NodeFailed(id, Reason("no-value", {"message": str(error)})))
        return
    if not held:
        start(step, id)
