"""Where everything of a drawing stands: shapes, the frames around them, the ways of arrows.

This module owns places, `layout` those within one frame; what they look like belongs to whoever
writes the picture. Groups are laid out by themselves and stand in their surroundings as boxes, so
that no group covers what is not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from rflow.compiler.drawing import Arrow, Contents, Drawing, Shape
from rflow.compiler.layout import Point, lay_out
from rflow.compiler.notes import cells

PADDING, LABEL = 14.0, 22.0
KIND_CELL = 6.3


@dataclass
class Placed:
    """A drawing with the place of each part. `size_of` says how large a shape is; after `place`,
    `corners` and `sizes` have what is where, under a shape's id or the `frame_key` of a frame."""

    drawing: Drawing
    inside: Contents
    size_of: Callable[[Shape], Point]
    corners: dict[str, Point] = field(default_factory=dict)
    sizes: dict[str, Point] = field(default_factory=dict)
    rows: dict[str, Point] = field(default_factory=dict)
    bends: dict[tuple[str, str], list[Point]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parents = {shape.id: shape.group for shape in self.drawing.shapes}
        self.chains: dict[str, list[str]] = {}
        frames = {frame.id: frame.parent for frame in self.drawing.frames}
        for shape in self.drawing.shapes:
            chain, at = [shape.id], shape.group
            while at is not None:
                chain.append(frame_key(at))
                at = frames[at]
            self.chains[shape.id] = chain[::-1]
        self.order = {shape.id: at for at, shape in enumerate(self.drawing.shapes)}
        self.arrows: dict[str | None, set[tuple[str, str]]] = {}
        for arrow in self.drawing.arrows:
            around, *pair = self.level(arrow)
            self.arrows.setdefault(around, set()).add((pair[0], pair[1]))
        for shape in self.drawing.shapes:
            for key in self.chains[shape.id]:
                self.order.setdefault(key, self.order[shape.id])

    def level(self, arrow: Arrow) -> tuple[str | None, str, str]:
        """The frame within which an arrow goes from one part to another, and the two parts."""
        source, target = self.chains[arrow.source], self.chains[arrow.target]
        depth = 0
        while source[depth] == target[depth]:
            depth += 1
        return source[depth - 1] if depth else None, source[depth], target[depth]

    def place(self, frame: str | None, left: float, top: float) -> Point:
        """Place all that is in a frame; the size that it takes."""
        size = self.measure(frame)
        self.move(frame, left, top)
        return size

    def measure(self, frame: str | None) -> Point:
        """Lay out a frame, after the frames in it; places are relative to the frame."""
        shapes, frames = self.inside[frame]
        around = None if frame is None else frame_key(frame)
        sections = [f for f in frames if frame is None and f.id.startswith("section:")]
        for inner in frames:
            width, height = self.measure(inner.id)
            label = cells(inner.label) * KIND_CELL
            self.sizes[frame_key(inner.id)] = (
                max(width, label) + 2 * PADDING,
                height + PADDING + LABEL + (0 if height else PADDING),
            )
        for shape in shapes:
            self.sizes[shape.id] = self.size_of(shape)
        keys = [shape.id for shape in shapes]
        keys += [frame_key(inner.id) for inner in frames if inner not in sections]
        keys.sort(key=lambda key: self.order.get(key, len(self.order)))
        numbers = {key: number for number, key in enumerate(keys)}
        pairs = self.arrows.get(around, set())
        arrows = [(numbers[a], numbers[b]) for a, b in pairs if a in numbers and b in numbers]
        layout = lay_out([self.sizes[key] for key in keys], arrows)
        self.corners.update(zip(keys, layout.corners, strict=True))
        self.rows.update(zip(keys, layout.rows, strict=True))
        for (a, b), points in layout.bends.items():
            self.bends[keys[a], keys[b]] = points
        width, height = layout.width, layout.height
        for section in sections:
            height += 30 if height else 0
            self.corners[frame_key(section.id)] = (0.0, height)
            width = max(width, self.sizes[frame_key(section.id)][0])
            height += self.sizes[frame_key(section.id)][1]
        return width, height

    def move(self, frame: str | None, left: float, top: float) -> None:
        """Make the places in a frame absolute."""
        shapes, frames = self.inside[frame]
        own = {shape.id for shape in shapes} | {frame_key(inner.id) for inner in frames}
        for key in own:
            x, y = self.corners[key]
            self.corners[key] = (x + left, y + top)
            if key in self.rows:
                self.rows[key] = (self.rows[key][0] + top, self.rows[key][1] + top)
        for pair in self.arrows.get(None if frame is None else frame_key(frame), ()):
            self.bends[pair] = [(x + left, y + top) for x, y in self.bends.get(pair, ())]
        for inner in frames:
            x, y = self.corners[frame_key(inner.id)]
            width = self.sizes[frame_key(inner.id)][0]
            content = self._right(inner.id)
            self.move(inner.id, x + (width - content) / 2, y + LABEL)

    def _right(self, frame: str) -> float:
        shapes, frames = self.inside[frame]
        keys = [shape.id for shape in shapes] + [frame_key(inner.id) for inner in frames]
        return max((self.corners[key][0] + self.sizes[key][0] for key in keys), default=0.0)

    def path(self, arrow: Arrow) -> str:
        """An arrow, as the data of an SVG path, from the bottom of one box to the top of another;
        it leaves the straight way only between rows, where nothing stands."""
        _, source, target = self.level(arrow)
        (x, y), (width, height) = self.corners[arrow.source], self.sizes[arrow.source]
        end, size = self.corners[arrow.target], self.sizes[arrow.target]
        start, x = (x + width / 2, y + height), end[0] + size[0] / 2
        points = [
            start,
            (start[0], max(start[1], self.rows[source][1])),
            *self.bends.get((source, target), ()),
            (x, min(end[1], self.rows[target][0])),
            (x, end[1]),
        ]
        path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for (x1, y1), (x2, y2) in pairwise(points):
            if (x1, y1) == (x2, y2):
                continue
            if abs(x1 - x2) < 0.5:
                path += f"V{y2:.1f}"
            else:
                middle = (y1 + y2) / 2
                path += f"C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}"
        return path


def frame_key(frame: str) -> str:
    """The name of a frame among those of shapes, which may be called the same."""
    return f"\0{frame}"
