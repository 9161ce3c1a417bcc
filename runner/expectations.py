"""Whether a rehearsal went as its test expects: what is not met, what was instead, and why. Pure.

Everything said here is read from the records of the run and from what its world holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import assert_never

from msgspec import Struct
from rflow.compiler.expr import Apply, Literal, evaluate
from rflow.compiler.plan import Json, Place
from rflow.compiler.testing import (
    Aim,
    Attempts,
    Before,
    Changed,
    Expected,
    NodeIs,
    OutputIs,
    RunIs,
    RunWithin,
)
from rflow.compiler.types import show_duration, show_value
from rflow.runner import events as ev
from rflow.runner.events import Record
from rflow.runner.node_state import UNDO
from rflow.runner.rehearsal_world import aims_at
from rflow.runner.rehearse import Rehearsed
from rflow.runner.view import group_status
from rflow.runner.why import sentence, why

REASONS_MAX = 8
_BEGINS = (ev.AttemptStarted, ev.ApprovalAsked)
_ENDS = (ev.AttemptSucceeded, ev.NodeFailed, ev.NodeSkipped, ev.NodeCancelled)

Filters = Mapping[str, Callable[..., Json]]


class Unmet(Struct, frozen=True):
    """An expectation that is not met: where it stands, what was instead, and the reasons."""

    place: Place
    message: str
    reasons: tuple[str, ...] = ()


def judge(rehearsed: Rehearsed, filters: Filters, *, timed: bool = True) -> list[Unmet]:
    """What is not met, in the order of the test; `timed`: how long the run took counts too."""
    return Judge(rehearsed, filters).unmet(timed)


class Judge:
    """Looks at one rehearsal."""

    def __init__(self, rehearsed: Rehearsed, filters: Filters) -> None:
        self.rehearsed, self.filters = rehearsed, filters
        self.state, self.records = rehearsed.state, rehearsed.records

    def unmet(self, timed: bool) -> list[Unmet]:
        """What is not met."""
        found: list[Unmet] = []
        source = self.rehearsed.test.place.source
        for expected in self.rehearsed.test.expected:
            said = self._said(expected) if timed or type(expected) is not RunWithin else None
            if said is not None:
                message, about = said
                place = Place(source, *expected.span)
                found.append(Unmet(place, message, tuple(self._reasons(about))))
        return found

    def _said(self, expected: Expected) -> tuple[str, list[str]] | None:
        """What was instead, and the nodes that it is about; None if it is met."""
        match expected:
            case RunIs():
                if self.state.outcome == expected.status:
                    return None
                return f"the run ended {_as(self.state.outcome)}", self._to_blame()
            case RunWithin():
                took_s = self.rehearsed.seconds
                if took_s <= expected.limit_s:
                    return None
                return f"the run took {_time(took_s)}", []
            case NodeIs():
                return self._status(expected)
            case Attempts():
                return self._attempts(expected)
            case Before():
                return self._before(expected)
            case Changed():
                return self._changed(expected)
            case OutputIs():
                return self._output(expected)
            case _:
                assert_never(expected)

    # -- looking -------------------------------------------------------------------------------

    def _instances(self, aim: Aim) -> list[int]:
        graph = self.state.graph
        return [
            number
            for node in aim.nodes
            for number in graph.by_node.get(node, ())
            if aims_at(aim, node, graph.instances[number].id)
        ]

    def _ids(self, aim: Aim) -> list[str]:
        return [self.state.graph.instances[number].id for number in self._instances(aim)]

    def _numbers(self, ids: Sequence[str], kinds: tuple[type, ...]) -> list[int]:
        wanted = set(ids)
        return [
            record.number
            for record in self.records
            if isinstance(record.event, kinds) and getattr(record.event, "node", "") in wanted
        ]

    def _to_blame(self) -> list[str]:
        return [id for id in dict.fromkeys(self.state.failed) if not id.startswith(UNDO)]

    def _reasons(self, ids: Sequence[str]) -> Iterator[str]:
        """Why, of these nodes; of the run where there are none."""
        shown = 0
        for id in ids:
            for because in why(self.state, self.records, self.filters, id)[-4:]:
                if because.text and shown < REASONS_MAX:
                    shown += 1
                    yield f"{name_of(id)} {because.what}: {because.text}"
                    yield from (f"  {line}" for line in because.details)
        if not ids and (text := sentence(self.state.reason)):
            yield text

    # -- nodes ---------------------------------------------------------------------------------

    def _status(self, expected: NodeIs) -> tuple[str, list[str]] | None:
        ids = self._ids(expected.aim)
        started = self._numbers(ids, _BEGINS)
        skipped = [id for id in ids if self.state.node(id).status == "skipped"]
        if expected.status == "not started":
            if not started and len(skipped) < len(ids):
                return None
            word = "was skipped" if not started else "was started"
            return f"{expected.aim.text} {word}", ids
        status = group_status([self.state.node(id).status for id in ids])
        if status == expected.status:
            return None
        if status == "pending" or (status == "cancelled" and not started):
            return f"{expected.aim.text} was not started", ids
        parts = {id: self.state.node(id).status for id in ids}
        each = "" if len(parts) < 2 else ": " + ", ".join(f"{k} {v}" for k, v in parts.items())
        return f"{expected.aim.text} ended {_as(status)}{each}", ids

    def _attempts(self, expected: Attempts) -> tuple[str, list[str]] | None:
        counts: dict[str, set[str]] = {id: set() for id in self._ids(expected.aim)}
        for record in self.records:
            event = record.event
            if isinstance(event, ev.AttemptStarted) and event.node in counts:
                counts[event.node].add(event.key)  # one that was cut off keeps its key
        wrong = {id: len(keys) for id, keys in counts.items() if len(keys) != expected.count}
        if counts and not wrong:
            return None
        if not counts:
            return f"{expected.aim.text} has no instance in this run", []
        said = ", ".join(f"{id} had {count}" for id, count in wrong.items())
        return said, list(wrong)

    def _before(self, expected: Before) -> tuple[str, list[str]] | None:
        first, then = self._ids(expected.first), self._ids(expected.then)
        ended, began = self._numbers(first, _ENDS), self._numbers(then, _BEGINS)
        if not ended or not self._numbers(first, (*_BEGINS, ev.NodeSkipped)):
            return f"{expected.first.text} was not started", first
        if not began:
            return f"{expected.then.text} was not started", then
        if max(ended) < min(began):
            return None
        at = next(r for r in self.records if r.number == min(began))
        ends = next(r for r in self.records if r.number == max(ended))
        begins = f"{at.event.node} began first"  # type: ignore[union-attr]
        return f"{begins}, and {ends.event.node} ended after that", []  # type: ignore[union-attr]

    def _changed(self, expected: Changed) -> tuple[str, list[str]] | None:
        world, graph = self.rehearsed.world, self.state.graph
        numbers = [n for n in self._instances(expected.aim) if graph.instances[n].node.effect]
        names = {n: graph.instances[n].id for n in numbers}
        made = [n for n in numbers if any(k in world.done for k in world.keys.get(names[n], ()))]
        text = expected.aim.text
        if not made:
            return f"{text} changed nothing", list(names.values())
        undone = [n for n in made if self.state.undone(n)]
        if expected.which == "undone" and len(undone) < len(made):
            left = [names[n] for n in made if n not in undone]
            if self.state.undos:
                return f"{', '.join(left)} was not undone", [UNDO + id for id in left]
            return f"nothing was undone, and {', '.join(left)} stayed changed", []
        if expected.which == "kept" and undone:
            ids = [names[n] for n in undone]
            return f"{', '.join(ids)} was undone", [UNDO + id for id in ids]
        return None

    # -- outputs -------------------------------------------------------------------------------

    def _output(self, expected: OutputIs) -> tuple[str, list[str]] | None:
        if self.state.outcome != "success":
            message = f"the run ended {_as(self.state.outcome)} and has no outputs"
            return message, self._to_blame()
        value = self.state.outputs.get(expected.name)
        compared = Apply(expected.op, (Literal(value), expected.value))
        ordered = expected.op not in ("==", "!=")
        if not (ordered and value is None) and evaluate(compared, _Nothing(), self.filters) is True:
            return None
        return f"the output {expected.name} is {show_value(value)}", []


class _Nothing:
    """A scope without values: those of a test read nothing."""

    def get(self, root: object, path: object) -> Json:
        """Nothing."""
        return None


# -- what happened ---------------------------------------------------------------------------------


def story(rehearsed: Rehearsed) -> list[tuple[str, str]]:
    """What happened, in order: the time since the run's start, and what it was."""
    start = rehearsed.state.started_at
    found: list[tuple[str, str]] = []
    for record in rehearsed.records:
        text = _told(record)
        if text:
            found.append((_time(max(0.0, record.at - start)), text))
    return found


def _told(record: Record) -> str:
    event = record.event
    name = name_of(getattr(event, "node", ""))
    reason = sentence(getattr(event, "reason", ev.NO_REASON))
    match event:
        case ev.AttemptStarted():
            return f"{name} started" + (f" again ({event.attempt})" if event.attempt > 1 else "")
        case ev.AttemptSucceeded():
            return f"{name} succeeded" + (f": {reason}" if reason else "")
        case ev.AttemptFailed():
            return f"{name} failed: {event.error.get('message')}"
        case ev.NodeSkipped():
            return f"{name} was skipped: {reason}"
        case ev.NodeCancelled():
            return f"{name} was cancelled: {reason}"
        case ev.NodeFailed():
            return f"{name} failed for good: {reason}"
        case ev.NodeHeld():
            return f"{name} was held: {reason}"
        case ev.ApprovalAsked():
            return f"{name} asked for approval"
        case ev.Decided():
            return f"{event.by} {'approved' if event.decision == 'approve' else 'rejected'} {name}"
        case ev.CancelRequested():
            return "the run was cancelled"
        case ev.RunTimedOut():
            return f"the run timed out: {reason}"
        case ev.PhaseStarted():
            words = {"undo": "undo", "failure": "`on failure`", "finally": "`finally`"}
            return f"{words.get(event.phase, event.phase)} began"
        case ev.AttemptLost():
            return f"{name} was cut off by the crash"
        case ev.RunEnded():
            return f"the run ended {_as(event.status)}"
        case _:
            return ""


def name_of(id: str) -> str:
    """A node, or what undoes it, in words."""
    return f"the undo of {id.removeprefix(UNDO)}" if id.startswith(UNDO) else id


def _as(status: str) -> str:
    return "well" if status == "success" else status


def _time(seconds: float) -> str:
    return show_duration(round(seconds, 3))
