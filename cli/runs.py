"""`rflow runs`, `rflow rename`, `rflow locks`: lists, and the names in them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click
from rflow.cli import times
from rflow.cli.cells import clean
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.complete import run_argument
from rflow.cli.failure import Failure
from rflow.cli.status import back, sign, word
from rflow.cli.table import Column, lay_out
from rflow.cli.target import as_option, find_run, open_state, person, state_option

if TYPE_CHECKING:
    from rflow.runner.journal import RunSummary

STATUSES = ("pending", "running", "waiting", "success", "failed", "cancelled")

EXAMPLE = """
rflow runs
rflow runs --flow release --status failed --limit 5
"""


@command("runs", example=EXAMPLE)
@click.option("--flow", help="Only runs of this flow.")
@click.option("--stage", help="Only runs on this stage.")
@click.option("--status", type=click.Choice(STATUSES), help="Only runs with this status.")
@click.option("--limit", type=click.IntRange(1), default=20, help="At most so many (20).")
@format_option()
@state_option
def runs(
    flow: str | None,
    stage: str | None,
    status: str | None,
    limit: int,
    form: str,
    state: str | None,
) -> int:
    """List the runs, the newest first. `↩` marks those that went back to a release."""
    service = open_state(state)
    found = service.runs(flow=flow, stage=stage, status=status, limit=limit + 1)
    more = len(found) > limit
    found = found[:limit]
    if form == "json":
        say(json.dumps([as_json(run) for run in found], ensure_ascii=False, indent=2))
        return 0
    if not found:
        every = service.runs(limit=200)
        if every:
            _nothing(flow, [run.flow for run in every])
        else:
            note("no run was started yet")
        return 0
    columns = [
        Column("status"),
        Column("run"),
        Column("name", rank=2, flexible=True),
        Column("flow", rank=1, flexible=True, least=8),
        Column("stage", rank=3, flexible=True),
        Column("started"),
        Column("took", rank=4),
    ]
    for line in lay_out(columns, [_row(run) for run in found], app().room, app().out):
        say(line)
    if more:
        note("there are more: `--limit` shows them")
    for run, driver in service.drivers(run.run for run in found if not run.concluded).items():
        if driver is None:
            note(f"no process goes on with {run}: rflow resume {run}")
    return 0


def _nothing(flow: str | None, flows: list[str]) -> None:
    if flow is None or flow in flows:
        note("there are no such runs")
        return
    from rflow.dsl.diagnostics import closest

    near = closest(flow, sorted(set(flows)))
    step = f"did you mean `{near}`?" if near else None
    raise Failure(f"there are no runs of a flow `{clean(flow)}`", help=step)


def _row(run: RunSummary) -> list[str]:
    pen, now = app().out, time.time()
    end = run.ended_at if run.concluded else now
    took = times.span(end - run.started_at) if run.started_at and end else ""
    return [
        f"{sign(run.status, pen)} {word(run.status, pen)}",
        pen.bold(run.run) + (f" {back(pen)}" if run.kind == "rollback" else ""),
        "" if run.name == run.run else clean(run.name),
        clean(run.flow),
        clean(run.stage or ""),
        times.relative(run.started_at or run.created_at, now),
        took,
    ]


def as_json(run: RunSummary) -> dict[str, Any]:
    """A run as JSON: times are ISO 8601 in UTC."""
    return {
        "run": run.run,
        "flow": run.flow,
        "stage": run.stage,
        "kind": run.kind,
        "name": run.name,
        "description": run.description,
        "status": run.status,
        "concluded": run.concluded,
        "created_at": times.iso(run.created_at),
        "started_at": times.iso(run.started_at),
        "ended_at": times.iso(run.ended_at),
        "by": run.by,
        "plan": run.plan,
    }


@command("rename", example='rflow rename 7k2m --name "v1.4" --description "the spring release"')
@run_argument
@click.option("--name", help="Its new name.")
@click.option("--description", help="Its new description.")
@as_option
@state_option
def rename(
    run: str | None, name: str | None, description: str | None, by: str | None, state: str | None
) -> int:
    """Change the name or the description of a run."""
    if name is None and description is None:
        raise Failure("what should change?", help="give `--name` or `--description`")
    service = open_state(state)
    id_ = find_run(service, run)
    service.rename(id_, name=name, description=description, by=person(by))
    return 0


@command("locks", example="rflow locks")
@format_option()
@state_option
def locks(form: str, state: str | None) -> int:
    """List the locks that runs hold, and since when."""
    found = open_state(state).locks()
    if form == "json":
        listed = [
            {"lock": lock.name, "run": lock.run, "node": lock.node, "since": times.iso(lock.since)}
            for lock in found
        ]
        say(json.dumps(listed, ensure_ascii=False, indent=2))
        return 0
    if not found:
        note("no lock is held")
        return 0
    columns = [Column("lock", flexible=True), Column("run"), Column("node", flexible=True)]
    rows = [
        [clean(lock.name), lock.run, clean(lock.node), times.relative(lock.since, time.time())]
        for lock in found
    ]
    for line in lay_out([*columns, Column("since", rank=1)], rows, app().room, app().out):
        say(line)
    return 0
