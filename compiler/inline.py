"""The whole graph of a flow: every flow that it uses put in place of the `use`.

This module owns the vertices of that graph and what is around each: the path of names through
uses, the loops, the conditions. It is the same for the proof of gates and for the plan. Nothing
here recurses: flows may use flows to any depth.
"""

from __future__ import annotations

from msgspec import Struct, field
from rflow.compiler.checks.edges import BODY, Shape
from rflow.compiler.scope import Flow, Loop, Member, Section


class Context(Struct, eq=False):
    """One use of a flow. `prefix` stands before its names; the outermost has none.

    `use` is the member that uses it, in the context `parent`. `loops` are those around the use
    with their ids, `skippable` whether a `when` stands around it.
    """

    flow: Flow
    shape: Shape
    prefix: str = ""
    use: Member | None = None
    parent: Context | None = None
    loops: tuple[tuple[str, Loop], ...] = ()
    skippable: bool = False
    order: tuple[int, ...] = ()
    section: Section = "main"

    def loops_of(self, member: Member) -> tuple[tuple[str, Loop], ...]:
        """All loops around a member, the outermost first, with their ids."""
        if not member.loops:
            return self.loops
        own = tuple((self.prefix + loop.owner.name, loop) for loop in member.loops)
        return (*self.loops, *own)


class Graph(Struct, eq=False):
    """Vertices by number: their member, which part of it, its context, what they wait for."""

    flow: Flow
    owner: list[Member] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    context: list[Context] = field(default_factory=list)
    before: list[list[int]] = field(default_factory=list)
    suffix: list[str] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)

    def id(self, number: int) -> str:
        """The id of a vertex's member."""
        return self.context[number].prefix + self.owner[number].name

    def loops(self, number: int) -> tuple[tuple[str, Loop], ...]:
        """The loops that a vertex stands in, the outermost first, with their ids."""
        context, member = self.context[number], self.owner[number]
        if not member.loops:
            return context.loops
        return context.loops_of(member)[: len(context.loops) + self.depth[number]]


def inline(flow: Flow, shapes: dict[int, Shape]) -> Graph:
    """The whole graph of a flow. `shapes` are those of all flows, by `id(flow)`."""
    graph = Graph(flow)
    todo: list[tuple[Context, int, int]] = [(Context(flow, shapes[id(flow)]), -1, -1)]
    while todo:
        context, start, end = todo.pop()
        graph.contexts.append(context)
        offset = len(graph.owner)
        shape = context.shape
        graph.owner += shape.owner
        graph.part += shape.part
        graph.suffix += shape.suffix
        graph.depth += shape.depth
        graph.context += [context] * len(shape.owner)
        graph.before += [[offset + number for number in sources] for sources in shape.before]
        if start >= 0:
            for member in shape.first:
                graph.before[offset + shape.enter[member.index]].append(start)
            exits = [offset + shape.leave[member.index] for member in shape.last]
            direct = graph.before[end]
            if exits and not (context.use and context.use.loop and not context.use.loop.filled):
                direct.remove(start)
            direct += exits
        for member in context.flow.all:
            if member.kind != "use" or member.used is None:
                continue
            inner = Context(
                member.used,
                shapes[id(member.used)],
                f"{context.prefix}{member.name}.",
                member,
                context,
                context.loops_of(member),
                context.skippable or any_when(member),
                (*context.order, member.index),
                context.section if context.use is not None else member.section,
            )
            first = offset + shape.enter[member.index]
            todo.append((inner, first, offset + shape.leave[member.index]))
    return graph


def any_when(member: Member) -> bool:
    """Whether a member, or a group around it, has a `when`."""
    around: Member | None = member
    while around is not None:
        if around.own_when is not None:
            return True
        around = around.parent
    return False


def is_node(graph: Graph, number: int) -> bool:
    """Whether the vertex is a node or an approval, not the start or end of something."""
    return graph.part[number] == BODY
