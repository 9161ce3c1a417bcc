"""The graph of a flow, or of a run with the statuses of its nodes, placed for a page.

Groups can be closed: a closed group stands as one box. In large graphs all groups are closed to
begin with, and a graph that is still too large is not drawn; the list of nodes serves then. Where
things stand is worked out once for a plan and the groups that are open; statuses are put on it
afterwards.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rflow.compiler.drawing import Arrow, Drawing, Frame, Shape, contents, draw
from rflow.compiler.layout import Point
from rflow.compiler.notes import cells
from rflow.compiler.placing import Placed, frame_key
from rflow.compiler.plan import Plan
from rflow.runner.view import RunView, group_status

OPEN_MAX = 80
"""A graph of so many nodes begins with all groups open."""
DRAWN_MAX = 400
"""A graph of more boxes is not drawn."""
PICTURES_MAX = 64
NAME_MAX = 32
_MARGIN, _HEIGHT, _JOIN = 8.0, 46.0, 8.0
_NAME_CELL, _KIND_CELL = 7.8, 6.6


@dataclass(frozen=True, slots=True)
class Box:
    """A node or a closed group. `members` are the ids of the nodes that it stands for."""

    id: str
    name: str
    kind: str
    sort: str
    notes: str
    x: float
    y: float
    width: float
    height: float
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow: the data of its path; `head` if it ends in one, `reads` what it brings."""

    path: str
    head: bool
    reads: bool
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Around:
    """An open group, as a frame around what is in it; sections cannot be closed."""

    id: str
    label: str
    x: float
    y: float
    width: float
    height: float
    can_close: bool
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it, with its size. `groups` are the ids of all groups, `closed` those that are."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    frames: tuple[Around, ...]
    groups: tuple[str, ...]
    closed: frozenset[str]


@dataclass(frozen=True, slots=True)
class State:
    """How what a box stands for is getting on: `done` of `count` instances have ended; `undone` if
    what one of them did was taken back."""

    status: str
    count: int = 1
    done: int = 0
    undone: bool = False


class Pictures:
    """Pictures of plans, made once; safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, frozenset[str]], Picture | None] = OrderedDict()
        self._served: dict[str, Plan] = {}
        self._lock = threading.Lock()

    def of_flow(self, plan: Plan, changed: Iterable[str] = ()) -> Picture | None:
        """The picture of the plan that a flow has now; see `of`."""
        with self._lock:
            if self._served.get(plan.flow) is not plan:
                self._served[plan.flow] = plan
                for key in [key for key in self._kept if key[0] == f"flow {plan.flow}"]:
                    del self._kept[key]
        return self.of(plan, f"flow {plan.flow}", changed)

    def of(self, plan: Plan, digest: str, changed: Iterable[str] = ()) -> Picture | None:
        """The picture of a plan; `changed` are groups that are not as they begin, open or closed.
        None if it is too large to be drawn."""
        closed = closed_at_first(plan) ^ (set(changed) & {group.id for group in plan.groups})
        key = digest, frozenset(closed)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = picture(plan, frozenset(closed))
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > PICTURES_MAX:
                self._kept.popitem(last=False)
        return made


def closed_at_first(plan: Plan) -> set[str]:
    """The groups that are closed in a picture nobody has changed."""
    if sum(node.kind != "join" for node in plan.nodes) <= OPEN_MAX:
        return set()
    return {group.id for group in plan.groups}


def picture(plan: Plan, closed: frozenset[str]) -> Picture | None:
    """The picture with these groups closed; None if it is too large."""
    drawing, members = _folded(draw(plan), closed)
    if len(drawing.shapes) > DRAWN_MAX:
        return None
    placed = Placed(drawing, contents(drawing), _size)
    width, height = placed.place(None, _MARGIN, _MARGIN)
    groups = tuple(group.id for group in plan.groups)
    return Picture(
        width + 2 * _MARGIN,
        height + 2 * _MARGIN,
        tuple(_box(placed, shape, members) for shape in drawing.shapes),
        tuple(_line(placed, arrow) for arrow in drawing.arrows),
        tuple(_around(placed, frame, drawing, set(groups)) for frame in drawing.frames),
        groups,
        closed,
    )


def _folded(drawing: Drawing, closed: frozenset[str]) -> tuple[Drawing, dict[str, list[str]]]:
    """The drawing with each closed group as one shape, and the nodes that each shape stands for."""
    frames = {frame.id: frame for frame in drawing.frames}
    stands: dict[str, str] = {}
    shapes: dict[str, Shape] = {}
    members: dict[str, list[str]] = {}
    for shape in drawing.shapes:
        outer, at = None, shape.group
        while at is not None:
            outer = at if at in closed else outer
            at = frames[at].parent
        id = shape.id if outer is None else frame_key(outer)
        stands[shape.id] = id
        if shape.sort != "join":
            members.setdefault(id, []).append(shape.id)
        if outer is None:
            shapes[id] = shape
        elif id not in shapes:
            frame = frames[outer]
            shapes[id] = Shape(id, frame.label, "", "plain", "", frame.parent, shape.section)
    for id, shape in shapes.items():
        if id != shape.id or id.startswith("\0"):
            count = len(members.get(id, ()))
            shapes[id] = replace(shape, kind=f"{count} node{'' if count == 1 else 's'}")
    arrows: dict[tuple[str, str], Arrow] = {}
    for arrow in drawing.arrows:
        pair = stands[arrow.source], stands[arrow.target]
        if pair[0] == pair[1]:
            continue
        before = arrows.get(pair)
        reads = arrow.reads if before is None else (*before.reads, *arrow.reads)
        arrows[pair] = Arrow(*pair, reads)
    hidden = {id for id in frames if _within(id, closed, frames)}
    kept = tuple(frame for frame in drawing.frames if frame.id not in hidden)
    folded = Drawing(drawing.title, tuple(shapes.values()), tuple(arrows.values()), kept)
    return folded, members


def _within(id: str | None, closed: frozenset[str], frames: Mapping[str, Frame]) -> bool:
    while id is not None:
        if id in closed:
            return True
        id = frames[id].parent
    return False


def _size(shape: Shape) -> Point:
    if shape.sort == "join":
        return _JOIN, _JOIN
    name = cells(_cut(shape.name)) * _NAME_CELL
    kind = cells(_cut(shape.kind)) * _KIND_CELL
    return max(112.0, name + 56, kind + 56), _HEIGHT


def _cut(text: str) -> str:
    return text if len(text) <= NAME_MAX else f"{text[: NAME_MAX - 1]}…"


def _box(placed: Placed, shape: Shape, members: Mapping[str, list[str]]) -> Box:
    (x, y), (width, height) = placed.corners[shape.id], placed.sizes[shape.id]
    sort = "group" if shape.id.startswith("\0") else shape.sort
    return Box(
        shape.id.removeprefix("\0"),
        _cut(shape.name),
        _cut(shape.kind),
        sort,
        shape.notes,
        round(x, 1),
        round(y, 1),
        round(width, 1),
        height,
        tuple(members.get(shape.id, ())),
    )


def _line(placed: Placed, arrow: Arrow) -> Line:
    joins = placed.sizes[arrow.target][1] == _JOIN
    path = placed.path(arrow)
    return Line(path, not joins, bool(arrow.reads), arrow.source, arrow.target)


def _around(placed: Placed, frame: Frame, drawing: Drawing, groups: set[str]) -> Around:
    (x, y), (width, height) = placed.corners[frame_key(frame.id)], placed.sizes[frame_key(frame.id)]
    parents = {inner.id: inner.parent for inner in drawing.frames}

    def inside(at: str | None) -> bool:
        while at is not None and at != frame.id:
            at = parents.get(at)
        return at == frame.id

    members = tuple(s.id for s in drawing.shapes if s.sort != "join" and inside(s.group))
    return Around(
        frame.id,
        frame.label,
        round(x, 1),
        round(y, 1),
        round(width, 1),
        round(height, 1),
        frame.id in groups,
        members,
    )


class States:
    """How the nodes of a run are getting on, by the nodes of its plan."""

    def __init__(self, view: RunView) -> None:
        self._statuses: dict[str, list[str]] = {}
        self._undone: set[str] = set()
        for node in view.nodes:
            if not node.undo:
                self._statuses.setdefault(node.plan_id, []).append(node.status)
            elif node.status == "success":
                self._undone.add(node.plan_id)

    def of(self, members: Iterable[str]) -> State:
        """How the nodes that a box stands for are getting on, all together."""
        ids = [*members]
        all_ = [status for id in ids for status in self._statuses.get(id, ("pending",))]
        counts = Counter(all_)
        done = sum(counts[status] for status in ("success", "failed", "skipped", "cancelled"))
        status = group_status(all_) if all_ else "pending"
        return State(status, len(all_), done, not self._undone.isdisjoint(ids))
