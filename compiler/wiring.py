"""The edges and the order of a plan's nodes.

This module owns what becomes of the vertices that only hold groups and loops together: they are
taken out where that does not make the edges more, and stay, as `join` nodes, where it would.
Which ones stay depends on the graph and its names, never on the order of the text.
"""

from __future__ import annotations

import heapq

from msgspec.structs import replace
from rflow.compiler import plan as plans
from rflow.compiler.checks.edges import BODY
from rflow.compiler.inline import Graph
from rflow.compiler.scope import SECTIONS, Section


def ids_of(graph: Graph) -> list[str]:
    """The id of each vertex: `web`, and for what holds groups together `database:end`."""
    return [graph.id(number) + suffix for number, suffix in enumerate(graph.suffix)]


def section_of(graph: Graph, number: int) -> Section:
    """The section that a vertex belongs to."""
    context = graph.context[number]
    return graph.owner[number].section if context.use is None else context.section


def simplify(graph: Graph, ids: list[str]) -> tuple[list[list[int]], set[int]]:
    """The edges without the starts and ends that are not needed, and those that are kept."""
    before: list[dict[int, None]] = [dict.fromkeys(sources) for sources in graph.before]
    virtual = [n for n in range(len(graph.owner)) if graph.part[n] != BODY]
    if not virtual:
        return [list(sources) for sources in before], set()
    kept: set[int] = set()
    behind: dict[int, dict[int, None]] = {number: {} for number in virtual}
    for number, sources in enumerate(before):
        for source in sources:
            if source in behind:
                behind[source][number] = None
    for number in sorted(virtual, key=lambda n: ids[n]):
        sources, targets = before[number], behind[number]
        if len(sources) * len(targets) > len(sources) + len(targets) + 1:
            kept.add(number)
            continue
        for target in targets:
            del before[target][number]
            before[target].update(sources)
        for source in sources:
            if source in behind:
                del behind[source][number]
                behind[source].update(targets)
        before[number] = {}
        behind[number] = {}
    return [list(sources) for sources in before], kept


def ordered(graph: Graph, before: list[list[int]], kept: set[int]) -> list[int]:
    """Topological order, ties by the place in the text; the sections one after the other."""
    numbers = [n for n in range(len(graph.owner)) if graph.part[n] == BODY or n in kept]
    rank = {section: at for at, section in enumerate(SECTIONS)}

    def place(number: int) -> tuple[int, tuple[int, ...], int]:
        order = (*graph.context[number].order, graph.owner[number].index)
        return rank[section_of(graph, number)], order, number

    keys = sorted(numbers, key=place)
    position = {number: at for at, number in enumerate(keys)}
    left = {number: len(before[number]) for number in numbers}
    behind: dict[int, list[int]] = {number: [] for number in numbers}
    for number in numbers:
        for source in before[number]:
            behind[source].append(number)
    heap = [position[number] for number in numbers if left[number] == 0]
    heapq.heapify(heap)
    order: list[int] = []
    while heap:
        number = keys[heapq.heappop(heap)]
        order.append(number)
        for target in behind[number]:
            left[target] -= 1
            if left[target] == 0:
                heapq.heappush(heap, position[target])
    return sorted(order, key=lambda n: rank[section_of(graph, n)])


def with_slices(nodes: tuple[plans.Node, ...]) -> tuple[plans.Node, ...]:
    """Give each approval the nodes behind it."""
    if not any(node.approval is not None for node in nodes):
        return nodes
    behind: dict[str, list[str]] = {node.id: [] for node in nodes}
    shown = {node.id for node in nodes if node.kind != "join"}
    for node in nodes:
        for source in node.after:
            behind[source].append(node.id)
    found: list[plans.Node] = []
    for node in nodes:
        if node.approval is not None:
            seen = set(behind[node.id])
            todo = list(seen)
            while todo:
                for target in behind[todo.pop()]:
                    if target not in seen:
                        seen.add(target)
                        todo.append(target)
            part = tuple(sorted(seen & shown))
            node = replace(node, approval=replace(node.approval, slice=part))
        found.append(node)
    return tuple(found)
