"""Refactorings mean nothing, whatever the flow; what does mean something is not hidden by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given
from refactoring import PLAIN, Flow, Made, Style, flows, other_styles, styles, write
from rflow.compiler.plan import Plan
from rflow.compiler.safety import Change, compare
from rflow.compiler.safety_graph import NodeChange, graph_changes
from rflow.plugins.types import Specs

Written = tuple[Flow, Style]


@pytest.fixture(scope="module")
def written(plan: Callable[..., Plan]) -> Callable[[Written], Plan]:
    def of(what: Written) -> Plan:
        text, files = write(*what)
        return plan(text, files=files)

    return of


@pytest.fixture(scope="module")
def meaning(
    written: Callable[[Written], Plan], specs: Specs
) -> Callable[[Written, Written], tuple[Change, ...]]:
    return lambda old, new: compare(written(old), written(new), specs)


@pytest.fixture(scope="module")
def graph(
    written: Callable[[Written], Plan], specs: Specs
) -> Callable[[Written, Written], list[NodeChange]]:
    return lambda old, new: graph_changes(written(old), written(new), specs)


@given(flow=flows, one=styles, two=other_styles)
def test_a_refactoring_means_nothing(
    meaning: Callable[[Written, Written], tuple[Change, ...]], flow: Flow, one: Style, two: Style
) -> None:
    assert [change.message for change in meaning((flow, one), (flow, two))] == []


@given(flow=flows, one=styles, two=other_styles)
def test_a_refactoring_changes_no_node(
    graph: Callable[[Written, Written], list[NodeChange]], flow: Flow, one: Style, two: Style
) -> None:
    assert [node for node in graph((flow, one), (flow, two)) if node.details] == []


def _made(kind: str, *after: int) -> Made:
    return Made(kind, after, (), False, False, False, False, 1)


TWO_GATES = Flow(
    nodes=(
        _made("effect"),
        _made("gate"),
        _made("effect", 0, 1),
        _made("gate"),
        _made("effect"),
        _made("effect", 3, 0),
    ),
    chained=(False,) * 3,
)
"""Two gates that only what stands behind them tells apart; what changes is near to both."""
SWAPPED = replace(PLAIN, node_names=("m0", "m1", "m2", "m3", "m4", "m5"), order=(0, 2, 3, 1, 4, 5))


@given(flow=flows, style=styles)
@example(flow=TWO_GATES, style=SWAPPED)
def test_a_timeout_that_is_raised_is_told_through_any_refactoring(
    meaning: Callable[[Written, Written], tuple[Change, ...]], flow: Flow, style: Style
) -> None:
    """Of one node of the flow, and nothing else."""
    flow = replace(flow, distinct=True)
    workers = [n for n, made in enumerate(flow.nodes) if made.kind != "gate"]
    if not workers:
        return
    made = flow.nodes[workers[0]]
    slower = replace(made, timeout_s=made.timeout_s + 100)
    nodes = tuple(slower if n == workers[0] else known for n, known in enumerate(flow.nodes))
    found = meaning((flow, PLAIN), (replace(flow, nodes=nodes), style))

    assert [(change.code, len(change.subjects)) for change in found] == [("timeout-raised", 1)]
