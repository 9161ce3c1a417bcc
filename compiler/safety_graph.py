"""The differences of two graphs, all of them, in words: for looking at two runs side by side.

The same pairing and normal form as for what a change means for safety; here nothing is weighed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct
from rflow.compiler.durations import show_duration
from rflow.compiler.plan import Contract, Node, Plan
from rflow.compiler.safety_change import Comparison, named, people
from rflow.compiler.safety_nodes import same_input
from rflow.compiler.safety_normal import SCRIPT, Part
from rflow.compiler.tree import Apply, Expr
from rflow.plugins.types import Specs


class NodeChange(Struct, frozen=True):
    """A node that differs; `was` is its old id, if it has another; `details` are in words."""

    node: str
    change: Literal["added", "removed", "changed"]
    was: str = ""
    details: tuple[str, ...] = ()


def graph_changes(old: Plan, new: Plan, specs: Specs) -> list[NodeChange]:
    """The nodes that differ: changed and added ones in the order of the new plan, then removed."""
    found = Comparison.of(old, new, specs)
    changes: list[NodeChange] = []
    for part in found.pairs.new.parts.values():
        was = found.pairs.old_of.get(part.id)
        if was is None:
            changes.append(NodeChange(part.id, "added", details=(part.node.kind,)))
            continue
        before = found.pairs.old.parts[was]
        details = (*_node(found, before, part), *_order(found, before, part))
        if details or was != part.id:
            changes.append(NodeChange(part.id, "changed", was if was != part.id else "", details))
    gone = [NodeChange(p.id, "removed", details=(p.node.kind,)) for p in found.pairs.removed()]
    return [*changes, *gone]


def _node(found: Comparison, old: Part, new: Part) -> Iterator[str]:
    one, two = old.node, new.node
    pairs = found.pairs
    if one.kind != two.kind:
        yield f"kind {one.kind} → {two.kind}"
    for name in sorted({*old.inputs, *new.inputs}):
        if not same_input(found, old.inputs.get(name), new.inputs.get(name)):
            yield _input(found, name, old, new)
    outputs1, outputs2 = one.outputs or {}, two.outputs or {}
    for name in sorted({*outputs1, *outputs2}):
        if outputs1.get(name) != outputs2.get(name):
            yield f"output {name}: {outputs1.get(name, 'none')} → {outputs2.get(name, 'none')}"
    before = {pairs.before.of(expr): expr for expr in old.whens}
    now = {pairs.now.of(expr): expr for expr in new.whens}
    for number, expr in now.items():
        if number not in before:
            yield f"when {found.shown(expr, new)} is new"
    for number, expr in before.items():
        if number not in now:
            yield f"when {found.shown(expr, old, old=True)} was dropped"
    if pairs.contract(old, pairs.before) != pairs.contract(new, pairs.now):
        yield f"rolling back: {_contract(one.contract)} → {_contract(two.contract)}"
    if _gate(one) != _gate(two):
        yield f"approval: {_gate(one)} → {_gate(two)}"
    if one.retry.attempts != two.retry.attempts:
        yield f"attempts {one.retry.attempts} → {two.retry.attempts}"
    elif one.retry != two.retry:
        yield "the delays between attempts"
    if one.timeout_s != two.timeout_s:
        yield f"timeout {_time(one.timeout_s)} → {_time(two.timeout_s)}"
    if pairs.before.of(old.lock) != pairs.now.of(new.lock):
        yield f"lock {found.shown(old.lock, old, old=True)} → {found.shown(new.lock, new)}"
    loops1 = [(pairs.before.of(over), at_most) for over, at_most in old.loops]
    loops2 = [(pairs.now.of(over), at_most) for over, at_most in new.loops]
    if loops1 != loops2:
        yield f"each {_loops(found, old, old=True)} → {_loops(found, new)}"
    if one.continue_on_failure != two.continue_on_failure:
        yield "continue on failure " + ("is new" if two.continue_on_failure else "was dropped")


def _input(found: Comparison, name: str, old: Part, new: Part) -> str:
    for part in (old, new):
        expr = part.inputs.get(name)
        if isinstance(expr, Apply) and expr.op == SCRIPT:
            return f"{name} changed"
    before, now = _written(old, name), _written(new, name)
    return f"{name} {found.shown(before, old, old=True)} → {found.shown(now, new)}"


def _written(part: Part, name: str) -> Expr | None:
    return (part.node.inputs or {}).get(name)


def _contract(contract: Contract) -> str:
    match contract.type:
        case "self":
            return "by its kind"
        case "undo":
            return f"undo {contract.kind}"
        case "none":
            return "nothing said"
        case "pure":
            return "pure"
        case _:
            return f'{contract.type} "{contract.reason}"'


def _gate(node: Node) -> str:
    if node.approval is None:
        return ""
    approval = node.approval
    own = ", their own runs too" if approval.self_ok else ""
    within = f"within {show_duration(approval.within_s)} else {approval.otherwise}"
    return f"{approval.count} of {people(node)}{own}, {within}"


def _time(seconds: float | None) -> str:
    return "none" if seconds is None else show_duration(seconds)


def _loops(found: Comparison, part: Part, *, old: bool = False) -> str:
    shown = [
        found.shown(over, part, old=old) + ("" if at_most is None else f" at most {at_most}")
        for over, at_most in part.loops
    ]
    return ", ".join(shown) or "once"


def _order(found: Comparison, old: Part, new: Part) -> Iterator[str]:
    """What a node comes after now and did not, and the other way round; nodes of both graphs."""
    names, back = found.pairs.old_of, found.pairs.new_of
    more = [
        id
        for id in found.now.normal.direct[new.id]
        if id in names and not found.before.normal.after(old.id, names[id])
    ]
    fewer = [
        id
        for id in found.before.normal.direct[old.id]
        if id in back and not found.now.normal.after(new.id, back[id])
    ]
    if more:
        yield f"comes after {named(more)} now"
    if fewer:
        yield f"does not come after {named(fewer)} any more"


__all__ = ["NodeChange", "graph_changes"]
