"""What a rollback takes, as people read it before it is done. Owns wording only."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rflow.cli import resources, times
from rflow.cli.cells import clean, wrap
from rflow.cli.command import app, say
from rflow.cli.data import as_data
from rflow.cli.table import Column, lay_out

if TYPE_CHECKING:
    from rflow.compiler.plan import Stage
    from rflow.runner.releasing import Releasing
    from rflow.runner.rollback import Crossed, Rollback, Step

_ORIGINS = {
    "own": "",
    "other flow": "changed last by another flow:",
    "later": "came after the release:",
}


def show(service: Releasing, found: Rollback, stage: Stage, given: Iterable[str]) -> None:
    """Print it: what is set back, what stays, what stands against it."""
    pen, width, target = app().out, app().width, found.target
    given = set(given)
    name = target.run if target.name == target.run else f"{clean(target.name)} ({target.run})"
    if target.kind == "rollback":
        name = f"what rollback {target.run} made of it"
    ended = times.relative(target.ended_at or target.created_at, time.time())
    head = f"{pen.bold(f'{clean(found.stage)} back to {name}')}, which ended {ended}"
    say(wrap(head, width, "  "))
    for origin, title in _ORIGINS.items():
        steps = [step for step in found.steps if step.origin == origin]
        if steps:
            say()
            _steps(service, found, steps, title)
    if not found.steps:
        say("  nothing is to be done: all of it is as it was")
    if found.same and found.steps:
        names = ", ".join(resources.name_of(held.resource, found.stage) for held in found.same)
        say(wrap(f"  {pen.dim('as it was already:')} {names}", width, "    "))
    if found.steps and (found.crossed or found.absent):
        say()
        say(pen.bold("Not taken back"))
        for crossed in found.crossed:
            say(wrap(f"  {_crossed(crossed, given)}", width, "    "))
        for resource in found.absent:
            shown = resources.name_of(resource, found.stage)
            said = f"  {shown}: its kind cannot make it absent {_must(resource, given)}"
            say(wrap(said, width, "    "))
    for text in _against(found, stage):
        say()
        say(wrap(text, width, "  "))
    say()


def _steps(service: Releasing, found: Rollback, steps: list[Step], title: str) -> None:
    pen, width = app().out, app().width
    if title:
        say(pen.dim(f"  {title}"))
    least = max(10, min(24, (width - 36) // 2))
    columns = [
        Column("  resource", flexible=True, least=10, keep_end=True),
        Column("now", flexible=True, least=least),
        Column("then", flexible=True, least=least),
        Column("how", rank=1),
        Column("now by", rank=3),
        Column("then by", rank=2),
    ]
    rows = [
        [
            f"  {resources.name_of(step.resource, found.stage)}",
            _value(service, step.now, step.by_now),
            _value(service, step.target, step.run if step.target is not None else ""),
            step.kind,
            step.by_now,
            step.run if step.target is not None else "",
        ]
        for step in steps
    ]
    for line in lay_out(columns, rows, app().room, pen):
        say(line)


def _value(service: Releasing, value: Any, run: str) -> str:
    """A value, with the version that its run released if it has one."""
    version = service.version(run) if run and value is not None else ""
    return resources.value(value) + (f" ({clean(version)})" if version else "")


def _crossed(crossed: Crossed, given: set[str]) -> str:
    pen = app().out
    contract = crossed.contract if crossed.contract != "none" else "no contract"
    style = "red" if crossed.must_be_acknowledged else "dim"
    said = f"{pen.bold(clean(crossed.node))} of run {crossed.run}: {pen(style, contract)}"
    if crossed.reason:
        said += f", {clean(crossed.reason)}"
    return f"{said} {_must(crossed.node, given)}" if crossed.must_be_acknowledged else said


def _must(name: str, given: set[str]) -> str:
    pen = app().out
    if name in given:
        return pen.green("(acknowledged)")
    return pen.yellow(f"(needs --acknowledge {clean(name)})")


def _against(found: Rollback, stage: Stage) -> list[str]:
    """What must be there, or must be done, before it can be."""
    pen, said = app().out, []
    for resource, digest in found.lost.items():
        name = resources.name_of(resource, found.stage)
        digits = resources.short(digest)
        said.append(f"{pen.red('gone')}: the store has no longer {digits}, which {name} had")
    if stage.rollback_by and found.steps:
        who = ", ".join(map(clean, stage.rollback_by))
        said.append(f"{found.stage} asks first: {stage.rollback_count} of {who}")
    return said


def as_json(found: Rollback, stage: Stage, given: Iterable[str]) -> dict[str, Any]:
    """What a rollback takes, as JSON."""
    from rflow.cli.runs import as_json as run_as_json

    return {
        "target": run_as_json(found.target),
        "stage": found.stage,
        "steps": [as_data(step) for step in found.steps],
        "same": [{"resource": h.resource, "value": h.value, "run": h.run} for h in found.same],
        "crossed": [as_data(crossed) for crossed in found.crossed],
        "lost": found.lost,
        "absent": found.absent,
        "unacknowledged": found.unacknowledged(given),
        "confirmed_by": {"people": list(stage.rollback_by), "count": stage.rollback_count}
        if stage.rollback_by
        else None,
    }
