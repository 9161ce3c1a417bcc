"""What a change to a flow means for safety, in words: the comparison of two plans.

What is compared are plans, with bindings resolved and nodes known by what they are, never texts:
a `let` renamed or written out, a node moved to another file or given another name, a group around
the same nodes, another order of the declarations are no changes. The rules stand in the modules
`safety_*`, each about one thing; none looks at a source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from rflow.compiler.plan import Plan
from rflow.compiler.program import Checked
from rflow.compiler.safety_change import LEVELS, Change, Comparison, Level, Where, named
from rflow.compiler.safety_facts import is_effect
from rflow.compiler.safety_gates import check_gates
from rflow.compiler.safety_nodes import check_nodes
from rflow.compiler.safety_reach import check_reach
from rflow.compiler.safety_rollback import check_rollback
from rflow.compiler.safety_stage import check_stage
from rflow.plugins.types import Specs

RULES: tuple[Callable[[Comparison], None], ...] = (
    check_gates,
    check_rollback,
    check_stage,
    check_reach,
    check_nodes,
)


class FlowChanges(Struct, frozen=True):
    """The changes of one flow, the gravest first. `was` is its old name, if it has another."""

    flow: str
    was: str
    changes: tuple[Change, ...]

    def count(self, level: Level) -> int:
        """How many changes are of a level."""
        return sum(change.level == level for change in self.changes)


def compare(old: Plan, new: Plan, specs: Specs) -> tuple[Change, ...]:
    """What the change from one plan to the other means, the gravest first."""
    found = Comparison.of(old, new, specs)
    for rule in RULES:
        rule(found)
    return tuple(sorted(found.changes, key=lambda change: LEVELS.index(change.level)))


def compare_flows(
    old: Mapping[str, Plan], new: Mapping[str, Plan], specs: Specs
) -> list[FlowChanges]:
    """The same for the flows of two programs, by their names; flows without changes are left out.

    If one flow is gone and one is new, the one became the other.
    """
    gone = [name for name in old if name not in new]
    came = [name for name in new if name not in old]
    renamed = {came[0]: gone[0]} if len(came) == len(gone) == 1 else {}
    found: list[FlowChanges] = []
    for name, plan in new.items():
        was = renamed.get(name, name)
        if was not in old:
            found.append(FlowChanges(name, "", (_new_flow(plan),)))
            continue
        changes = compare(old[was], plan, specs)
        if was != name:
            message = f"the flow `{was}` is called `{name}` now"
            changes = (*changes, Change("note", "flow-renamed", (name,), message))
        if changes:
            found.append(FlowChanges(name, was if was != name else "", changes))
    for name in gone:
        if name not in renamed.values():
            message = f"the flow `{name}` was removed"
            found.append(FlowChanges(name, "", (Change("note", "flow-removed", (name,), message),)))
    return found


def _new_flow(plan: Plan) -> Change:
    effects = [node.id for node in plan.nodes if is_effect(node)]
    gates = any(node.approval is not None for node in plan.nodes)
    message = f"a new flow, `{plan.flow}`"
    if not effects:
        return Change("note", "flow-added", (plan.flow,), message)
    behind = "" if gates else ", without any approval"
    message += f", changes things outside its runs{behind}: {named(effects)}"
    return Change("caution", "flow-added", (plan.flow,), message)


def roots(one: Checked, two: Checked) -> tuple[list[str], list[str]]:
    """The flows of two programs that are worth comparing, by name.

    A flow that others use, and that nothing starts by itself, is compared where it is used.
    """
    sides = [(checked.program.flows, _used(checked)) for checked in (one, two)]
    skipped = {
        name
        for flows, _ in sides
        for name in flows
        if all(name in used for there, used in sides if name in there)
    }
    first, second = ([name for name in flows if name not in skipped] for flows, _ in sides)
    return first, second


def _used(checked: Checked) -> set[str]:
    """Flows that others use and that nothing starts by itself."""
    flows = checked.program.flows
    used = {member.used.name for flow in flows.values() for member in flow.all if member.used}
    return {name for name in used if flows[name].stage is None and not flows[name].triggers}


__all__ = ["Change", "FlowChanges", "Level", "Where", "compare", "compare_flows", "roots"]
