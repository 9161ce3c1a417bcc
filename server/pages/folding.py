"""Which box stands for which nodes in a picture: closed groups and stretches.

A folding is made once for a plan. What is open or closed to begin with follows from the size of
the plan; what somebody has changed comes as `toggled`, the ids of groups and stretches that are
not as they begin, and `ALL`, with which all of them begin open.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace
from rflow.compiler.drawing import Arrow, Drawing, Shape, draw
from rflow.compiler.placing import frame_key
from rflow.compiler.plan import Plan
from rflow.server.pages.stretches import stretched

OPEN_MAX = 80
"""A graph of so many nodes begins with all groups open."""
ALL = "*"


class Folding(Struct, frozen=True):
    """A drawing with its stretches. `parents` says which frame a shape or a frame is in;
    `can_close` are groups and stretches, `at_first` those that begin closed; `count` is the number
    of nodes."""

    drawing: Drawing
    parents: dict[str, str | None]
    can_close: frozenset[str]
    at_first: frozenset[str]
    count: int

    def closed(self, toggled: frozenset[str]) -> frozenset[str]:
        """What is closed."""
        begin = frozenset() if ALL in toggled else self.at_first
        return begin ^ (toggled & self.can_close)

    def opened(self, toggled: frozenset[str], node: str) -> frozenset[str]:
        """`toggled`, changed so that a node is to be seen."""
        around = frozenset(self._around(node)) if node in self.parents else frozenset()
        return toggled ^ (around & self.closed(toggled))

    def _around(self, key: str) -> Iterator[str]:
        at = self.parents[key]
        while at is not None:
            yield at
            at = self.parents[frame_key(at)]

    def folded(self, closed: frozenset[str]) -> tuple[Drawing, dict[str, list[str]]]:
        """The drawing with each closed one as one shape, and the nodes that each shape stands
        for. The id of a shape for a frame is its `frame_key`."""
        frames = {frame.id: frame for frame in self.drawing.frames}
        stands: dict[str, str] = {}
        shapes: dict[str, Shape] = {}
        members: dict[str, list[str]] = {}
        for shape in self.drawing.shapes:
            outer = [at for at in self._around(shape.id) if at in closed][-1:]
            id = frame_key(outer[0]) if outer else shape.id
            stands[shape.id] = id
            if shape.sort != "join":
                members.setdefault(id, []).append(shape.id)
            if not outer:
                shapes[id] = shape
            elif id not in shapes:
                frame = frames[outer[0]]
                shapes[id] = Shape(id, frame.label, "", "plain", "", frame.parent, shape.section)
        for id, shape in shapes.items():
            if id.startswith("\0"):
                count = len(members.get(id, ()))
                shapes[id] = replace(shape, kind=f"{count} node{'' if count == 1 else 's'}")
        arrows: dict[tuple[str, str], Arrow] = {}
        for arrow in self.drawing.arrows:
            pair = stands[arrow.source], stands[arrow.target]
            if pair[0] == pair[1]:
                continue
            before = arrows.get(pair)
            reads = arrow.reads if before is None else (*before.reads, *arrow.reads)
            arrows[pair] = Arrow(*pair, reads)
        kept = tuple(
            frame
            for frame in self.drawing.frames
            if frame.id not in closed and closed.isdisjoint(self._around(frame_key(frame.id)))
        )
        title = self.drawing.title
        return Drawing(title, tuple(shapes.values()), tuple(arrows.values()), kept), members


def folding(plan: Plan) -> Folding:
    """The folding of a plan."""
    count = sum(node.kind != "join" for node in plan.nodes)
    small = count <= OPEN_MAX
    drawing = draw(plan) if small else stretched(draw(plan))
    parents: dict[str, str | None] = {shape.id: shape.group for shape in drawing.shapes}
    parents |= {frame_key(frame.id): frame.parent for frame in drawing.frames}
    can_close = frozenset(
        frame.id for frame in drawing.frames if not frame.id.startswith("section:")
    )
    return Folding(drawing, parents, can_close, frozenset() if small else can_close, count)
