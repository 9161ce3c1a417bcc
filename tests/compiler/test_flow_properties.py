"""Properties of plans over generated flows: the order they demand is the one the text says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import networkx
from fixed_kinds import check_text, delays
from hypothesis import given
from hypothesis import strategies as st
from rflow.compiler.plan import Json, Node, Plan
from rflow.runner.expand import elements, expand

PART = """
flow part {
  node first: sh { script = "x"  pure }
  node left: sh after first { script = "x"  output v: string  pure }
  node right: sh after first { script = "x"  pure }
  output v = $<refs.left.v>
}
"""
PART_NODES = ("first", "left", "right")


@dataclass(frozen=True)
class Thing:
    """A member: `reads` and `after` name members that were complete before it began."""

    name: str
    kind: str  # node, use, sequence, parallel
    after: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    by_let: bool = False
    loop: bool = False
    members: tuple[Thing, ...] = ()


@dataclass
class Flow:
    """A generated flow: its members at top level."""

    members: tuple[Thing, ...]
    every: dict[str, Thing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        todo = list(self.members)
        while todo:
            thing = todo.pop()
            self.every[thing.name] = thing
            todo += thing.members

    def nodes(self, name: str) -> set[str]:
        """The nodes that a member consists of."""
        thing = self.every[name]
        if thing.kind == "node":
            return {name}
        if thing.kind == "use":
            return {f"{name}.{node}" for node in PART_NODES}
        return set().union(*(self.nodes(member.name) for member in thing.members))

    def order(self) -> set[tuple[str, str]]:
        """All pairs of nodes of which the first must have ended when the second starts."""
        graph: networkx.DiGraph[str] = networkx.DiGraph()
        for name, thing in self.every.items():
            for before in (*thing.after, *thing.reads):
                graph.add_edges_from((b, n) for b in self.nodes(before) for n in self.nodes(name))
            if thing.kind == "sequence":
                for one, two in zip(thing.members, thing.members[1:], strict=False):
                    graph.add_edges_from(
                        (b, n) for b in self.nodes(one.name) for n in self.nodes(two.name)
                    )
            if thing.kind == "use":
                graph.add_edges_from((f"{name}.first", f"{name}.{n}") for n in ("left", "right"))
        return set(networkx.transitive_closure(graph).edges)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """Flows with nodes, uses, groups within groups, references direct and through lets."""
    names = (f"m{number}" for number in range(1000))
    complete: list[tuple[str, bool]] = []  # names, and whether an output can be read

    def some(count: int, readable: bool) -> tuple[str, ...]:
        choices = [name for name, reads in complete if reads or not readable]
        if not choices:
            return ()
        return tuple(draw(st.lists(st.sampled_from(choices), max_size=count, unique=True)))

    def thing(depth: int, looped: bool = False) -> Thing:
        kinds = ["node", "node", "node", "use"] + ["sequence", "parallel"] * (depth < 3)
        kind = draw(st.sampled_from(kinds))
        name = next(names)
        made = Thing(name, kind, after=some(2, readable=False))
        if kind == "node":
            reads = some(2, readable=True)
            made = replace(made, reads=reads, by_let=draw(st.booleans()), loop=draw(st.booleans()))
        elif kind != "use":
            size = draw(st.integers(1, 4))
            loop = draw(st.integers(0, 2)) == 0
            members = tuple(thing(depth + 1, looped or loop) for _ in range(size))
            made = replace(made, loop=loop, members=members)
        readable = kind == "use" or (kind == "node" and not made.loop)
        complete.append((name, readable and not looped))
        return made

    return Flow(tuple(thing(0) for _ in range(draw(st.integers(1, 6)))))


def _text(flow: Flow, let: str = "l", shuffle: st.DataObject | None = None) -> str:
    """The flow as text; with `shuffle`, in another order where order says nothing."""
    lets: list[str] = []

    def shuffled(lines: list[str]) -> list[str]:
        return lines if shuffle is None else shuffle.draw(st.permutations(lines))

    def line(thing: Thing) -> str:
        after = f" after {', '.join(thing.after)}" if thing.after else ""
        loop = f"each {thing.name}_x in $<args.list>  " if thing.loop else ""
        if thing.kind == "node":
            refs = [f"refs.{name}.v" for name in thing.reads]
            if thing.by_let and refs:
                lets.append(f'let {let}_{thing.name} = "{" ".join(f"$<{r}>" for r in refs)}"')
                refs = [f"let.{let}_{thing.name}"]
            read = " ".join(f"$<{ref}>" for ref in refs)
            return (
                f'node {thing.name}: sh{after} {{ {loop}script = "x {read}"  output v: string  '
                "pure }"
            )
        if thing.kind == "use":
            return f"use part as {thing.name}{after} {{ }}"
        lines = [line(member) for member in thing.members]
        if thing.kind == "parallel":
            lines = shuffled(lines)
        return f"{thing.kind} {thing.name}{after} {{\n{loop}" + "\n".join(lines) + "\n}"

    lines = [line(thing) for thing in flow.members]
    lines = shuffled([*lines, *lets, "arg list: list(string) = []"])
    return "rflow 1\nflow release {\n" + "\n".join(lines) + "\n}\n" + PART


def _plan(text: str) -> Plan:
    checked = check_text(text)
    assert checked.diagnostics == [], [d.message for d in checked.diagnostics]
    return checked.plan("release", delays)


def _edges(plan: Plan) -> set[tuple[str, str]]:
    return {(before, node.id) for node in plan.nodes for before in node.after}


@given(flows())
def test_the_plan_demands_exactly_the_order_of_the_text(flow: Flow) -> None:
    plan = _plan(_text(flow))

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_edges_from(_edges(plan))
    joins = {node.id for node in plan.nodes if node.kind == "join"}
    found = {
        (one, two)
        for one, two in networkx.transitive_closure(graph).edges
        if one not in joins and two not in joins
    }
    assert found == flow.order()
    assert {n.id for n in plan.nodes} - joins == set().union(
        *(flow.nodes(thing.name) for thing in flow.members)
    )


@given(flows(), st.sampled_from([[], ["a"], ["a", "b"]]))
def test_a_run_has_the_same_order_however_long_its_lists_are(flow: Flow, items: list[str]) -> None:
    plan = _plan(_text(flow))

    run = expand(plan, elements(plan, lambda over, turns: list(items)))

    graph: networkx.DiGraph[int] = networkx.DiGraph()
    graph.add_nodes_from(instance.index for instance in run.instances)
    graph.add_edges_from((b, i.index) for i in run.instances for b in i.before)
    found = set(networkx.transitive_closure(graph).edges)
    assert found >= {
        (one, two)
        for before, behind in flow.order()
        for one in run.by_node[before]
        for two in run.by_node[behind]
        if _same_turns(dict(run.instances[one].turns), dict(run.instances[two].turns))
    }


def _same_turns(one: dict[str, Json], two: dict[str, Json]) -> bool:
    """Within a loop, order is that of each turn."""
    return all(one[loop] == two[loop] for loop in one if loop in two)


@given(flows())
def test_nodes_stand_in_topological_order_and_edges_are_sorted(flow: Flow) -> None:
    plan = _plan(_text(flow))

    position = {node.id: at for at, node in enumerate(plan.nodes)}
    for node in plan.nodes:
        assert list(node.after) == sorted(set(node.after))
        assert all(position[before] < position[node.id] for before in node.after)


@given(flows())
def test_the_same_text_gives_the_same_plan(flow: Flow) -> None:
    text = _text(flow)

    assert _plan(text) == _plan(text)


@given(flows(), st.data())
def test_the_order_of_declarations_and_names_of_lets_do_not_matter(
    flow: Flow, data: st.DataObject
) -> None:
    def graph(plan: Plan) -> dict[str, tuple[object, ...]]:
        return {node.id: _facts(node) for node in plan.nodes}

    one = graph(_plan(_text(flow)))
    other = graph(_plan(_text(flow, "other", data)))

    assert one == other


def _facts(node: Node) -> tuple[object, ...]:
    return (node.kind, node.after, node.loops, node.group, node.section, node.retry)
