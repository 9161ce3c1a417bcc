"""A plan in the language of Graphviz."""

from __future__ import annotations

from rflow.compiler.drawing import Drawing, Shape, Sort, contents, draw
from rflow.compiler.notes import clean
from rflow.compiler.plan import Plan

_STYLES: dict[Sort, str] = {
    "plain": "",
    "effect": ' fillcolor="#ddf4ff" color="#0969da" penwidth=2',
    "gate": ' shape=octagon fillcolor="#fff8c5" color="#9a6700"',
    "join": ' shape=point width=0.06 label=""',
}


def dot(plan: Plan) -> str:
    """The plan as a digraph, groups as clusters; order without data is dashed."""
    drawing = draw(plan)
    lines = [
        f"digraph {quoted(drawing.title)} {{",
        f"  label={quoted(drawing.title)} labelloc=t",
        '  graph [fontname="sans-serif" color="#8c959f" style="rounded"]',
        '  node [fontname="sans-serif" fontsize=11 shape=box style="rounded,filled"'
        ' fillcolor="#f6f8fa" color="#8c959f"]',
        '  edge [color="#57606a" arrowsize=0.7]',
        *_frames(drawing),
    ]
    for arrow in drawing.arrows:
        style = (
            f" [tooltip={quoted(', '.join(filter(None, arrow.reads)) or arrow.source)}]"
            if arrow.reads
            else " [style=dashed]"
        )
        lines.append(f"  {quoted(arrow.source)} -> {quoted(arrow.target)}{style}")
    return "\n".join([*lines, "}"]) + "\n"


def quoted(text: str) -> str:
    """The text as a string of dot; a backslash in it stays one."""
    escaped = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _frames(drawing: Drawing) -> list[str]:
    inside = contents(drawing)
    numbers = {frame.id: number for number, frame in enumerate(drawing.frames)}

    def lines(around: str | None, indent: str) -> list[str]:
        found = [f"{indent}{_shape(shape)}" for shape in inside[around][0]]
        for frame in inside[around][1]:
            found.append(f"{indent}subgraph cluster_{numbers[frame.id]} {{")
            found.append(f"{indent}  label={quoted(frame.label)}")
            found += lines(frame.id, f"{indent}  ")
            found.append(f"{indent}}}")
        return found

    return lines(None, "  ")


def _shape(shape: Shape) -> str:
    if shape.sort == "join":
        return f"{quoted(shape.id)} [{_STYLES['join'].strip()}]"
    label = f"{quoted(shape.name)[:-1]}\\n{quoted(shape.kind)[1:]}"
    tooltip = f" tooltip={quoted(shape.notes)}" if shape.notes else ""
    return f"{quoted(shape.id)} [label={label}{_STYLES[shape.sort]}{tooltip}]"
