"""Order and circles, against what networkx says of the same graphs."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st
from rflow.compiler.order import circles, in_order, knots

GRAPHS = st.integers(1, 12).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, size - 1), max_size=3, unique=True), min_size=size, max_size=size
    )
)


def _graph(before: list[list[int]]) -> networkx.DiGraph[int]:
    graph: networkx.DiGraph[int] = networkx.DiGraph()
    graph.add_nodes_from(range(len(before)))
    graph.add_edges_from((s, t) for t, sources in enumerate(before) for s in sources)
    return graph


@given(GRAPHS)
def test_the_order_holds_all_that_is_on_or_behind_no_circle(before: list[list[int]]) -> None:
    order = in_order(before)

    position = {number: at for at, number in enumerate(order)}
    assert all(position[s] < position[n] for n in order for s in before[n])
    graph = _graph(before)
    stuck = {n for knot in knots(before) for n in knot if len(knot) > 1 or n in before[n]}
    behind = {t for n in stuck for t in networkx.descendants(graph, n)}
    assert set(order) == set(range(len(before))) - stuck - behind


@given(GRAPHS)
def test_knots_are_the_strongly_connected_components(before: list[list[int]]) -> None:
    wanted = {frozenset(k) for k in networkx.strongly_connected_components(_graph(before))}

    assert {frozenset(knot) for knot in knots(before)} == wanted


@given(GRAPHS)
def test_a_circle_for_each_knot_from_its_lowest_number(before: list[list[int]]) -> None:
    found = circles(before)

    tangled = [k for k in knots(before) if len(k) > 1 or k[0] in before[k[0]]]
    assert sorted(c[0] for c in found) == sorted(min(k) for k in tangled)
    for circle in found:
        for one, two in zip(circle, [*circle[1:], circle[0]], strict=True):
            assert one in before[two]
