"""`rflow releases`, `rflow release lift`: what a stage can go back to, and what stays away."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click
from rflow.cli import times
from rflow.cli.cells import clean, wrap
from rflow.cli.command import Family, app, command, format_option, note, say
from rflow.cli.complete import run_argument, stage_argument
from rflow.cli.failure import Failure
from rflow.cli.table import Column, lay_out
from rflow.cli.target import as_option, find_run, find_stage, open_state, person, state_option

if TYPE_CHECKING:
    from rflow.runner.releasing import Release

EXAMPLE = """
rflow releases               of the only stage
rflow releases production    what production can go back to
"""
FAMILY_EXAMPLE = """
rflow release lift 7k2m --reason "it was the network"
"""
LIFT_EXAMPLE = """
rflow release lift 7k2m --reason "it was the network"    its artifacts may come back
"""


@command("releases", example=EXAMPLE)
@stage_argument
@click.option("--limit", type=click.IntRange(1), default=20, help="At most so many runs (20).")
@click.option("--before", metavar="RUN", help="Those that were created before this run.")
@format_option()
@state_option
def releases(
    stage: str | None, limit: int, before: str | None, form: str, state: str | None
) -> int:
    """List the runs of a stage, the newest first, and say which of them it can go back to.

    A target is a run that ended well and whose artifacts are still in the store, a rollback
    included. Of the others it says why they are none.
    """
    service = open_state(state)
    name = find_stage(service, stage)
    start = None if before is None else find_run(service, before)
    found = service.releases(name, limit + 1, start)
    more = len(found) > limit
    found = found[:limit]
    if form == "json":
        say(json.dumps([as_json(release) for release in found], ensure_ascii=False, indent=2))
        return 0
    columns = [
        Column("target"),
        Column("run"),
        Column("name", rank=2, flexible=True, least=6),
        Column("version", rank=3, flexible=True),
        Column("kind", rank=4),
        Column("started", rank=7),
        Column("ended", rank=5),
        Column("by", rank=6, flexible=True),
    ]
    table = lay_out(columns, [_row(release) for release in found], app().room, app().out)
    say(table[0])
    for line, release in zip(table[1:], found, strict=True):
        say(line)
        for text in _below(release):
            say(wrap(f"     {text}", app().width, "     "))
    if more:
        note(f"there are more: `rflow releases --before {found[-1].run.run}`")
    return 0


def _row(release: Release) -> list[str]:
    pen, now, run = app().out, time.time(), release.run
    return [
        pen.dim("no") if release.why_not else pen.green("yes"),
        run.run if release.why_not else pen.bold(run.run),
        "" if run.name == run.run else clean(run.name),
        clean(release.version),
        run.kind,
        times.relative(run.started_at, now) if run.started_at else "",
        times.relative(run.ended_at, now) if run.ended_at else "",
        clean(run.by),
    ]


def _below(release: Release) -> list[str]:
    """Why it is no target, and which rollbacks went back to it."""
    pen, said = app().out, []
    if release.why_not:
        said.append(pen.dim(clean(release.why_not)))
    if release.rollbacks:
        said.append(f"gone back to by {', '.join(release.rollbacks)}")
    return said


def as_json(release: Release) -> dict[str, object]:
    """A release as JSON: the run, and what it is as a target."""
    from rflow.cli.runs import as_json as run_as_json

    return {
        **run_as_json(release.run),
        "version": release.version,
        "target": not release.why_not,
        "why_not": release.why_not,
        "rollbacks": release.rollbacks,
    }


@click.group("release", cls=Family, example=FAMILY_EXAMPLE)
@click.pass_context
def release(ctx: click.Context) -> None:
    """Say something of a release. `rflow releases` lists them."""
    if ctx.invoked_subcommand is None:
        raise Failure("what of the release?", help="`rflow release lift RUN --reason TEXT`")


@command("lift", example=LIFT_EXAMPLE)
@run_argument
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")
@as_option
@state_option
def lift(run: str | None, reason: str, by: str | None, state: str | None) -> int:
    """Let what a rollback took away come back to its stage.

    RUN is the release that was rolled back from, as `rflow stages` names it.
    """
    service = open_state(state)
    id_ = find_run(service, run)
    name = person(by)
    service.lift(id_, by=name, reason=reason)
    say(f"what run {id_} brought may be released again, says {clean(name)}")
    return 0


release.add_command(lift)
