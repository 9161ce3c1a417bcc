"""What differs between two runs, but for their graphs: values, versions, sources, what came out.

Graphs are compared by the compiler, which knows what is the same. Secrets are never compared by
their values: it is told that both runs were given one. This module only reads.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct, field
from rflow.compiler.plan import Json, Plan
from rflow.runner.scope import MASK
from rflow.runner.state import RunState

Section = Literal["run", "arguments", "overrides", "triggers", "loops", "plugins", "artifacts"]
SECTIONS: tuple[Section, ...] = (
    "run",
    "arguments",
    "overrides",
    "triggers",
    "loops",
    "plugins",
    "artifacts",
)


class Difference(Struct, frozen=True):
    """A value that differs: by name, before and now; None where there is none."""

    name: str
    before: Json
    now: Json


class SourceDifference(Struct, frozen=True):
    """The lines of a unified diff of one file."""

    path: str
    lines: tuple[str, ...]


class RunDifference(Struct):
    """What differs between two runs. `same_plan`: they have the very same plan."""

    one: str
    two: str
    same_plan: bool
    sections: dict[Section, list[Difference]] = field(default_factory=dict)
    sources: list[SourceDifference] = field(default_factory=list)


def compare_runs(one: RunState, two: RunState) -> RunDifference:
    """Compare two runs."""
    before, now = one.created, two.created
    plan1, plan2 = one.graph.plan, two.graph.plan
    sections: dict[Section, list[Difference]] = {
        "run": _differ(_run(one), _run(two)),
        "arguments": _differ(_args(one), _args(two)),
        "overrides": _differ(_dotted(before.overrides), _dotted(now.overrides)),
        "triggers": _differ(_dotted(before.triggers), _dotted(now.triggers)),
        "loops": _differ(_loops(one), _loops(two)),
        "plugins": _differ(plan1.kinds, plan2.kinds),
        "artifacts": _differ(_artifacts(one), _artifacts(two)),
    }
    return RunDifference(
        before.run,
        now.run,
        before.plan == now.plan,
        {name: found for name, found in sections.items() if found},
        [*_sources(plan1, plan2, before.run, now.run)],
    )


def _differ(before: Mapping[str, Json], now: Mapping[str, Json]) -> list[Difference]:
    return [
        Difference(name, before.get(name), now.get(name))
        for name in dict.fromkeys((*before, *now))
        if name not in before or name not in now or before[name] != now[name]
    ]


def _run(state: RunState) -> dict[str, Json]:
    created = state.created
    found: dict[str, Json] = {
        "flow": created.flow,
        "stage": created.stage,
        "kind": created.kind,
        "status": state.status,
        "by": created.by,
        "started by": created.trigger.get("kind"),
    }
    return found


def _args(state: RunState) -> dict[str, Json]:
    return {**state.created.args, **dict.fromkeys(state.created.sealed, MASK)}


def _dotted(values: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    return {f"{owner}.{name}": value for owner, of in values.items() for name, value in of.items()}


def _loops(state: RunState) -> dict[str, Json]:
    return {
        f"{loop}[{key}]" if key else loop: [*elements]
        for loop, turns in state.created.loops.items()
        for key, elements in turns.items()
    }


def _artifacts(state: RunState) -> dict[str, Json]:
    """Outputs that are artifacts, and what became of each resource."""
    found: dict[str, Json] = {}
    for instance in state.graph.instances:
        node = state.nodes[instance.index]
        for name, type_ in (instance.node.outputs or {}).items():
            if type_.rstrip("?") == "artifact" and name in node.outputs:
                found[f"{instance.id}.{name}"] = node.outputs[name]
        for resource, (_, after) in node.intents.items():
            if node.status == "success":
                found[resource] = after
    return found


def _sources(one: Plan, two: Plan, run1: str, run2: str) -> Iterator[SourceDifference]:
    before = {source.path: source.text for source in one.sources}
    now = {source.path: source.text for source in two.sources}
    for path in dict.fromkeys((*before, *now)):
        texts = [side.get(path, "").splitlines() for side in (before, now)]
        lines = difflib.unified_diff(
            texts[0], texts[1], f"{path} ({run1})", f"{path} ({run2})", lineterm=""
        )
        if found := tuple(lines):
            yield SourceDifference(path, found)


__all__ = ["SECTIONS", "Difference", "RunDifference", "Section", "SourceDifference", "compare_runs"]
