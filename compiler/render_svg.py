"""A plan as SVG: a picture that needs nothing but itself and is readable in light and dark.

This module owns the measures and the look; `placing` owns the places. All text is escaped; there
are no scripts, no fonts and no images from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from msgspec import Struct
from rflow.compiler.drawing import Arrow, Shape, contents, draw
from rflow.compiler.layout import Point
from rflow.compiler.notes import cells
from rflow.compiler.placing import KIND_CELL, Placed, frame_key
from rflow.compiler.plan import Plan

_MARGIN = 20.0
_HEIGHT, _JOIN = 44.0, 8.0
_NAME_CELL = 7.6
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
    placed = Placed(drawing, contents(drawing), _size)
    width, height = placed.place(None, _MARGIN, _MARGIN + 30)
    page = _Page(placed)
    title_width = cells(drawing.title) * 9.0
    width, height = max(width, title_width) + 2 * _MARGIN, height + 2 * _MARGIN + 30
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    title = escape(drawing.title, quote=False)
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


class _Page(Struct):
    placed: Placed

    # -- what is written -------------------------------------------------------------------

    def frames(self) -> Iterator[str]:
        """The frames, outer ones first, so that inner ones lie upon them."""
        for frame in self.placed.drawing.frames:
            (x, y), (width, height) = (
                self.placed.corners[frame_key(frame.id)],
                self.placed.sizes[frame_key(frame.id)],
            )
            yield (
                f'<rect class="frame" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}"'
                f' height="{height:.1f}" rx="10"/>'
            )

    def labels(self) -> Iterator[str]:
        """The labels of the frames, upon the arrows that pass them."""
        for frame in self.placed.drawing.frames:
            x, y = self.placed.corners[frame_key(frame.id)]
            label = escape(frame.label, quote=False)
            yield f'<text class="label" x="{x + 10:.1f}" y="{y + 15:.1f}">{label}</text>'

    def shape(self, shape: Shape) -> str:
        """A node: a box, or the point of a join."""
        (x, y), (width, height) = self.placed.corners[shape.id], self.placed.sizes[shape.id]
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
            f"<g><title>{escape(said, quote=False)}</title>{outline}"
            f'<text class="name" x="{middle:.1f}" y="{y + 19:.1f}" text-anchor="middle">'
            f"{escape(_cut(shape.name), quote=False)}</text>"
            f'<text class="kind" x="{middle:.1f}" y="{y + 35:.1f}" text-anchor="middle">'
            f"{escape(_cut(shape.kind), quote=False)}</text></g>"
        )

    def arrow(self, arrow: Arrow) -> str:
        """An arrow, with a head where it ends at a box."""
        order = "" if arrow.reads else " order"
        joins = self.placed.sizes[arrow.target][1] == _JOIN
        head = "" if joins else ' marker-end="url(#head)"'
        return f'<path class="arrow{order}" d="{self.placed.path(arrow)}"{head}/>'


def _cut(text: str) -> str:
    return text if len(text) <= _NAME_MAX else f"{text[: _NAME_MAX - 1]}…"


def _size(shape: Shape) -> Point:
    if shape.sort == "join":
        return _JOIN, _JOIN
    name = cells(_cut(shape.name)) * _NAME_CELL
    kind = cells(_cut(shape.kind)) * KIND_CELL
    return max(90.0, name + 28, kind + 28), _HEIGHT
