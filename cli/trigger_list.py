"""`rflow trigger list`: what starts a flow by itself, and when the clock does so next."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rflow.cli import narration, times
from rflow.cli.cells import clean
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.complete import flow_argument
from rflow.cli.failure import Failure
from rflow.cli.flows import Kinds, flows_of
from rflow.cli.table import Column, lay_out
from rflow.cli.target import on_server

if TYPE_CHECKING:
    from rflow.compiler.plan import Plan

EXAMPLE = """
rflow trigger list release.rflow
rflow --server URL trigger list release
"""


class _Listed(NamedTuple):
    """A trigger with the inputs that the flow gives it."""

    trigger: str
    kind: str
    inputs: dict[str, Any]
    next_due: float | None


@command("list", example=EXAMPLE)
@click.argument("file", metavar="FILE|NAME")
@flow_argument
@format_option()
def list_(file: str, flow: str | None, form: str) -> int:
    """List the triggers of a flow: what each listens to, and when a clock is due next.

    Of a server it lists those of the flow with that name. Triggers start runs while `rflow serve`
    runs.
    """
    plan, directory = _meant(file, flow)
    now = time.time()
    found = _listed(plan, directory, now)
    if form == "json":
        say(json.dumps([_as_json(one) for one in found], ensure_ascii=False, indent=2))
        return 0
    if not found:
        note(f"the flow {clean(plan.flow)} has no trigger: people start it")
        return 0
    columns = [Column("trigger"), Column("kind"), Column("listens to", rank=1, flexible=True)]
    rows = [[clean(one.trigger), one.kind, _inputs(one)] for one in found]
    if any(one.next_due is not None for one in found):
        columns.insert(2, Column("next due"))
        for row, one in zip(rows, found, strict=True):
            row.insert(2, _due(one, now))
    for line in lay_out(columns, rows, app().room, app().out):
        say(line)
    return 0


def _meant(file: str, flow: str | None) -> tuple[Plan, Path]:
    """The plan, and where its relative paths begin."""
    remote = on_server()
    if remote is None:
        flows = flows_of(file)
        return flows.plan(flows.choose(flow)), flows.project.directory
    if flow is not None:
        raise Failure(
            "name the flow alone", help=f"`rflow --server URL trigger list {clean(flow)}`"
        )
    return remote.flow_plan(file), Path.cwd()


def _listed(plan: Plan, directory: Path, now: float) -> list[_Listed]:
    from rflow.server.due import next_times
    from rflow.server.triggers import triggers_of

    host = Kinds().host
    due = next_times(plan, host, directory, now)
    given = {trigger.name: trigger.inputs for trigger in plan.triggers}
    return [
        _Listed(
            one.name,
            one.kind,
            {name: of for name, of in one.inputs.items() if name in given[one.name]},
            due.get(one.name),
        )
        for one in triggers_of(plan, host, directory)
    ]


def _due(one: _Listed, now: float) -> str:
    if one.next_due is None:
        return ""
    return f"{times.day_time(one.next_due)} ({times.relative(one.next_due, now)})"


def _inputs(one: _Listed) -> str:
    return "  ".join(f"{name} = {narration.value(of)}" for name, of in one.inputs.items())


def _as_json(one: _Listed) -> dict[str, Any]:
    return {**one._asdict(), "next_due": times.iso(one.next_due)}
