"""What a change means for approvals: which effects can be reached without, whom gates ask."""

from __future__ import annotations

from rflow.compiler.durations import show_duration
from rflow.compiler.plan import Node
from rflow.compiler.safety_change import Comparison, Level, named, verb
from rflow.compiler.safety_facts import is_effect, why_no_gate
from rflow.compiler.safety_normal import Part
from rflow.compiler.waves import listed


def check_gates(found: Comparison) -> None:
    """Add the changes of gates and of what is behind them."""
    told = _check_effects(found)
    for old, new in found.pairs.pairs():
        if old.node.approval is not None and new.node.approval is not None:
            _check_gate(found, old.node, new.node)
            _check_skippable(found, old.node, new, told)
    for part in found.pairs.removed():
        if part.node.approval is not None and part.id not in told:
            message = f"the gate `{part.id}` was removed"
            found.add("caution", "gate-removed", part.id, message, part.node.place, gone=True)
    for part in found.pairs.added():
        if part.node.approval is not None:
            found.add("note", "gate-added", part.id, f"a new gate `{part.id}`", part.node.place)


def _check_effects(found: Comparison) -> set[str]:
    """Effects that lost their gates, by the gate that they lost; the gates told of."""
    guarded = bool(found.before.gates) or bool(found.old.stage and found.old.stage.protected)
    lost: dict[tuple[bool, tuple[str, ...]], list[Part]] = {}
    new_ungated: list[Part] = []
    told: set[str] = set()
    for part in found.now.normal.parts.values():
        if not is_effect(part.node) or part.node.approval is not None:
            continue
        now = found.now.gates_of(part.node)
        before = found.pairs.old_of.get(part.id)
        if before is None:
            if not now:
                new_ungated.append(part)
            continue
        kept = {found.pairs.old_of.get(gate.id) for gate in now}
        had = found.before.gates_of(found.before.normal.parts[before].node)
        without = tuple(gate.id for gate in had if gate.id not in kept)
        if without:
            lost.setdefault((not now, without), []).append(part)
            told.update(without)
    for (ungated, gates), parts in lost.items():
        ids = [part.id for part in parts]
        why = listed([_why(found, gate, parts) for gate in gates])
        if ungated:
            message = f"{named(ids)} can now be reached without approval: {why}"
            found.add("risk", "ungated", ids, message, parts[0].node.place)
        else:
            verb_ = verb(ids, "is", "are")
            message = f"{named(ids)} {verb_} behind fewer gates: {why}"
            found.add("caution", "gate-lost", ids, message, parts[0].node.place)
    if new_ungated:
        ids = [part.id for part in new_ungated]
        message = f"{verb(ids, 'a new effect', 'new effects')}, {named(ids)}, without approval"
        level: Level = "risk" if guarded else "caution"
        found.add(level, "ungated", ids, message, new_ungated[0].node.place)
    return told


def _why(found: Comparison, gate: str, parts: list[Part]) -> str:
    """Why a gate does not stand before a node any more."""
    now = found.pairs.new_of.get(gate)
    if now is None:
        return f"the gate `{gate}` was removed"
    known = found.now.normal.parts[now]
    if known.node.approval is None:
        return f"`{now}` is no gate any more"
    if not found.now.normal.after(parts[0].id, now):
        return f"{verb(parts, 'it no longer comes', 'they no longer come')} after `{now}`"
    why = why_no_gate(known.node)
    if why is not None:
        return f"`{now}` is no gate any more, {why}"
    return f"`{now}` stands in a loop that may have no turn"


def _check_gate(found: Comparison, old: Node, new: Node) -> None:
    """A gate that asks for less."""
    before, now = old.approval, new.approval
    assert before is not None
    assert now is not None
    gate = f"`{new.id}`"
    if now.count < before.count:
        approvals = "approval" if now.count == 1 else "approvals"
        message = f"{gate} asks for {now.count} {approvals}, it was {before.count}"
        found.add("risk", "gate-count", new.id, message, new.place)
    if before.people and not now.people:
        message = f"anyone may approve {gate} now, it was {listed(before.by)}"
        found.add("risk", "gate-anyone", new.id, message, new.place)
    elif more := sorted(set(now.people) - set(before.people) if before.people else ()):
        message = f"{listed(more)} may approve {gate} now"
        found.add("caution", "gate-people", new.id, message, new.place)
    if now.self_ok and not before.self_ok:
        message = f"people may approve {gate} in runs that they started themselves"
        found.add("risk", "gate-self", new.id, message, new.place)
    if now.within_s > before.within_s:
        one, two = show_duration(before.within_s), show_duration(now.within_s)
        message = f"{gate} can be approved for longer: {two}, it was {one}"
        found.add("caution", "gate-within", new.id, message, new.place)
    if before.otherwise == "rollback" and now.otherwise != "rollback":
        message = f"what the run did is not undone any more when {gate} expires"
        found.add("risk", "gate-expiry", new.id, message, new.place)


def _check_skippable(found: Comparison, old: Node, new: Part, told: set[str]) -> None:
    """A gate without effects behind it that is none any more."""
    why = why_no_gate(new.node)
    if why is not None and why_no_gate(old) is None and old.id not in told:
        message = f"`{new.id}` is no gate any more: {why}"
        found.add("caution", "gate-skippable", new.id, message, new.node.place)
