"""`rflow retry` and `rflow rerun`: the same run again in part, or a new one like it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rflow.cli.cells import clean, wrap
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.complete import run_argument
from rflow.cli.failure import Failure
from rflow.cli.question import agreed, must_be_able_to_ask
from rflow.cli.run import dotted
from rflow.cli.target import (
    as_option,
    find_node,
    find_run,
    on_server,
    open_state,
    person,
    state_option,
)

if TYPE_CHECKING:
    from rflow.runner.service import Service

RETRY_EXAMPLE = """
rflow retry                          the last run, from what failed
rflow retry 7k2m --from migrate      from one node on
rflow retry 7k2m --set web.port=81   with another input
"""
RERUN_EXAMPLE = """
rflow rerun 7k2m    the same plan and arguments, as a new run
"""

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask before it starts.")
detach_option = click.option("-d", "--detach", is_flag=True, help="Go on in the background.")
parallel_option = click.option(
    "--parallel", type=click.IntRange(1, 256), default=4, help="Nodes at once (4)."
)


@command("retry", example=RETRY_EXAMPLE)
@run_argument
@click.option(
    "--from", "start", metavar="NODE", help="Run this node and all behind it again as well."
)
@click.option(
    "--set",
    "overrides",
    metavar="NODE.INPUT=VALUE",
    multiple=True,
    help="Override an input of a node from now on.",
)
@yes_option
@detach_option
@parallel_option
@as_option
@format_option()
@state_option
def retry(
    run: str | None,
    start: str | None,
    overrides: tuple[str, ...],
    yes: bool,
    detach: bool,
    parallel: int,
    by: str | None,
    form: str,
    state: str | None,
) -> int:
    """Run a run's failed nodes, or one node, and all behind them again.

    Prints first what runs again and what is reused.
    """
    service = open_state(state)
    id_ = find_run(service, run)
    given = dotted("--set", overrides)
    if start is not None:
        find_node(service, id_, start)
    preview = service.retry_preview(id_, start, given)
    if form != "json":
        pen, width = app().out, app().width
        say(pen.bold(f"run {id_}"))
        groups = [("runs again", preview.again), ("is reused", preview.reused)]
        if preview.asked_again:
            groups.append(("is asked again, since what is behind it changes", preview.asked_again))
        for title, nodes in groups:
            say(wrap(f"  {title}: {', '.join(nodes) or 'nothing'}", width, "    "))
        _tell_changes(service, id_, state)
    _ask("Go on?", yes, form)
    service.retry(id_, start, given, by=person(by))
    return _go_on(service, id_, detach=detach, form=form, parallel=parallel)


@command("rerun", example=RERUN_EXAMPLE)
@run_argument
@yes_option
@detach_option
@parallel_option
@as_option
@format_option()
@state_option
def rerun(
    run: str | None,
    yes: bool,
    detach: bool,
    parallel: int,
    by: str | None,
    form: str,
    state: str | None,
) -> int:
    """Start a new run with the plan, arguments and overrides of an old one."""
    service = open_state(state)
    old = find_run(service, run)
    if form != "json":
        _tell_changes(service, old, state)
    _ask(f"Start a run like {old}?", yes, form)
    new = service.rerun(old, person(by))
    if form != "json":
        say(f"run {new}, like {old}")
    return _go_on(service, new, detach=detach, form=form, parallel=parallel)


def _tell_changes(service: Service, run: str, state: str | None) -> None:
    """Say that a flow was changed since the run began: who mended it expects the new one to run."""
    if on_server(state) is not None:
        return
    from rflow.cli import flow_files

    fold = service.fold(run)
    directory = Path(fold.created.directory)
    names = flow_files.changed(fold.graph.plan, directory)
    if names:
        note(f"{clean(', '.join(names))}: changed since {run} began, which keeps the flow it has")
        file = os.path.relpath(directory / fold.graph.plan.sources[fold.graph.plan.file].path)
        note(f"  to run the new one: rflow run {clean(file)}")


def _ask(question: str, yes: bool, form: str) -> None:
    must_be_able_to_ask("go on", yes, form)
    if not yes and not agreed(question):
        raise Failure("nothing was started", exit_code=0)


def _go_on(service: Service, run: str, *, detach: bool, form: str, parallel: int) -> int:
    from rflow.cli import following

    if detach:
        following.detach(service, run)
        return 0
    return following.drive(service, run, form=form, parallel=parallel)
