"""A plan as SVG: a picture that needs nothing but itself and is readable in light and dark.

This module owns the measures and the look; `layout` owns the places. Groups are laid out by
themselves and stand in their surroundings as boxes, so that no group covers what is not in it.
All text is escaped; there are no scripts, no fonts and no images from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

from rflow.compiler.drawing import Arrow, Contents, Drawing, Shape, contents, draw
from rflow.compiler.layout import Point, lay_out
from rflow.compiler.notes import cells
from rflow.compiler.plan import Plan

_MARGIN, _PADDING, _LABEL = 20.0, 14.0, 22.0
_HEIGHT, _JOIN = 44.0, 8.0
_NAME_CELL, _KIND_CELL = 7.6, 6.3
_NAME_MAX = 40

_STYLE = """
text{font-family:ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:15px;font-weight:600}.name{font-size:13px;font-weight:600}
.kind,.label{font-size:11px;fill:#57606a}
.label{paint-order:stroke;stroke:#f6f8fa;stroke-width:4px;stroke-linejoin:round}
.page{fill:#ffffff}.box{fill:#f6f8fa;stroke:#afb8c1}
.effect{fill:#ddf4ff;stroke:#0969da;stroke-width:1.6}
.gate{fill:#fff8c5;stroke:#9a6700;stroke-width:1.6}
.frame{fill:#8c959f;fill-opacity:.07;stroke:#afb8c1;stroke-dasharray:4 3}
.arrow{fill:none;stroke:#6e7781;stroke-width:1.3}.order{stroke-dasharray:4 4}
.head,.join{fill:#6e7781}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.kind,.label{fill:#9198a1}.label{stroke:#161b22}.page{fill:#0d1117}
.box{fill:#161b22;stroke:#3d444d}.effect{fill:#0c2d4d;stroke:#4493f8}
.gate{fill:#3a2d08;stroke:#d29922}.frame{stroke:#3d444d}
.arrow{stroke:#7d8590}.head,.join{fill:#7d8590}}
"""
_HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
)


def svg(plan: Plan) -> str:
    """The plan as an SVG document."""
    drawing = draw(plan)
    page = _Page(drawing, contents(drawing))
    width, height = page.place(None, _MARGIN, _MARGIN + 30)
    title_width = cells(drawing.title) * 9.0
    width, height = max(width, title_width) + 2 * _MARGIN, height + 2 * _MARGIN + 30
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    title = escape(drawing.title)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
            f'<title id="title">{title}</title>',
            f"<style>{_STYLE}</style>",
            _HEAD,
            f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
            f'<text class="title" x="{_MARGIN:.0f}" y="{_MARGIN + 12:.0f}">{title}</text>',
            *page.frames(),
            *(page.arrow(arrow) for arrow in drawing.arrows),
            *page.labels(),
            *(page.shape(shape) for shape in drawing.shapes),
            "</svg>\n",
        ]
    )


@dataclass
class _Page:
    drawing: Drawing
    inside: Contents
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
                chain.append(_key(at))
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

    # -- places ----------------------------------------------------------------------------

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
        around = None if frame is None else _key(frame)
        sections = [f for f in frames if frame is None and f.id.startswith("section:")]
        for inner in frames:
            width, height = self.measure(inner.id)
            label = cells(inner.label) * _KIND_CELL
            self.sizes[_key(inner.id)] = (
                max(width, label) + 2 * _PADDING,
                height + _PADDING + _LABEL + (0 if height else _PADDING),
            )
        for shape in shapes:
            self.sizes[shape.id] = _size(shape)
        keys = [shape.id for shape in shapes]
        keys += [_key(inner.id) for inner in frames if inner not in sections]
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
            self.corners[_key(section.id)] = (0.0, height)
            width = max(width, self.sizes[_key(section.id)][0])
            height += self.sizes[_key(section.id)][1]
        return width, height

    def move(self, frame: str | None, left: float, top: float) -> None:
        """Make the places in a frame absolute."""
        shapes, frames = self.inside[frame]
        own = {shape.id for shape in shapes} | {_key(inner.id) for inner in frames}
        for key in own:
            x, y = self.corners[key]
            self.corners[key] = (x + left, y + top)
            if key in self.rows:
                self.rows[key] = (self.rows[key][0] + top, self.rows[key][1] + top)
        for pair in self.arrows.get(None if frame is None else _key(frame), ()):
            self.bends[pair] = [(x + left, y + top) for x, y in self.bends.get(pair, ())]
        for inner in frames:
            x, y = self.corners[_key(inner.id)]
            width = self.sizes[_key(inner.id)][0]
            content = self._right(inner.id)
            self.move(inner.id, x + (width - content) / 2, y + _LABEL)

    def _right(self, frame: str) -> float:
        shapes, frames = self.inside[frame]
        keys = [shape.id for shape in shapes] + [_key(inner.id) for inner in frames]
        return max((self.corners[key][0] + self.sizes[key][0] for key in keys), default=0.0)

    # -- what is written -------------------------------------------------------------------

    def frames(self) -> Iterator[str]:
        """The frames, outer ones first, so that inner ones lie upon them."""
        for frame in self.drawing.frames:
            (x, y), (width, height) = self.corners[_key(frame.id)], self.sizes[_key(frame.id)]
            yield (
                f'<rect class="frame" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}"'
                f' height="{height:.1f}" rx="10"/>'
            )

    def labels(self) -> Iterator[str]:
        """The labels of the frames, upon the arrows that pass them."""
        for frame in self.drawing.frames:
            x, y = self.corners[_key(frame.id)]
            label = escape(frame.label)
            yield f'<text class="label" x="{x + 10:.1f}" y="{y + 15:.1f}">{label}</text>'

    def shape(self, shape: Shape) -> str:
        """A node: a box, or the point of a join."""
        (x, y), (width, height) = self.corners[shape.id], self.sizes[shape.id]
        middle = x + width / 2
        if shape.sort == "join":
            return f'<circle class="join" cx="{middle:.1f}" cy="{y + height / 2:.1f}" r="3"/>'
        sort = "" if shape.sort == "plain" else f" {shape.sort}"
        said = " · ".join(filter(None, (shape.name, shape.kind, shape.notes)))
        if shape.sort == "gate":
            cut, right, bottom = 12.0, x + width, y + height
            outline = (
                f'<path class="box{sort}" d="M{x + cut:.1f} {y:.1f}H{right - cut:.1f}L{right:.1f} '
                f"{y + height / 2:.1f}L{right - cut:.1f} {bottom:.1f}H{x + cut:.1f}L{x:.1f} "
                f'{y + height / 2:.1f}z"/>'
            )
        else:
            outline = (
                f'<rect class="box{sort}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}"'
                f' height="{height:.1f}" rx="7"/>'
            )
        return (
            f"<g><title>{escape(said)}</title>{outline}"
            f'<text class="name" x="{middle:.1f}" y="{y + 19:.1f}" text-anchor="middle">'
            f"{escape(_cut(shape.name))}</text>"
            f'<text class="kind" x="{middle:.1f}" y="{y + 35:.1f}" text-anchor="middle">'
            f"{escape(_cut(shape.kind))}</text></g>"
        )

    def arrow(self, arrow: Arrow) -> str:
        """An arrow from the bottom of one box to the top of another; it leaves the straight
        way only between rows, where nothing stands."""
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
        order = "" if arrow.reads else " order"
        head = "" if size[1] == _JOIN else ' marker-end="url(#head)"'
        return f'<path class="arrow{order}" d="{path}"{head}/>'


def _key(frame: str) -> str:
    """The name of a frame among those of shapes, which may be called the same."""
    return f"\0{frame}"


def _cut(text: str) -> str:
    return text if len(text) <= _NAME_MAX else f"{text[: _NAME_MAX - 1]}…"


def _size(shape: Shape) -> Point:
    if shape.sort == "join":
        return _JOIN, _JOIN
    name = cells(_cut(shape.name)) * _NAME_CELL
    kind = cells(_cut(shape.kind)) * _KIND_CELL
    return max(90.0, name + 28, kind + 28), _HEIGHT
