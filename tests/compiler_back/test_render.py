"""What people see of a plan: snapshots, and what holds for any plan."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rflow.compiler import graph, render
from rflow.compiler.layout import lay_out
from rflow.compiler.notes import cells
from rflow.compiler.plan import Contract, Plan
from rflow.compiler.waves import coverage, listed, waves
from sample_plans import grouped, layered, plans, shop

SNAPSHOTS = Path(__file__).parent / "snapshots"
PLANS = {"shop": shop, "grouped": grouped}
FORMS: dict[str, Callable[[Plan], str]] = {
    "txt": render.waves,
    "narrow.txt": lambda plan: render.waves(plan, width=48),
    "plain.txt": lambda plan: render.waves(plan, plain=True),
    "dot": render.dot,
    "mmd": render.mermaid,
    "svg": render.svg,
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("form", FORMS)
def test_snapshots(name: str, form: str) -> None:
    """Set RFLOW_SNAPSHOTS=write to write them anew; then look at the difference."""
    shown = FORMS[form](PLANS[name]())
    path = SNAPSHOTS / f"{name}.{form}"
    if os.environ.get("RFLOW_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.integers(40, 120), st.booleans(), st.booleans())
def test_the_text_fits_its_width(plan: Plan, width: int, color: bool, plain: bool) -> None:
    text = render.waves(plan, width=width, color=color, plain=plain)
    bare = re.sub(r"\033\[[0-9;]*m", "", text)
    assert color or bare == text
    assert not plain or bare.isascii()
    assert bare.replace("\n", "").isprintable()
    for line in bare.splitlines():
        assert cells(line) <= width, line


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_drawings_are_well_formed(plan: Plan) -> None:
    root = ET.fromstring(render.svg(plan))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    titles = [text for found in root.iter() if found.tag.endswith("title") if (text := found.text)]
    assert len(titles) == 1 + sum(node.kind != "join" for node in plan.nodes)
    dot, mermaid = render.dot(plan), render.mermaid(plan)
    assert dot.count("{") - dot.count("}") == sum(
        text.count("{") - text.count("}") for text in re.findall(r'"(?:[^"\\]|\\.)*"', dot)
    )
    arrows = sum(len(node.after) for node in plan.nodes if node.section == "main")
    assert len(re.findall(r"^  n\d+ -\.?->|^  n\d+ -->", mermaid, re.MULTILINE)) >= arrows


def test_nothing_in_a_plan_can_leave_its_place() -> None:
    evil = '"]</title><script>alert(1)</script>&{{}};\n\x1b[31m%%\\\u202e'
    plan = shop()
    node = replace(plan.nodes[3], id=evil, kind=evil, contract=Contract("keep", evil), group=None)
    plan = replace(plan, flow=evil, doc=evil, nodes=(node,), groups=())
    svg = render.svg(plan)
    assert "<script" not in svg
    ET.fromstring(svg)
    for text in (svg, render.mermaid(plan), render.dot(plan), render.waves(plan)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert '"]<' not in render.mermaid(plan).split("---")[2]
    assert len(render.mermaid(plan).splitlines()) == 8


def test_a_picture_needs_nothing_from_elsewhere() -> None:
    svg = render.svg(shop()).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|@import|url\((?!#)|href|<image|<script|<foreignObject", svg)
    assert "prefers-color-scheme:dark" in svg


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of all nodes that are drawn as rectangles."""
    numbers = r'x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"'
    found = [
        tuple(map(float, rect)) for rect in re.findall(rf'<rect class="box.*?" {numbers}', svg)
    ]
    return [(x, y, x + width, y + height) for x, y, width, height in found]


@pytest.mark.parametrize("plan", [shop(), grouped(), layered(60, 7)], ids=lambda plan: plan.flow)
def test_no_box_covers_another(plan: Plan) -> None:
    svg = render.svg(plan)
    drawn = boxes(svg)
    size = re.search(r'width="(\d+)" height="(\d+)"', svg)
    assert size is not None
    for at, (left, top, right, bottom) in enumerate(drawn):
        assert left >= 0
        assert top >= 0
        assert right <= float(size[1])
        assert bottom <= float(size[2])
        for other in drawn[:at]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 60)), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=25),
)
def test_a_layout_points_down_and_keeps_apart(
    sizes: list[tuple[float, float]], arrows: list[tuple[int, int]]
) -> None:
    arrows = [(a, b) for a, b in arrows if a < len(sizes) and b < len(sizes)]
    layout = lay_out(sizes, arrows)
    for a, b in arrows:
        if a < b:
            assert layout.corners[a][1] + sizes[a][1] < layout.corners[b][1]
    for at, (x, y) in enumerate(layout.corners):
        assert -0.001 <= x <= layout.width - sizes[at][0] + 0.001
        assert y + sizes[at][1] <= layout.height + 0.001
        for other in range(at):
            left, top = layout.corners[other]
            apart_x = x + sizes[at][0] <= left + 0.001 or left + sizes[other][0] <= x + 0.001
            assert apart_x or y + sizes[at][1] <= top or top + sizes[other][1] <= y


def test_a_large_plan_is_drawn() -> None:
    plan = layered(1000, 25)
    assert len(boxes(render.svg(plan))) == 1000
    assert render.waves(plan).count("\n") > 1000


def test_waves_do_not_count_joins() -> None:
    found = [[node.id for node in wave] for wave in waves(grouped())]
    assert found == [
        ["source", "docs"],
        ["lint", "unit", "e2e.start"],
        ["e2e.login", "e2e.pay"],
        ["e2e.stop"],
        ["left", "right"],
        ["news"],
    ]
    assert [[node.id for node in wave] for wave in waves(grouped(), "finally")] == [
        ["clean"],
        ["tell"],
    ]


def test_the_coverage_of_rollback() -> None:
    found = coverage(grouped())
    assert found.total == 3
    assert found.lines() == [
        "1 of 3 effects can be taken back: left",
        "news cannot be undone: a sent mail is sent",
        "right does not say what rolling back means",
    ]
    assert coverage(layered(3, 3)).lines()[1] == "n1 and n2 are kept: it is harmless"
    assert coverage(layered(0, 1)).lines() == ["nothing here changes anything outside the run"]
    assert listed([]) == ""
    assert listed([str(n) for n in range(20)]).endswith("11 and 8 more")


def test_the_graph_has_what_tools_need() -> None:
    from networkx import is_directed_acyclic_graph

    found = graph.of(shop())
    assert is_directed_acyclic_graph(found)
    assert list(found) == [node.id for node in shop().nodes]
    assert found.edges["source", "image"]["data"] == ("path",)
    assert found.edges["image", "go_live"]["data"] == ()
    assert found.nodes["go_live"]["gate"]
    assert found.nodes["web"]["wave"] == 6
    assert found.nodes["web"]["contract"] == "self"
    assert graph.of(grouped()).nodes["join:1"]["wave"] == 0


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_any_plan_is_a_graph(plan: Plan) -> None:
    found = graph.of(plan)
    assert set(found) == {node.id for node in plan.nodes}
    assert set(found.edges) == {(a, node.id) for node in plan.nodes for a in node.after}
