"""Stretches: the parts into which a large graph is put so that people can look at it.

Theory of operation. A place of a drawing (the whole, or a group) with more parts than one can look
at is put into frames of its own, which can be closed as groups can. Nodes stand in topological
order, so a run of neighbours in that order is a part of the graph through which all its arrows go
one way, whatever the graph is like. Where a place has neighbours that come after the same, they
are one stretch, and gates stay outside, so that a wide flow shows its course: build, 200 tests,
approve, 100 deploys. What is still too much is cut evenly, and again within. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace
from rflow.compiler.drawing import Drawing, Frame
from rflow.compiler.placing import Placed, frame_key

PARTS_MAX = 80
"""A place with more parts is put into stretches."""
WIDE = 12
"""A stretch is cut into about so many; it is left whole up to twice as many."""
ALIKE_MIN = 8
NAME_MAX = 18
MARK = "~"
"""In the ids of stretches; those of groups have none."""

Tree: TypeAlias = "str | tuple[Tree, ...]"
"""What stands in a place: the key of a part, or a stretch of them."""


def stretched(drawing: Drawing) -> Drawing:
    """The drawing with frames for stretches, where it is large."""
    return _Stretching(drawing).drawing()


class _Part(Struct, frozen=True):
    """A shape, or ("" as its sort) a frame, directly in a place."""

    key: str
    label: str
    sort: str


class _Stretching:
    def __init__(self, whole: Drawing) -> None:
        self.whole = whole
        labels = {frame_key(frame.id): frame.label for frame in whole.frames}
        placed = Placed(whole, {}, lambda shape: (0.0, 0.0))
        self.places: dict[str | None, dict[str, _Part]] = {}
        for shape in whole.shapes:
            place: str | None = None
            for key in placed.chains[shape.id]:
                around, place = place, key.removeprefix("\0")
                if key.startswith("\0section:"):
                    continue
                own = key == shape.id
                part = _Part(key, shape.name if own else labels[key], shape.sort if own else "")
                self.places.setdefault(around, {}).setdefault(key, part)
        self.before: dict[str, set[str]] = {}
        for arrow in whole.arrows:
            _, source, target = placed.level(arrow)
            self.before.setdefault(target, set()).add(source)
        self.parents: dict[str, str] = {}
        self.frames: list[Frame] = []

    def drawing(self) -> Drawing:
        for place, parts in self.places.items():
            if sum(part.sort != "join" for part in parts.values()) > PARTS_MAX:
                name = (place or "").replace("section:", MARK)  # no group is called so
                self._frames(place, f"{name}{MARK}", self._trees(parts), parts)
        if not self.frames:
            return self.whole
        shapes = tuple(
            replace(shape, group=self.parents.get(shape.id, shape.group))
            for shape in self.whole.shapes
        )
        own = tuple(
            replace(frame, parent=self.parents.get(frame_key(frame.id), frame.parent))
            for frame in self.whole.frames
        )
        frames = _outer_first((*own, *self.frames))
        return Drawing(self.whole.title, shapes, self.whole.arrows, frames)

    def _trees(self, parts: Mapping[str, _Part]) -> tuple[Tree, ...]:
        gates = {part.key for part in parts.values() if part.sort == "gate"}
        if len(gates) > WIDE:
            gates = set()
        found: list[Tree] = []
        for _, run in groupby(parts, lambda key: self._sort(key, gates)):
            alike = tuple(run)
            found += (_even(alike),) if len(alike) >= ALIKE_MIN else alike
        if len(found) > PARTS_MAX:
            runs = [tuple(run) for _, run in groupby(found, gates.__contains__)]
            found = [tree for run in runs for tree in (run if len(run) == 1 else (_even(run),))]
        only = found[0] if len(found) == 1 else ""
        return only if isinstance(only, tuple) else tuple(found)

    def _sort(self, key: str, gates: set[str]) -> object:
        """Neighbours of one sort are one stretch."""
        return key if key in gates else frozenset(self.before.get(key, ()))

    def _frames(
        self, place: str | None, id: str, trees: tuple[Tree, ...], parts: Mapping[str, _Part]
    ) -> None:
        """Make the frames of a place; what is in a stretch has it as its parent."""
        stretches = (tree for tree in trees if isinstance(tree, tuple))
        for number, tree in enumerate(stretches, 1):
            own = f"{id}{number}"
            first, *_, last = _keys(tree)
            label = f"{_cut(parts[first].label)} … {_cut(parts[last].label)}"
            self.frames.append(Frame(own, label, place))
            self.parents |= {key: own for key in tree if isinstance(key, str)}
            self._frames(own, f"{own}.", tree, parts)


def _even(trees: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """The same, cut into stretches of about the same size, and those again."""
    if len(trees) <= 2 * WIDE:
        return trees
    depth = next(depth for depth in range(1, 64) if WIDE**depth >= len(trees))
    count = next(count for count in range(2, WIDE + 1) if count**depth >= len(trees))
    cuts = [len(trees) * at // count for at in range(count + 1)]
    return tuple(_even(trees[start:end]) for start, end in pairwise(cuts))


def _keys(tree: Tree) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    else:
        for inner in tree:
            yield from _keys(inner)


def _outer_first(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """The frames, each behind the one that it is in."""
    known = {frame.id: frame for frame in frames}
    ordered: dict[str, Frame] = {}

    def add(frame: Frame) -> None:
        if frame.id not in ordered:
            if frame.parent is not None:
                add(known[frame.parent])
            ordered[frame.id] = frame

    for frame in frames:
        add(frame)
    return tuple(ordered.values())


def _cut(text: str) -> str:
    return text if len(text) <= NAME_MAX else f"{text[: NAME_MAX - 1]}…"
