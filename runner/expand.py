"""The graph of one run: a plan with its loops expanded. Pure.

A plan is small and unexpanded; a run's graph has an instance for each turn of each loop around a
node. Instances are numbered, edges are lists of numbers, so that the scheduler's work for an event
is proportional to the edges of one instance. Where a node waits for all turns of a loop, a join
stands between, so that edges grow with the number of instances, not with its square.

An instance's id is the node's id with the elements of its loops in brackets, each behind the part
of the path that the loop belongs to: `web[eu]`, `check[eu].ping`, `a[eu,1]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field
from rflow.compiler.expr import Expr
from rflow.compiler.plan import Json, Loop, Node, Place, Plan, Section

Loops = Mapping[str, Mapping[str, list[Json]]]
"""Loop id → key of the turn of the loop around it ("" for none) → its elements."""

Turn = tuple[str, Json]
"""A loop's id and the element of one turn."""


class LoopError(ValueError):
    """A loop's elements are not what a loop can range over; the message says why."""


class Instance(Struct):
    """One turn of a node. `turns` are its loops' ids and elements, the outermost first."""

    index: int
    id: str
    node: Node
    turns: tuple[Turn, ...] = ()
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)

    @property
    def hidden(self) -> bool:
        """Whether it is only there for the edges' sake."""
        return self.node.kind == "join"


class RunGraph(Struct):
    """All instances of a run, in topological order within each section."""

    plan: Plan
    instances: list[Instance]
    by_id: dict[str, int]
    by_node: dict[str, list[int]]
    sections: dict[Section, list[int]]
    iterations: dict[tuple[str, str], list[int]]
    """Loop id and the turn's key → the instances of that turn."""
    limits: dict[str, int]
    """Loop id → how many of its turns may be going on at once, where that is limited."""


def element_text(value: Json) -> str:
    """How an element of a loop stands in an id."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def turn_key(turns: tuple[Turn, ...]) -> str:
    """The key of a turn within all loops around it: its elements, joined."""
    return "/".join(
        element_text(value).replace("\\", "\\\\").replace("/", "\\/") for _, value in turns
    )


def instance_id(node_id: str, turns: tuple[Turn, ...]) -> str:
    """`check[eu].ping` for node `check.ping` with a turn of the loop `check`."""
    if not turns:
        return node_id
    parts = node_id.split(".")
    keys: dict[int, list[str]] = {}
    for loop, value in turns:
        keys.setdefault(loop.count("."), []).append(element_text(value))
    return ".".join(
        f"{part}[{','.join(keys[level])}]" if level in keys else part
        for level, part in enumerate(parts)
    )


def elements(
    plan: Plan, evaluate: Callable[[Expr, tuple[Turn, ...]], Json]
) -> dict[str, dict[str, list[Json]]]:
    """The elements of all loops, outer ones first. `evaluate` is given the turns around.

    Raises LoopError for what is not a list of unique scalars.
    """
    chains: dict[str, list[tuple[Turn, ...]]] = {}
    found: dict[str, dict[str, list[Json]]] = {}
    for loop in _outer_first(plan):
        around = chains[loop.parent] if loop.parent is not None else [()]
        found[loop.id], chains[loop.id] = {}, []
        for turns in around:
            values = _unique(loop, evaluate(loop.over, turns))
            found[loop.id][turn_key(turns)] = values
            chains[loop.id].extend((*turns, (loop.id, value)) for value in values)
    return found


def _outer_first(plan: Plan) -> Iterator[Loop]:
    by_id = {loop.id: loop for loop in plan.loops}
    seen: set[str] = set()
    for loop in plan.loops:
        chain = [loop]
        while chain[-1].parent is not None and chain[-1].parent not in seen:
            chain.append(by_id[chain[-1].parent])
        for outer in reversed(chain):
            if outer.id not in seen:
                seen.add(outer.id)
                yield outer


def _unique(loop: Loop, value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise LoopError(f"`each {loop.name}` ranges over a list; here it has {value!r}")
    texts: set[str] = set()
    for item in value:
        if item is None or isinstance(item, dict | list):
            raise LoopError(
                f"`each {loop.name}` ranges over strings, numbers or bools, not {item!r}"
            )
        text = element_text(item)
        if text in texts:
            raise LoopError(f"`each {loop.name}` has {text!r} twice; its elements must differ")
        texts.add(text)
    return value


def expand(plan: Plan, loops: Loops) -> RunGraph:
    """The graph of a run of `plan` whose loops have these elements."""
    graph = RunGraph(plan, [], {}, {}, {"main": [], "failure": [], "finally": []}, {}, {})
    graph.limits = {loop.id: loop.at_most for loop in plan.loops if loop.at_most is not None}
    section_of = {node.id: node.section for node in plan.nodes}
    loops_of = {node.id: node.loops for node in plan.nodes}
    joins: dict[tuple[str, str], int] = {}
    at: dict[tuple[str, str], int] = {}
    for node in plan.nodes:
        numbers = graph.by_node[node.id] = []
        for turns in _turns(node.loops, loops):
            instance = _add(graph, instance_id(node.id, turns), node, turns)
            numbers.append(instance.index)
            at[node.id, turn_key(turns)] = instance.index
            for length in range(1, len(turns) + 1):
                loop = turns[length - 1][0]
                graph.iterations.setdefault((loop, turn_key(turns[:length])), []).append(
                    instance.index
                )
            for before in node.after:
                if section_of[before] == node.section:
                    _connect(graph, instance, before, loops_of[before], at, joins)
    return graph


def _turns(ids: tuple[str, ...], loops: Loops) -> list[tuple[Turn, ...]]:
    turns: list[tuple[Turn, ...]] = [()]
    for loop in ids:
        turns = [
            (*around, (loop, value))
            for around in turns
            for value in loops[loop].get(turn_key(around), [])
        ]
    return turns


def _add(graph: RunGraph, id: str, node: Node, turns: tuple[Turn, ...]) -> Instance:
    instance = Instance(len(graph.instances), id, node, turns)
    graph.instances.append(instance)
    graph.by_id[id] = instance.index
    graph.sections[node.section].append(instance.index)
    return instance


def _connect(
    graph: RunGraph,
    instance: Instance,
    before: str,
    before_loops: tuple[str, ...],
    at: dict[tuple[str, str], int],
    joins: dict[tuple[str, str], int],
) -> None:
    own = tuple(loop for loop, _ in instance.turns)
    shared = 0
    while shared < min(len(own), len(before_loops)) and own[shared] == before_loops[shared]:
        shared += 1
    key = turn_key(instance.turns[:shared])
    if shared == len(before_loops):
        source = at.get((before, key))
        if source is not None:
            _edge(graph, source, instance.index)
        return
    join = joins.get((before, key))
    if join is None:
        prefix = instance.turns[:shared]
        node = Node(f"{before}*", "join", instance.node.section, (before,), _place(graph, before))
        made = Instance(len(graph.instances), instance_id(before, prefix) + "*", node, prefix)
        # It must come before the instance that waits for it in the order of numbers.
        join = _insert_before(graph, made, instance)
        joins[before, key] = join
        for number in graph.by_node[before]:
            if graph.instances[number].turns[:shared] == prefix:
                _edge(graph, number, join)
    _edge(graph, join, instance.index)


def _insert_before(graph: RunGraph, made: Instance, instance: Instance) -> int:
    graph.instances.append(made)
    graph.by_id[made.id] = made.index
    order = graph.sections[instance.node.section]
    order.insert(order.index(instance.index, max(0, len(order) - 2)), made.index)
    return made.index


def _place(graph: RunGraph, node_id: str) -> Place:
    numbers = graph.by_node[node_id]
    return graph.instances[numbers[0]].node.place if numbers else Place(0, 0, 0)


def _edge(graph: RunGraph, source: int, target: int) -> None:
    graph.instances[source].after.append(target)
    graph.instances[target].before.append(source)
