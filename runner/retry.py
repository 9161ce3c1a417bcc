"""What runs again when an ended run goes on: the nodes that failed and all behind them. Pure.

What did not end well, or was undone, always runs again, also when the run is to go on from another
node: a run must not be a success over a node that failed, nor a node rely on what was taken away.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from rflow.compiler.plan import Json
from rflow.runner import approvals
from rflow.runner.scope import Filters
from rflow.runner.state import RunState


class RetryPreview(Struct, frozen=True):
    """Ids of the nodes that run again and of those whose outcome is reused, in order, and the
    gates that are asked again since what is behind them changes."""

    again: list[str]
    reused: list[str]
    asked_again: list[str]
    overrides: dict[str, dict[str, Json]]


def again_from(
    state: RunState,
    filters: Filters,
    first: str | None,
    overrides: Mapping[str, Mapping[str, Json]],
) -> RetryPreview:
    """What runs again: all that did not end well or was undone, `first`, what is overridden, and
    all behind them."""
    graph = state.graph
    main = graph.sections["main"]
    begin = {
        number
        for number in main
        if not graph.instances[number].hidden
        and (state.nodes[number].status in ("failed", "cancelled") or state.undone(number))
    }
    begin |= {
        number
        for id in overrides
        for number in graph.by_node.get(id, [graph.by_id[id]] if id in graph.by_id else [])
    }
    if first is not None:
        begin.add(graph.by_id[first])
    chosen = _behind(state, begin)
    asked = _gates(state, filters, chosen, overrides)
    chosen = _behind(state, chosen | asked)
    again = [state.nodes[n].id for n in main if n in chosen and not graph.instances[n].hidden]
    reused = [
        state.nodes[n].id
        for n in main
        if n not in chosen and not graph.instances[n].hidden and state.nodes[n].terminal
    ]
    gates = [state.nodes[n].id for n in sorted(asked)]
    return RetryPreview(again, reused, gates, {k: dict(v) for k, v in overrides.items()})


def _behind(state: RunState, begin: set[int]) -> set[int]:
    seen, stack = set(begin), [*begin]
    while stack:
        for after in state.graph.instances[stack.pop()].after:
            if after not in seen:
                seen.add(after)
                stack.append(after)
    return seen


def _gates(
    state: RunState,
    filters: Filters,
    chosen: set[int],
    overrides: Mapping[str, Mapping[str, Json]],
) -> set[int]:
    """The gates before what runs again whose slice the overrides change."""
    if not overrides:
        return set()
    before = state.overrides
    state.overrides = {**before, **{k: {**before.get(k, {}), **v} for k, v in overrides.items()}}
    try:
        return {
            instance.index
            for instance in state.graph.instances
            if instance.node.approval is not None
            and instance.index not in chosen
            and state.nodes[instance.index].slice
            and approvals.digest(approvals.binds(state, filters, instance.id))
            != state.nodes[instance.index].slice
        }
    finally:
        state.overrides = before
