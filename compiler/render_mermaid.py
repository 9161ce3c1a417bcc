"""A plan in the language of Mermaid, which code hosts draw in their pages."""

from __future__ import annotations

import re

from rflow.compiler.drawing import Drawing, Shape, contents, draw
from rflow.compiler.plan import Plan

_SPECIAL = re.compile(r"[^A-Za-z0-9_ .,:/()\[\]→·=-]")
_BRACKETS = {"plain": ("(", ")"), "effect": ("[", "]"), "gate": ("{{", "}}")}


def mermaid(plan: Plan) -> str:
    """The plan as a flowchart, groups as subgraphs; order without data is dotted."""
    drawing = draw(plan)
    ids = {shape.id: f"n{number}" for number, shape in enumerate(drawing.shapes)}
    lines = ["---", f"title: {_front(drawing.title)}", "---", "flowchart TD"]
    lines += _frames(drawing, ids)
    for arrow in drawing.arrows:
        lines.append(
            f"  {ids[arrow.source]} {'-->' if arrow.reads else '-.->'} {ids[arrow.target]}"
        )
    lines.append("  classDef effect fill:#ddf4ff,stroke:#0969da,stroke-width:2px,color:#1f2328")
    lines.append("  classDef gate fill:#fff8c5,stroke:#9a6700,color:#1f2328")
    for sort in ("effect", "gate"):
        if own := [ids[shape.id] for shape in drawing.shapes if shape.sort == sort]:
            lines.append(f"  class {','.join(own)} {sort}")
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text for a quoted label: whatever could mean something stands as its number."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)


def _front(title: str) -> str:
    return '"' + title.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _frames(drawing: Drawing, ids: dict[str, str]) -> list[str]:
    inside = contents(drawing)
    numbers = {frame.id: number for number, frame in enumerate(drawing.frames)}

    def lines(around: str | None, indent: str) -> list[str]:
        found = [f"{indent}{_shape(shape, ids)}" for shape in inside[around][0]]
        for frame in inside[around][1]:
            found.append(f'{indent}subgraph g{numbers[frame.id]}["{escaped(frame.label)}"]')
            found += lines(frame.id, f"{indent}  ")
            found.append(f"{indent}end")
        return found

    return lines(None, "  ")


def _shape(shape: Shape, ids: dict[str, str]) -> str:
    id = ids[shape.id]
    if shape.sort == "join":
        return f'{id}((" "))'
    opens, closes = _BRACKETS[shape.sort]
    return f'{id}{opens}"{escaped(shape.name)}<br/><small>{escaped(shape.kind)}</small>"{closes}'
