"""What an approval binds to, and whose decisions count. Pure.

A decision is about what is behind the gate as it was when it was asked for: the definitions of
those nodes, the arguments they read, the values that cross the gate and the names of the secrets
they are given. Its digest is the gate's slice; if it changes before the nodes run, the gate asks
again and shows the difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from msgspec.structs import replace
from rflow.compiler.expr import Expr, Get, references
from rflow.compiler.plan import Approval, Json, Node, Place, Plan
from rflow.runner.node_state import NodeState
from rflow.runner.scope import Filters, RunScope
from rflow.runner.state import RunState

_NOWHERE = Place(0, 0, 0)


def expressions(node: Node) -> Iterator[Expr]:
    """All expressions of a node."""
    for condition, _ in node.whens:
        yield condition
    yield from (node.inputs or {}).values()
    for variables in (node.program or {}).values():
        for _, expr in variables:
            yield expr
    for _, expr in (*node.contract.inputs, *node.contract.program):
        yield expr
    if node.lock is not None:
        yield node.lock


def reads(plan: Plan, node: Node) -> Iterator[Get]:
    """All that a node reads, through bindings, each once per place where it is read."""
    seen: set[str] = set()
    stack = [*expressions(node)]
    while stack:
        for get in references(stack.pop()):
            if get.root != "value":
                yield get
            elif (name := str(get.path[0])) not in seen:
                seen.add(name)
                stack.append(plan.values[name])


def binds(state: RunState, filters: Filters, gate: str) -> dict[str, Json]:
    """What a decision on the gate binds to, as JSON: `nodes` (id → digest of its definition),
    `overrides`, `args`, `values` (that cross the gate and are known) and `secrets` (names)."""
    instance = state.instance(gate)
    plan, approval = state.graph.plan, instance.node.approval
    assert approval is not None
    behind = set(approval.slice)
    scope = RunScope(state, filters, instance)
    nodes: dict[str, Json] = {}
    args: dict[str, Json] = {}
    values: dict[str, Json] = {}
    secrets: set[str] = set()
    for node in plan.nodes:
        if node.id not in behind:
            continue
        nodes[node.id] = _definition(node)
        for get in reads(plan, node):
            name = ".".join(map(str, get.path))
            if get.root == "secret":
                secrets.add(name)
            elif get.root == "arg":
                args[name] = scope.get("arg", get.path)
            elif get.root == "trigger" or (
                get.root in ("node", "all", "ran") and get.path[0] not in behind
            ):
                value = scope.get(get.root, get.path)
                if value is not None:
                    values[name] = value
    overrides: dict[str, Json] = {
        id: dict(given) for id, given in state.overrides.items() if _plan_id(state, id) in behind
    }
    return {
        "nodes": dict(sorted(nodes.items())),
        "overrides": dict(sorted(overrides.items())),
        "args": dict(sorted(args.items())),
        "values": dict(sorted(values.items())),
        "secrets": [*sorted(secrets)],
    }


def _plan_id(state: RunState, id: str) -> str:
    number = state.graph.by_id.get(id)
    return id if number is None else state.graph.instances[number].node.id


def _definition(node: Node) -> str:
    whens = tuple((condition, _NOWHERE) for condition, _ in node.whens)
    return sha256(repr(replace(node, place=_NOWHERE, whens=whens)).encode()).hexdigest()


def digest(bound: dict[str, Json]) -> str:
    """The slice: the digest of what `binds` gave."""
    text = json.dumps(bound, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + sha256(text.encode()).hexdigest()


def difference(before: dict[str, Json], now: dict[str, Json]) -> dict[str, Json]:
    """What changed between two binds: `nodes` by name; the rest as name → [before, now]."""
    changed: dict[str, Json] = {}
    for part in ("nodes", "overrides", "args", "values"):
        old, new = before.get(part), now.get(part)
        if isinstance(old, dict) and isinstance(new, dict):
            for name in sorted({*old, *new}):
                if old.get(name) != new.get(name):
                    here = None if part == "nodes" else [old.get(name), new.get(name)]
                    changed[f"{part}.{name}"] = here
    if before.get("secrets") != now.get("secrets"):
        changed["secrets"] = [before.get("secrets"), now.get("secrets")]
    return changed


def refusal(approval: Approval, node: NodeState, by: str, started_by: str) -> str | None:
    """Why a decision of `by` does not count, None if it does."""
    if not by:
        return "a decision needs a name"
    if approval.people and by not in approval.people:
        who = ", ".join(approval.by)
        return f"{by} is not among those who may approve `{node.id}` ({who})"
    if by == started_by and not approval.self_ok:
        return f"{by} started the run, and nobody approves a run they started"
    if any(decision.by == by for decision in node.decisions):
        return f"{by} has decided already"
    return None
