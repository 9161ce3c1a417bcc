"""What a change of single nodes means: checks, order, conditions, retries, timeouts, locks."""

from __future__ import annotations

from rflow.compiler.durations import show_duration
from rflow.compiler.plan import Node
from rflow.compiler.safety_change import Comparison, Level, named, verb
from rflow.compiler.safety_facts import is_effect
from rflow.compiler.safety_normal import SCRIPT, Part, loose
from rflow.compiler.tree import Apply, Expr, Literal
from rflow.plugins.types import Json


def check_nodes(found: Comparison) -> None:
    """Add the changes of nodes, and of the order between them."""
    _check_order(found)
    for old, new in found.both():
        if old.node.kind != new.node.kind:
            message = f"`{new.id}` is a `{new.node.kind}` now, it was a `{old.node.kind}`"
            found.add("caution", "kind", new.id, message, new.node.place)
        _check_failing(found, old, new)
        _check_conditions(found, old, new)
        _check_retry(found, old.node, new.node)
        _check_timeout(found, old.node, new.node)
        _check_lock(found, old, new)
        _check_loops(found, old, new)
        _check_inputs(found, old, new)
    for part in found.pairs.added():
        if part.node.approval is None:
            _say_added(found, part.node)
    told = {id for change in found.changes for id in change.subjects}
    for part in found.pairs.removed():
        if part.node.approval is None and part.id not in told:
            message = f"the node `{part.id}` was removed"
            found.add("note", "removed", part.id, message, part.node.place, gone=True)


def _say_added(found: Comparison, node: Node) -> None:
    if node.kind == "flow.run":
        message = f"a new node, `{node.id}`, starts runs of their own, with their own effects"
        found.add("caution", "starts-runs", node.id, message, node.place)
        return
    if any(change.code == "ungated" and node.id in change.subjects for change in found.changes):
        return
    what = "effect" if is_effect(node) else "node"
    message = f"a new {what}, `{node.id}` ({node.kind})"
    found.add("note", "added", node.id, message, node.place)


# -- what stands before an effect ------------------------------------------------------------


def is_check(found: Comparison, node: Node) -> bool:
    """Whether the node is there to stop what comes after it: it changes nothing, and nobody reads
    what it puts out."""
    pure = not is_effect(node) and node.approval is None and node.kind != "join"
    return pure and node.section == "main" and node.id not in found.before.read


def _check_order(found: Comparison) -> None:
    """Nodes that effects came after and do not come after any more."""
    for part, ids in _lost(found):
        now = found.pairs.new_of.get(part.id)
        check = is_check(found, part.node)
        if now is None:
            if check:
                message = f"the check `{part.id}` was removed; it ran before {named(ids)}"
                found.add("risk", "check-removed", part.id, message, part.node.place, gone=True)
            continue
        does = verb(ids, "does not wait", "do not wait")
        what = f"the check `{now}`" if check else f"`{now}`"
        message = f"{named(ids)} {does} for {what} any more"
        code = "check-bypassed" if check else "order-lost"
        place = found.new.node(ids[0]).place
        found.add("risk" if check else "caution", code, ids, message, place)


def _lost(found: Comparison) -> list[tuple[Part, list[str]]]:
    """Nodes of the old plan, and the effects that came after them and do not any more."""
    old, new = found.before.normal, found.now.normal
    above: dict[str, int] = {}  # what a node of the new plan comes after, as bits of the old one
    lost: dict[int, list[str]] = {}
    for id, part in new.parts.items():
        above[id] = 0
        for before in new.direct[id]:
            was = found.pairs.old_of.get(before)
            above[id] |= above[before] | (0 if was is None else old.bit(was))
        was = found.pairs.old_of.get(id)
        if was is None or not is_effect(part.node):
            continue
        gone = old.ancestors[was] & ~above[id]
        while gone:
            number = gone.bit_length() - 1
            gone ^= 1 << number
            lost.setdefault(number, []).append(id)
    return [
        (part, lost[old.index[id]])
        for id, part in old.parts.items()
        if old.index[id] in lost and part.node.approval is None and part.node.section == "main"
    ]


def _guards(found: Comparison, part: Part) -> bool:
    """Whether an effect comes after the node."""
    return bool(found.now.guards & found.now.normal.bit(part.id))


def _check_failing(found: Comparison, old: Part, new: Part) -> None:
    if not new.node.continue_on_failure or old.node.continue_on_failure:
        return
    check = not is_effect(old.node) and _guards(found, new)
    stops = "does not stop what comes after it any more"
    message = f"when `{new.id}` fails, it {stops}: `continue on failure`"
    found.add("risk" if check else "caution", "continues", new.id, message, new.node.place)


def _check_conditions(found: Comparison, old: Part, new: Part) -> None:
    pairs = found.pairs
    before = {pairs.before.of(expr): expr for expr in old.whens}
    now = {pairs.now.of(expr): expr for expr in new.whens}
    more = [expr for number, expr in now.items() if number not in before]
    fewer = [expr for number, expr in before.items() if number not in now]
    if not more and not fewer:
        return
    shown = found.shown(more[0], new) if more else found.shown(fewer[0], old, old=True)
    if is_effect(new.node):
        if fewer:
            message = f"`{new.id}` runs in other cases than before: " + (
                f"`when {shown}` is new" if more else f"`when {shown}` was dropped"
            )
            found.add("caution", "condition", new.id, message, new.node.place)
        else:
            message = f"`{new.id}` runs only when {shown}"
            found.add("note", "condition", new.id, message, new.node.place)
    elif more and _guards(found, new):
        message = f"`{new.id}` may be skipped now, and what comes after it runs: `when {shown}`"
        weaker = not fewer and is_check(found, old.node)
        level: Level = "risk" if weaker else "caution"
        found.add(level, "check-skippable", new.id, message, new.node.place)
    elif more:
        message = f"`{new.id}` runs only when {shown}"
        found.add("note", "condition", new.id, message, new.node.place)


# -- attempts ------------------------------------------------------------------------------------


def _check_retry(found: Comparison, old: Node, new: Node) -> None:
    spec = found.specs.nodes.get(new.kind)
    one, two = old.retry.attempts, new.retry.attempts
    if two <= one or not is_effect(new) or (spec is not None and spec.repeatable):
        return
    message = f"`{new.id}`, an effect, may be done {two} times now, it was {_times(one)}"
    found.add("risk" if one == 1 else "caution", "retries", new.id, message, new.place)


def _times(count: int) -> str:
    return "once" if count == 1 else str(count)


def _check_timeout(found: Comparison, old: Node, new: Node) -> None:
    one, two = old.timeout_s, new.timeout_s
    if one is None or (two is not None and two <= one):
        return
    if two is None:
        message = f"`{new.id}` has no timeout any more, it was {show_duration(one)}"
        level: Level = "risk" if is_effect(new) else "caution"
        found.add(level, "timeout-dropped", new.id, message, new.place)
        return
    message = f"`{new.id}` may take {show_duration(two)}, it was {show_duration(one)}"
    found.add("caution", "timeout-raised", new.id, message, new.place)


def _check_lock(found: Comparison, old: Part, new: Part) -> None:
    if old.lock is None:
        return
    was = found.shown(old.lock, old, old=True)
    if new.lock is None:
        message = f"`{new.id}` does not take the lock {was} any more"
        level: Level = "risk" if is_effect(new.node) else "caution"
        found.add(level, "lock-dropped", new.id, message, new.node.place)
    elif found.pairs.before.of(old.lock) != found.pairs.now.of(new.lock):
        message = f"`{new.id}` takes the lock {found.shown(new.lock, new)} now, it was {was}"
        found.add("caution", "lock-changed", new.id, message, new.node.place)


def _check_loops(found: Comparison, old: Part, new: Part) -> None:
    pairs = found.pairs
    if len(old.loops) != len(new.loops):
        message = f"`{new.id}` stands in {len(new.loops)} loops now, it was {len(old.loops)}"
        found.add("note", "loop", new.id, message, new.node.place)
        return
    for (was, few), (now, many) in zip(old.loops, new.loops, strict=True):
        if few is not None and (many is None or many > few):
            count = "all its turns" if many is None else f"{many} turns"
            message = f"`{new.id}` runs {count} at once now, it was at most {few}"
            level: Level = "caution" if is_effect(new.node) else "note"
            found.add(level, "at-most", new.id, message, new.node.place)
        if pairs.before.of(was) != pairs.now.of(now):
            was_ = found.shown(was, old, old=True)
            message = f"`{new.id}` runs for {found.shown(now, new)}, it was {was_}"
            found.add("note", "loop", new.id, message, new.node.place)


def _check_inputs(found: Comparison, old: Part, new: Part) -> None:
    changed: list[str] = []
    for name in sorted({*old.inputs, *new.inputs}):
        if not same_input(found, old.inputs.get(name), new.inputs.get(name)):
            changed.append(name)
    if not changed or old.node.kind != new.node.kind:
        return
    if len(changed) == 1:
        name = changed[0]
        one, two = old.inputs.get(name), new.inputs.get(name)
        if _short(one) and _short(two):
            one, two = (old.node.inputs or {}).get(name), (new.node.inputs or {}).get(name)
            told = f"{found.shown(two, new)}, it was {found.shown(one, old, old=True)}"
            message = f"`{new.id}`: `{name}` is {told}"
        else:
            message = f"`{new.id}`: `{name}` changed"
    else:
        message = f"`{new.id}`: {named(changed)} changed"
    found.add("note", "inputs", new.id, message, new.node.place)


def same_input(found: Comparison, old: Expr | None, new: Expr | None) -> bool:
    """Whether an input is what it was; whether a script is, however it is written."""
    pairs = found.pairs
    if pairs.before.of(old) == pairs.now.of(new):
        return True
    if old is None or new is None:
        return False
    (one, few), (two, many) = _script(old), _script(new)
    if few == many:
        return False
    same = pairs.before.of(one) == pairs.now.of(two)
    return same or pairs.before.of(loose(one)) == pairs.now.of(loose(two))


def _script(expr: Expr) -> tuple[Expr, Json]:
    """A script without what marks it, and how many references in it hold text of the flow's own:
    two scripts in which their number differs may be the same, written out or not."""
    match expr:
        case Apply(op, (text, Literal(texts))) if op == SCRIPT:
            return text, texts
        case _:
            return expr, 0


def _short(expr: Expr | None) -> bool:
    return not (isinstance(expr, Apply) and expr.op == SCRIPT)
