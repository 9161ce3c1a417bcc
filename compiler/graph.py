"""The plan as a graph in memory: the one place where networkx is used.

This module owns the names of the attributes of nodes and edges, on which tools may rely:

    nodes   node (the plan's `Node`), kind, section, group, effect, contract, gate (bool),
            wave (from 1; 0 for a join)
    edges   data (the outputs that are read along it, sorted; empty where it is order alone)

networkx is imported where it is used, since it is slow to import and most commands do without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rflow.compiler.evaluate import references
from rflow.compiler.plan import Node, Plan
from rflow.compiler.tree import Expr, Get
from rflow.compiler.waves import sections, waves

if TYPE_CHECKING:
    from networkx import DiGraph


def of(plan: Plan) -> DiGraph[str]:
    """The plan's nodes, joins included, in the plan's order, and what they come after."""
    from networkx import DiGraph

    graph: DiGraph[str] = DiGraph(flow=plan.flow)
    numbers = {
        node.id: number
        for section in sections(plan)
        for number, wave in enumerate(waves(plan, section), 1)
        for node in wave
    }
    for node in plan.nodes:
        graph.add_node(
            node.id,
            node=node,
            kind=node.kind,
            section=node.section,
            group=node.group,
            effect=node.effect,
            contract=node.contract.type,
            gate=node.approval is not None,
            wave=numbers.get(node.id, 0),
        )
    for node in plan.nodes:
        read = data(plan, node)
        for before in node.after:
            graph.add_edge(before, node.id, data=tuple(sorted(read.get(before, ()))))
    return graph


def data(plan: Plan, node: Node) -> dict[str, set[str]]:
    """The outputs that a node reads, by the node that puts them out; through bindings too.

    Whether a node ran is read as the output `ran`.
    """
    found: dict[str, set[str]] = {}
    seen: set[str] = set()
    stack: list[Expr] = list(expressions(plan, node))
    while stack:
        for get in references(stack.pop()):
            name = str(get.path[0]) if get.path else ""
            if get.root in ("node", "all", "ran"):
                found.setdefault(name, set()).add(_output(get))
            elif get.root == "value" and name not in seen and name in plan.values:
                seen.add(name)
                stack.append(plan.values[name])
    return found


def _output(get: Get) -> str:
    return "ran" if get.root == "ran" else str(get.path[1]) if len(get.path) > 1 else ""


def expressions(plan: Plan, node: Node) -> Iterator[Expr]:
    """Every expression that is evaluated for a node: its own, and those of the loops around."""
    yield from (node.inputs or {}).values()
    for variables in (node.program or {}).values():
        yield from (expr for _, expr in variables)
    yield from (expr for expr, _ in node.whens)
    yield from (expr for _, expr in (*node.contract.inputs, *node.contract.program))
    if node.lock is not None:
        yield node.lock
    if node.loops:
        yield from (loop.over for loop in plan.loops if loop.id in node.loops)
