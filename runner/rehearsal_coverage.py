"""What of a flow its tests have reached, and what no test did. Pure.

A point is something that can happen in a flow: a node runs, a `when` holds or does not, a gate is
rejected, a node is tried again, an effect is undone. It is reached if it happened in a rehearsal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from msgspec import Struct
from rflow.compiler.plan import Place, Plan
from rflow.runner import events as ev
from rflow.runner.node_state import UNDO
from rflow.runner.rehearse import Rehearsed


class Point(Struct, frozen=True):
    """`kind` is `node`, `when true`, `when false`, `rejection`, `retry` or `undo`."""

    kind: str
    node: str
    place: Place

    @property
    def text(self) -> str:
        """What no test did, in words."""
        return {
            "node": f"`{self.node}` never ran",
            "when true": f"the condition of `{self.node}` never held",
            "when false": f"the condition of `{self.node}` never failed to hold",
            "rejection": f"`{self.node}` was never rejected",
            "retry": f"`{self.node}` was never tried again",
            "undo": f"`{self.node}` was never undone",
        }[self.kind]


@dataclasses.dataclass
class Coverage:
    """The points of a flow, and those that were reached."""

    plan: Plan
    points: dict[Point, bool] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.points = dict.fromkeys(_points(self.plan), False)
        self._by: dict[tuple[str, str], list[Point]] = {}
        for point in self.points:
            self._by.setdefault((point.kind, point.node), []).append(point)

    @property
    def reached(self) -> int:
        """How many points were reached."""
        return sum(self.points.values())

    @property
    def missed(self) -> list[Point]:
        """What no test reached, in the order of the plan."""
        return [point for point, reached in self.points.items() if not reached]

    def add(self, rehearsals: Iterable[Rehearsed]) -> None:
        """Note what these rehearsals reached."""
        for rehearsed in rehearsals:
            graph = rehearsed.state.graph
            ids = {instance.id: instance.node.id for instance in graph.instances}
            for record in rehearsed.records:
                event = record.event
                id: str = getattr(event, "node", "")
                node = ids.get(id.removeprefix(UNDO), "")
                if node:
                    self._note(event, node, id.startswith(UNDO))

    def _note(self, event: ev.Event, node: str, undo: bool) -> None:
        match event:
            case ev.AttemptStarted() | ev.ApprovalAsked() if not undo:
                self._reach("node", node)
                self._reach("when true", node)
            case ev.AttemptSucceeded() if undo:
                self._reach("undo", node)
            case ev.RetryScheduled() if not undo:
                self._reach("retry", node)
            case ev.NodeFailed() if event.reason.code.startswith(("rejected", "expired")):
                self._reach("rejection", node)
            case ev.NodeSkipped() if event.reason.code == "condition-false":
                self._skipped(event, node)
            case _:
                pass

    def _reach(self, kind: str, node: str) -> None:
        for point in self._by.get((kind, node), ()):
            self.points[point] = True

    def _skipped(self, event: ev.NodeSkipped, node: str) -> None:
        """The condition with this number did not hold; those before it did."""
        number = event.reason.values.get("when")
        whens = next((n.whens for n in self.plan.nodes if n.id == node), ())
        for index, (_, place) in enumerate(whens):
            if isinstance(number, int) and index <= number:
                kind = "when false" if index == number else "when true"
                for point in self.points:
                    if point.kind == kind and point.place == place:
                        self.points[point] = True


def _points(plan: Plan) -> Iterable[Point]:
    seen: set[Place] = set()
    undoes = plan.rollback_on_failure or any(
        node.approval is not None and node.approval.otherwise == "rollback" for node in plan.nodes
    )
    for node in plan.nodes:
        if node.kind == "join":
            continue
        yield Point("node", node.id, node.place)
        for _, place in node.whens:
            if place not in seen:  # that of a group is one condition, not one of each node
                seen.add(place)
                yield Point("when true", node.id, place)
                yield Point("when false", node.id, place)
        if node.approval is not None:
            yield Point("rejection", node.id, node.place)
        if node.retry.attempts > 1:
            yield Point("retry", node.id, node.place)
        if undoes and node.effect is not None and node.contract.type in ("self", "undo"):
            yield Point("undo", node.id, node.place)
