"""A plan as shapes, arrows and groups: what every drawing shows, before any form.

This module owns what is drawn and with which words; `render_dot`, `render_mermaid` and
`render_svg` own their syntax. Nothing in it is measured or placed (see `layout`).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from rflow.compiler.graph import data
from rflow.compiler.notes import changes, clean, names_of_loops, notes_of
from rflow.compiler.plan import Node, Plan, Section
from rflow.compiler.waves import sections

Sort = Literal["plain", "effect", "gate", "join"]

SECTIONS: dict[Section, str] = {"main": "", "failure": "on failure", "finally": "finally"}


class Shape(Struct, frozen=True):
    """A node: its name as its instances have it, its kind, and what else there is to know."""

    id: str
    name: str
    kind: str
    sort: Sort
    notes: str
    group: str | None
    section: Section


class Arrow(Struct, frozen=True):
    """What `target` comes after; `reads` are the outputs it reads, none for order alone."""

    source: str
    target: str
    reads: tuple[str, ...]


class Frame(Struct, frozen=True):
    """A group, or a section other than the main one, around shapes and other frames."""

    id: str
    label: str
    parent: str | None


class Drawing(Struct, frozen=True):
    """All that is drawn; frames stand before the frames in them."""

    title: str
    shapes: tuple[Shape, ...]
    arrows: tuple[Arrow, ...]
    frames: tuple[Frame, ...]


Contents = dict[str | None, tuple[list[Shape], list[Frame]]]


def contents(drawing: Drawing) -> Contents:
    """What stands directly in each frame, and (None) in none."""
    found: Contents = {id: ([], []) for id in (None, *(frame.id for frame in drawing.frames))}
    for shape in drawing.shapes:
        found[shape.group][0].append(shape)
    for frame in drawing.frames:
        found[frame.parent][1].append(frame)
    return found


def draw(plan: Plan) -> Drawing:
    """The plan as a drawing."""
    title = plan.flow
    if plan.stage is not None:
        title += f" → {plan.stage.pipeline}.{plan.stage.name}"
    own = [Frame(f"section:{s}", SECTIONS[s], None) for s in sections(plan) if s != "main"]
    used = {node.group for node in plan.nodes}
    parents = {group.id: group.parent for group in plan.groups}
    for group in list(used):
        while group is not None and (group := parents.get(group)) is not None:
            used.add(group)
    loops = names_of_loops(plan)
    frames = [*own]
    for group in _outer_first(parents):
        found = next(g for g in plan.groups if g.id == group)
        if group not in used:
            continue
        label = f"{found.order} {group}"
        if found.loop is not None:
            label += f"[{loops.get(found.loop, '')}]"
        section = None if found.section == "main" else f"section:{found.section}"
        frames.append(Frame(group, clean(label), found.parent or section))
    shapes = tuple(_shape(plan, node, loops, parents) for node in plan.nodes)
    return Drawing(clean(title), shapes, _arrows(plan), tuple(frames))


def _outer_first(parents: dict[str, str | None]) -> list[str]:
    ordered: dict[str, None] = {}
    for id in parents:
        chain: list[str] = []
        at: str | None = id
        while at is not None and at not in ordered and at not in chain:
            chain.append(at)
            at = parents.get(at)
        ordered.update(dict.fromkeys(reversed(chain)))
    return [id for id in ordered if id in parents]


def _shape(plan: Plan, node: Node, loops: dict[str, str], parents: dict[str, str | None]) -> Shape:
    sort: Sort = "plain"
    if node.kind == "join":
        sort = "join"
    elif node.approval is not None:
        sort = "gate"
    elif changes(node):
        sort = "effect"
    brackets = ",".join(loops.get(loop, "") for loop in node.loops)
    section = None if node.section == "main" else f"section:{node.section}"
    return Shape(
        node.id,
        clean(f"{node.id}[{brackets}]" if brackets else node.id),
        clean(node.kind),
        sort,
        clean(" · ".join(notes_of(plan, node))),
        node.group if node.group in parents else section,
        node.section,
    )


def _arrows(plan: Plan) -> tuple[Arrow, ...]:
    sections_of = {node.id: node.section for node in plan.nodes}
    arrows: list[Arrow] = []
    for node in plan.nodes:
        read = data(plan, node)
        arrows += (
            Arrow(before, node.id, tuple(sorted(read.get(before, ()))))
            for before in node.after
            if sections_of.get(before) == node.section
        )
    return tuple(arrows)
