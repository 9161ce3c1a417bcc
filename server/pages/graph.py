"""The graph of a flow, or of a run with the statuses of its nodes, placed for a page.

Groups can be closed: a closed group stands as one box, with how many of its nodes have which
status. Large graphs begin with all groups closed, and places with many parts in them are put into
stretches, which can be opened as groups can (see `folding`). Where things stand is worked out once
for a plan and what is open; statuses are put on it afterwards.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping

from msgspec import Struct
from rflow.compiler.drawing import Arrow, Frame, Shape, contents
from rflow.compiler.layout import Point
from rflow.compiler.notes import cells
from rflow.compiler.placing import Placed, frame_key
from rflow.compiler.plan import Plan
from rflow.runner.view import RunView, group_status
from rflow.server.pages.folding import Folding, folding

DRAWN_MAX = 1500
LINES_MAX = 6000
"""A graph with more boxes, or more lines, open at once is not drawn."""
PICTURES_MAX = 24
NODES_MAX = 100_000
"""Foldings of plans are kept up to so many nodes together, the newest in any case."""
NAME_MAX = 32
_ENDED = ("failed", "success", "skipped", "cancelled")
_LOOKED_AT = ("failed", "waiting", "retrying", "running", *_ENDED[1:], "pending")
_MARGIN, _HEIGHT, _JOIN = 8.0, 46.0, 8.0
_NAME_CELL, _KIND_CELL = 7.8, 6.6


class Box(Struct, frozen=True):
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


class Line(Struct, frozen=True):
    """An arrow: the data of its path; `head` if it ends in one, `reads` what it brings."""

    path: str
    head: bool
    reads: bool
    source: str
    target: str


class Around(Struct, frozen=True):
    """An open group, as a frame around what is in it; sections cannot be closed."""

    id: str
    label: str
    x: float
    y: float
    width: float
    height: float
    can_close: bool


class Picture(Struct, frozen=True):
    """All of it, with its size."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    frames: tuple[Around, ...]


class State(Struct, frozen=True):
    """How what a box stands for is getting on: `done` of `count` instances have ended; `undone` if
    what one of them did was taken back; `counts` has how many have which status, those to be
    looked at first."""

    status: str
    count: int = 1
    done: int = 0
    undone: bool = False
    counts: tuple[tuple[str, int], ...] = ()

    def shares(self, width: float) -> list[tuple[str, float, float]]:
        """A bar so wide, in parts by status: where each begins, and how wide it is."""
        found, at = [], 0.0
        for status, count in self.counts:
            part = width * count / self.count
            found.append((status, round(at, 1), round(part, 1)))
            at += part
        return found


class Pictures:
    """Pictures of plans, made once; safe to use from several threads."""

    def __init__(self) -> None:
        self._foldings: OrderedDict[str, tuple[Plan, Folding]] = OrderedDict()
        self._kept: OrderedDict[tuple[str, frozenset[str]], tuple[Folding, Picture | None]] = (
            OrderedDict()
        )
        self._lock = threading.Lock()

    def folding(self, plan: Plan, digest: str = "") -> Folding:
        """How a plan is folded; without its digest it is the one that its flow has now."""
        key = _key(plan, digest)
        with self._lock:
            before = self._foldings.get(key)
            if before is not None and (digest or before[0] is plan):
                self._foldings.move_to_end(key)
                return before[1]
        made = folding(plan)
        with self._lock:
            self._foldings[key] = plan, made
            self._foldings.move_to_end(key)
            count = sum(kept.count for _, kept in self._foldings.values())
            while count > NODES_MAX and len(self._foldings) > 1:
                count -= self._foldings.popitem(last=False)[1][1].count
        return made

    def of(self, plan: Plan, closed: frozenset[str], digest: str = "") -> Picture | None:
        """The picture of a plan with these closed. None if it is too large to be drawn."""
        folding, key = self.folding(plan, digest), (_key(plan, digest), closed)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] is folding:
                self._kept.move_to_end(key)
                return kept[1]
        made = picture(folding, closed)
        with self._lock:
            self._kept[key] = folding, made
            while len(self._kept) > PICTURES_MAX:
                self._kept.popitem(last=False)
        return made


def _key(plan: Plan, digest: str) -> str:
    return digest or f"flow {plan.flow}"


def picture(folding: Folding, closed: frozenset[str]) -> Picture | None:
    """The picture with these closed; None if it is too large."""
    drawing, members = folding.folded(closed)
    if len(drawing.shapes) > DRAWN_MAX or len(drawing.arrows) > LINES_MAX:
        return None
    placed = Placed(drawing, contents(drawing), _size)
    width, height = placed.place(None, _MARGIN, _MARGIN)
    return Picture(
        width + 2 * _MARGIN,
        height + 2 * _MARGIN,
        tuple(_box(placed, shape, members) for shape in drawing.shapes),
        tuple(_line(placed, arrow) for arrow in drawing.arrows),
        tuple(_around(placed, frame, folding) for frame in drawing.frames),
    )


def _size(shape: Shape) -> Point:
    if shape.sort == "join":
        return _JOIN, _JOIN
    name = cells(_cut(shape.name)) * _NAME_CELL
    kind = cells(_cut(shape.kind)) * _KIND_CELL
    if shape.id.startswith("\0"):
        kind = max(2 * kind, 22 * _KIND_CELL)  # how many have failed and ended stands there
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


def _around(placed: Placed, frame: Frame, folding: Folding) -> Around:
    (x, y), (width, height) = placed.corners[frame_key(frame.id)], placed.sizes[frame_key(frame.id)]
    return Around(
        frame.id,
        frame.label,
        round(x, 1),
        round(y, 1),
        round(width, 1),
        round(height, 1),
        frame.id in folding.can_close,
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
        done = sum(counts[status] for status in _ENDED)
        status = group_status(all_) if all_ else "pending"
        ordered = tuple((of, counts[of]) for of in _LOOKED_AT if counts[of])
        return State(status, len(all_), done, not self._undone.isdisjoint(ids), ordered)
