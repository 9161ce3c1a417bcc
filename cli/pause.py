"""`rflow pause`, `rflow unpause`, `rflow args`: what holds for all runs of a flow to come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rflow.cli import narration
from rflow.cli.cells import clean, wrap
from rflow.cli.command import Family, app, color_option, command, format_option, note, say
from rflow.cli.failure import Failure
from rflow.cli.target import as_option, on_server, state_option

if TYPE_CHECKING:
    from rflow.compiler.plan import Plan

PAUSE_EXAMPLE = """
rflow pause release --reason "the registry moves"
"""
ARGS_EXAMPLE = """
rflow args list release.rflow               what is saved
rflow args set release.rflow replicas=3     for all runs that are given none
rflow args unset release.rflow replicas
rflow --server URL args set release replicas=3
"""
file_argument = click.argument("file", metavar="FILE|NAME")
flow_option = click.option("--flow", help="The flow, where the file has several.")


@command("pause", example=PAUSE_EXAMPLE)
@click.argument("flow")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept.")
@as_option
@state_option
def pause(flow: str, reason: str, by: str | None, state: str | None) -> int:
    """Let no trigger start a flow. People still may.

    What a trigger would have started is kept as a delivery that says so.
    """
    from rflow.cli.administration import administration

    with administration(state, by) as asked:
        asked.pause(flow, reason)
    say(f"no trigger starts {clean(flow)} any more")
    note(f"  end it: rflow unpause {clean(flow)}")
    return 0


@command("unpause", example="rflow unpause release")
@click.argument("flow")
@as_option
@state_option
def unpause(flow: str, by: str | None, state: str | None) -> int:
    """Let triggers start a flow again."""
    from rflow.cli.administration import administration

    with administration(state, by) as asked:
        asked.unpause(flow)
    say(f"triggers start {clean(flow)} again")
    return 0


@click.group("args", cls=Family, example=ARGS_EXAMPLE)
@color_option
@click.pass_context
def args(ctx: click.Context) -> None:
    """Save values of a flow's arguments, for all runs that are given none of their own.

    They go before the default in the flow. That of a secret argument is kept sealed.
    """
    if ctx.invoked_subcommand is None:
        raise Failure("of which flow?", help="`rflow args list FILE`")


@command("list", example="rflow args list release.rflow")
@file_argument
@flow_option
@as_option
@format_option()
@state_option
def list_(file: str, flow: str | None, by: str | None, form: str, state: str | None) -> int:
    """List the saved values of a flow's arguments; secret ones are masked."""
    from rflow.cli.administration import administration

    plan, path = _meant(file, flow, state)
    with administration(state, by, plan, path) as asked:
        saved = asked.args(file)
    if form == "json":
        say(json.dumps(saved, ensure_ascii=False, indent=2))
        return 0
    if not saved:
        note("no value is saved")
    for name, value in saved.items():
        say(wrap(f"{clean(name)} = {narration.value(value)}", app().width, "    "))
    return 0


@command("set", example="rflow args set release.rflow replicas=3")
@file_argument
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE…")
@flow_option
@as_option
@state_option
def set_(
    file: str, values: tuple[str, ...], flow: str | None, by: str | None, state: str | None
) -> int:
    """Save values of a flow's arguments. A value `@FILE` is read from that file; for secrets."""
    from rflow.cli.administration import administration
    from rflow.cli.files import Unreadable, read_file

    given = []
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Failure(f"`{clean(text)}` is not of the form NAME=VALUE")
        if value.startswith("@"):
            try:
                value = read_file(value[1:], value[1:]).source.text.removesuffix("\n")
            except Unreadable as error:
                raise Failure(error.diagnostic.message, help=error.diagnostic.help) from None
        given.append((name, value))
    plan, path = _meant(file, flow, state)
    with administration(state, by, plan, path) as asked:
        for name, value in given:
            asked.set_arg(file, name, value)
        saved = asked.args(file)
    for name in dict(given):
        say(wrap(f"saved {clean(name)} = {narration.value(saved.get(name))}", app().width, "    "))
    return 0


@command("unset", example="rflow args unset release.rflow replicas")
@file_argument
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@flow_option
@as_option
@state_option
def unset(
    file: str, names: tuple[str, ...], flow: str | None, by: str | None, state: str | None
) -> int:
    """Forget saved values of a flow's arguments."""
    from rflow.cli.administration import administration

    plan, path = _meant(file, flow, state)
    with administration(state, by, plan, path) as asked:
        for name in names:
            asked.unset_arg(file, name)
    for name in names:
        say(f"no value of {clean(name)} is saved any more")
    return 0


def _meant(file: str, flow: str | None, state: str | None) -> tuple[Plan | None, Path | None]:
    """The plan and the file that are meant; neither on a server, which has its own."""
    if on_server(state) is not None:
        return None, None
    from rflow.cli.flows import flows_of

    flows = flows_of(file)
    return flows.plan(flows.choose(flow)), flows.project.directory / Path(file).name


for _made in (list_, set_, unset):
    args.add_command(_made)
