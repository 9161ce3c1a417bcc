"""`rflow run`: check, show what would happen, ask, start, watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rflow.cli import kept_plan
from rflow.cli.cells import clean
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.complete import file_argument, flow_argument
from rflow.cli.failure import Failure
from rflow.cli.files import Unreadable, read_file, read_stdin
from rflow.cli.flows import Flows, Kinds, flows_of
from rflow.cli.question import agreed, must_be_able_to_ask
from rflow.cli.target import as_option, on_server, open_state, person, state_option

if TYPE_CHECKING:
    from rflow.cli.remote import RemoteService
    from rflow.dsl.diagnostics import Diagnostic
    from rflow.runner.prepare import Prepared
    from rflow.runner.service import Service

EXAMPLE = """
rflow run release.rflow --arg replicas=3
rflow run release.rflow release --trigger main.sha=4f2c1e0 --name "v1.4" --yes
rflow run release.rflow --set web.target=/srv/other --detach --yes
"""


@command("run", example=EXAMPLE)
@file_argument
@flow_argument
@click.option("--arg", "args", metavar="NAME=VALUE", multiple=True, help="An argument of the flow.")
@click.option(
    "--arg-file",
    "arg_files",
    metavar="NAME=FILE",
    multiple=True,
    help="An argument read from a file (`-`: standard input); for secrets.",
)
@click.option(
    "--set",
    "overrides",
    metavar="NODE.INPUT=VALUE",
    multiple=True,
    help="Override an input of a node, for this run.",
)
@click.option(
    "--trigger",
    "triggers",
    metavar="NAME.FIELD=VALUE",
    multiple=True,
    help="Give a field of a trigger, for this run.",
)
@click.option("--name", default="", help="The run's name; else its id.")
@click.option("--description", default="", help="What this run is for.")
@as_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask before it starts.")
@click.option("-d", "--detach", is_flag=True, help="Start it in the background.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 256),
    default=4,
    help="At most so many nodes at once (4).",
)
@format_option()
@state_option
def run(
    file: str,
    flow: str | None,
    args: tuple[str, ...],
    arg_files: tuple[str, ...],
    overrides: tuple[str, ...],
    triggers: tuple[str, ...],
    name: str,
    description: str,
    by: str | None,
    yes: bool,
    detach: bool,
    parallel: int,
    form: str,
    state: str | None,
) -> int:
    """Start a run of a flow and watch it until it has ended.

    Everything is checked before anything runs. The plan is shown and a question asked; without a
    terminal, or with `--format json`, `--yes` must stand there instead. Ctrl-C cancels the run,
    a second one leaves it at once, to go on with `rflow resume`.
    """
    remote = on_server(state)
    if remote is not None:
        wanted = {
            "args": _arguments(args, arg_files, file),
            "overrides": dotted("--set", overrides),
            "triggers": dotted("--trigger", triggers),
            "name": name,
            "description": description,
        }
        person(by)
        return _run_there(remote, file, flow, wanted, yes=yes, detach=detach, form=form)
    kept = kept_plan.recall(file, flow, app().color)
    if kept is not None:
        kinds, notes = Kinds(), []
    else:
        flows = flows_of(file)
        kept, kinds, notes = _planned(flows, flow), flows.kinds, flows.notes
        kept_plan.keep(file, flow, flows, kept, app().color)
    given = _arguments(args, arg_files, file)
    must_be_able_to_ask("start the run", yes, form)
    entry = kept.directory / (Path(file).name if file != "-" else "stdin.rflow")
    service = open_state(state, entry, kinds.host)
    prepared = service.prepare(
        kept.plan,
        data=kept.data,
        directory=kept.directory,
        args=given,
        overrides=dotted("--set", overrides),
        triggers=dotted("--trigger", triggers),
        name=name,
        description=description,
        by=person(by),
        trigger={"kind": "manual"},
    )
    if not _agreed(notes, kept, yes, form):
        note("nothing was started")
        return 0
    return _begin(service, prepared, form=form, parallel=parallel, detach=detach)


def _planned(flows: Flows, flow: str | None) -> kept_plan.Kept:
    from rflow.cli.compile import waves
    from rflow.compiler import codec

    plan = flows.plan(flows.choose(flow))
    shown = waves(plan, color=app().out.on)
    return kept_plan.Kept(plan, codec.dumps(plan), shown, flows.project.directory)


def _run_there(
    service: RemoteService,
    name: str,
    flow: str | None,
    given: dict[str, Any],
    *,
    yes: bool,
    detach: bool,
    form: str,
) -> int:
    """Start a run of a flow that a server serves; it is the server that has the file."""
    if flow is not None or name.endswith(".rflow") or name == "-":
        raise Failure(
            "a server runs the flows that it serves", help="name the flow alone: `rflow run NAME`"
        )
    must_be_able_to_ask("start the run", yes, form)
    plan = service.flow_plan(name)
    if form != "json":
        from rflow.cli.compile import waves

        say(waves(plan, color=app().out.on).rstrip("\n"))
        say()
        if not yes and not agreed(f"Start a run of {clean(plan.flow)}?"):
            note("nothing was started")
            return 0
    return _go_on(service, service.start(name, **given), form=form, parallel=4, detach=detach)


def _begin(service: Service, prepared: Prepared, *, form: str, parallel: int, detach: bool) -> int:
    return _go_on(service, service.create(prepared), form=form, parallel=parallel, detach=detach)


def _go_on(service: Service, id_: str, *, form: str, parallel: int, detach: bool) -> int:
    from rflow.cli import following

    if detach:
        say(f'{{"run": "{id_}"}}' if form == "json" else id_)
        following.detach(service, id_)
        return 0
    if form == "json":
        from rflow.cli.watch import json_line

        for record in service.records(id_):
            say(json_line(id_, record))
    return following.drive(service, id_, form=form, parallel=parallel)


def _agreed(notes: list[Diagnostic], kept: kept_plan.Kept, yes: bool, form: str) -> bool:
    """Show the plan, and ask unless it was said that nobody need be asked."""
    if form == "json":
        return True
    if notes:
        from rflow.dsl.render import render_text

        note(render_text(notes, color=app().err.on, width=app().width).rstrip("\n"))
    say(kept.shown.rstrip("\n"))
    say()
    return yes or agreed(f"Start a run of {clean(kept.plan.flow)}?")


# -- what was given on the command line --------------------------------------------------------


def _split(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        shape = {"--arg": "NAME=VALUE", "--arg-file": "NAME=FILE"}.get(option, "NAME.FIELD=VALUE")
        raise Failure(f"`{option} {clean(name)}` is not of the form {shape}")
    return name.strip(), value


def _arguments(args: tuple[str, ...], files: tuple[str, ...], flow_file: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for option, texts in (("--arg", args), ("--arg-file", files)):
        for text in texts:
            name, value = _split(option, text)
            if name in given:
                raise Failure(f"the argument `{clean(name)}` is given twice")
            given[name] = value if option == "--arg" else _content(value, flow_file)
    return given


def _content(path: str, flow_file: str) -> str:
    if path == "-" and flow_file == "-":
        raise Failure("standard input cannot be both the flow and an argument")
    try:
        content = read_stdin() if path == "-" else read_file(path, path)
    except Unreadable as error:
        raise Failure(error.diagnostic.message, help=error.diagnostic.help) from None
    return content.source.text.removesuffix("\n")


def dotted(option: str, texts: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """`web.artifact=x` → {"web": {"artifact": "x"}}; a node's own id may have dots."""
    given: dict[str, dict[str, str]] = {}
    for text in texts:
        left, value = _split(option, text)
        owner, dot, field = left.rpartition(".")
        if not dot or not owner or not field:
            shape = "NODE.INPUT=VALUE" if option == "--set" else "NAME.FIELD=VALUE"
            raise Failure(f"`{option} {clean(left)}` is not of the form {shape}")
        if field in given.setdefault(owner, {}):
            raise Failure(f"`{option} {clean(left)}` is given twice")
        given[owner][field] = value
    return given
