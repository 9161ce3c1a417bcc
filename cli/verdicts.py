"""How tests of flows went, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rflow.cli.rehearsals import Rehearsals, Verdict
from rflow.cli.terminal import Pen
from rflow.compiler.plan import Place, Plan
from rflow.compiler.types import show_duration
from rflow.runner.chaos import where as where_it_died
from rflow.runner.expectations import story
from rflow.runner.view import where

STORY_MAX = 60


def quoted(plan: Plan, place: Place) -> str:
    """What stands at a place, on one line."""
    return " ".join(plan.sources[place.source].text[place.start : place.end].split())


def details(verdict: Verdict, plan: Plan) -> Iterator[str]:
    """What is wrong with a test that failed: each expectation, what was instead, the events."""
    if verdict.problem:
        yield f"{where(plan, verdict.test.place)}: this test cannot be played"
        yield f"  {verdict.problem}"
        return
    for unmet in verdict.unmet:
        yield f"{where(plan, unmet.place)}: {quoted(plan, unmet.place)}"
        yield f"  but {unmet.message}"
        yield from (f"    {line}" for line in unmet.reasons)
    assert verdict.rehearsed is not None
    if verdict.unmet:
        yield "what happened:"
        yield from _story(story(verdict.rehearsed))
    for difference in verdict.chaos:
        yield f"with {where_it_died(verdict.rehearsed, difference.fall)}:"
        yield f"  {difference.message}"
        for unmet in difference.unmet[:1]:
            yield f"  {where(plan, unmet.place)}: {quoted(plan, unmet.place)}"
    if verdict.chaos and verdict.chaos[0].rehearsed is not None:
        yield "what happened with the first of these crashes:"
        yield from _story(story(verdict.chaos[0].rehearsed))


def _story(lines: list[tuple[str, str]]) -> Iterator[str]:
    left = len(lines) - STORY_MAX
    if left > 0:
        yield f"  … {left} events before these"
        lines = lines[left:]
    width = max((len(at) for at, _ in lines), default=0)
    yield from (f"  {at:>{width}}  {text}" for at, text in lines)


def text(verdict: Verdict, plan: Plan, pen: Pen) -> Iterator[str]:
    """The lines of one test."""
    if verdict.passed:
        assert verdict.rehearsed is not None
        run_s = show_duration(round(verdict.rehearsed.seconds, 1))
        note = f" (a run of {run_s})" if verdict.rehearsed.seconds >= 1 else ""
        yield f"  {pen.green('ok')}      {verdict.test.name}{pen.dim(note)}"
        return
    yield f"  {pen.red('FAILED')}  {verdict.test.name}"
    yield from (f"    {line}" for line in details(verdict, plan))


def summary(verdicts: Sequence[Verdict], took_s: float, pen: Pen) -> str:
    """`3 passed, 1 failed in 0.02s`."""
    failed = sum(not verdict.passed for verdict in verdicts)
    passed = len(verdicts) - failed
    parts = [pen.green(f"{passed} passed")] if passed or not failed else []
    parts += [pen.red(f"{failed} failed")] if failed else []
    return f"{', '.join(parts)} in {took_s:.2f}s"


def coverage_text(found: Rehearsals, pen: Pen) -> Iterator[str]:
    """What the tests of a file reached of each flow they run."""
    for name, coverage in found.coverages.items():
        total = len(coverage.points)
        share = 100 * coverage.reached // total if total else 100
        yield f"{pen.bold(name)}: {coverage.reached} of {total} reached ({share} %)"
        for point in coverage.missed:
            yield f"  {where(coverage.plan, point.place)}: {point.text}"


# -- JSON ------------------------------------------------------------------------------------------


def as_json(verdict: Verdict, plan: Plan) -> dict[str, Any]:
    """One test."""
    rehearsed = verdict.rehearsed
    return {
        "file": verdict.file,
        "line": _line(plan, verdict.test.place),
        "name": verdict.test.name,
        "flow": verdict.test.flow,
        "passed": verdict.passed,
        "took_s": round(verdict.took_s, 6),
        "run_s": round(rehearsed.seconds, 3) if rehearsed is not None else None,
        "status": rehearsed.state.outcome if rehearsed is not None else None,
        "problem": verdict.problem or None,
        "unmet": [
            {
                "line": _line(plan, unmet.place),
                "expected": quoted(plan, unmet.place),
                "instead": unmet.message,
                "reasons": list(unmet.reasons),
            }
            for unmet in verdict.unmet
        ],
        "events": [[at, what] for at, what in story(rehearsed)] if rehearsed is not None else [],
        "chaos": [
            {
                "write": difference.fall.at,
                "written": difference.fall.written,
                "message": difference.message,
            }
            for difference in verdict.chaos
        ],
    }


def coverage_json(found: Rehearsals) -> dict[str, Any]:
    """What the tests of a file reached of each flow they run."""
    return {
        name: {
            "points": len(coverage.points),
            "reached": coverage.reached,
            "missed": [
                {
                    "kind": point.kind,
                    "node": point.node,
                    "line": _line(coverage.plan, point.place),
                    "file": coverage.plan.sources[point.place.source].path,
                }
                for point in coverage.missed
            ],
        }
        for name, coverage in found.coverages.items()
    }


def _line(plan: Plan, place: Place) -> int:
    return plan.sources[place.source].text.count("\n", 0, place.start) + 1
