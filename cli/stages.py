"""`rflow stages`: what is deployed on the stages of a pipeline, side by side."""

from __future__ import annotations

import json
import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click
from rflow.cli import resources, times
from rflow.cli.cells import clean, pad, wrap
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.failure import Failure
from rflow.cli.status import back, sign, word
from rflow.cli.table import Column, lay_out
from rflow.cli.target import open_state, state_option

if TYPE_CHECKING:
    from rflow.runner.ledger import Held
    from rflow.runner.releasing import StageView
    from rflow.runner.service import Service

CARD_MIN = 44
"""Stages stand side by side where each has so many columns."""
GAP = 3

EXAMPLE = """
rflow stages         all stages
rflow stages shop    those of one pipeline
"""


@command("stages", example=EXAMPLE)
@click.argument("pipeline", required=False)
@format_option()
@state_option
def stages(pipeline: str | None, form: str, state: str | None) -> int:
    """Show what is deployed on each stage, since when and by which run.

    Below a stage's name stand its last run, and the freeze and the quarantine that hold there.
    What is shown is what the runs recorded that they changed, not what a run was meant to do.
    """
    service = open_state(state)
    found = service.stages()
    if pipeline is not None:
        found = _of_pipeline(found, pipeline)
    if form == "json":
        say(json.dumps([as_json(view) for view in found], ensure_ascii=False, indent=2))
        return 0
    if not found:
        note("no run was created for a stage yet")
    by_pipeline: dict[str, list[StageView]] = {}
    for view in found:
        by_pipeline.setdefault(view.stage.partition(".")[0], []).append(view)
    for number, views in enumerate(by_pipeline.values()):
        if number:
            say()
        for line in _side_by_side(service, views):
            say(line)
    return 0


def _of_pipeline(found: list[StageView], pipeline: str) -> list[StageView]:
    chosen = [view for view in found if pipeline in (view.stage.partition(".")[0], view.stage)]
    if chosen:
        return chosen
    from rflow.dsl.diagnostics import closest

    names = sorted({view.stage.partition(".")[0] for view in found})
    near = closest(pipeline, names)
    listed = f"there are: {', '.join(f'`{name}`' for name in names)}" if names else None
    step = f"did you mean `{near}`?" if near else listed
    raise Failure(f"no run was created for a pipeline `{clean(pipeline)}`", help=step)


def _side_by_side(service: Service, views: list[StageView]) -> list[str]:
    """The stages in columns where there is room, else one below the other."""
    width, room = app().width, app().room
    each = (width - GAP * (len(views) - 1)) // len(views)
    if each < CARD_MIN or len(views) == 1 or room > width:
        lines: list[str] = []
        for view in views:
            card = _card(service, view, width, room)
            lines += ["", *card] if lines else card
        return lines
    cards = [_card(service, view, each, each) for view in views]
    rows = zip_longest(*cards, fillvalue="")
    return [(" " * GAP).join(pad(cell, each) for cell in row).rstrip() for row in rows]


def _card(service: Service, view: StageView, width: int, room: int) -> list[str]:
    pen, now = app().out, time.time()
    lines = [pen.bold(clean(view.stage))]
    if view.last is not None:
        last = view.last
        name = "" if last.name == last.run else f"{clean(last.name)}, "
        kind = f"{back(pen)} rollback " if last.kind == "rollback" else ""
        at = times.relative(last.ended_at or last.started_at or last.created_at, now)
        said = f"{sign(last.status, pen)} {kind}{last.run} ({name}{at}): {word(last.status, pen)}"
        lines += wrap(said, width, "  ").split("\n")
    for text in _holds(view, now):
        lines += wrap(text, width, "  ").split("\n")
    held = [h for h in view.resources if h.value is not None or h.doubt]
    if not held:
        return [*lines, pen.dim("nothing is deployed")]
    columns = [
        Column("resource", flexible=True, least=10, keep_end=True),
        Column("what", flexible=True, least=12),
        Column("version", rank=3, flexible=True, least=6),
        Column("since", rank=4),
        Column("run", rank=1),
    ]
    if any(h.doubt for h in held):
        columns.append(Column(""))
    rows = [_row(service, view, h, now)[: len(columns)] for h in held]
    return [*lines, *lay_out(columns, rows, room, pen)]


def _holds(view: StageView, now: float) -> list[str]:
    """What keeps effects, or some artifacts, from the stage now."""
    pen, found = app().out, []
    if view.freeze is not None:
        until = view.freeze.get("until")
        assert isinstance(until, int | float)
        when = f"{times.day_time(until)} ({times.span(until - now)} more)"
        by, why = clean(str(view.freeze.get("by"))), clean(str(view.freeze.get("reason")))
        found.append(f"{pen('bold cyan', 'frozen')} until {when} by {by}: {why}")
    for run, body in view.quarantine.items():
        why = f": {clean(str(body['reason']))}" if body.get("reason") else ""
        by = clean(str(body.get("by")))
        taken = f"what {run} brought, taken away by {body.get('rollback')} ({by}{why})"
        found.append(f"{pen('bold yellow', 'quarantine')} of {taken}")
    return found


def _row(service: Service, view: StageView, held: Held, now: float) -> list[str]:
    pen = app().out
    doubt = ""
    if held.doubt:
        over = service.summary(held.run).concluded
        doubt = pen.yellow("in doubt" if over else "being changed")
    return [
        resources.name_of(held.resource, view.stage),
        resources.value(held.value),
        clean(view.versions.get(held.run, "")),
        times.relative(held.since, now),
        held.run,
        doubt,
    ]


def as_json(view: StageView) -> dict[str, Any]:
    """A stage as JSON: times are ISO 8601 in UTC, an absent resource has the value null."""
    from rflow.cli.runs import as_json as run_as_json

    return {
        "stage": view.stage,
        "resources": [
            {
                "resource": held.resource,
                "value": held.value,
                "version": view.versions.get(held.run, ""),
                "since": times.iso(held.since),
                "run": held.run,
                "node": held.node,
                "doubt": held.doubt,
            }
            for held in view.resources
        ],
        "last": None if view.last is None else run_as_json(view.last),
        "freeze": None if view.freeze is None else _with_times(view.freeze),
        "quarantine": {run: _with_times(body) for run, body in view.quarantine.items()},
    }


def _with_times(body: dict[str, Any]) -> dict[str, Any]:
    times_ = {
        name: times.iso(of)
        for name, of in body.items()
        if name in ("at", "until") and isinstance(of, int | float)
    }
    return {**body, **times_}
