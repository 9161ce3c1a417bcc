"""`rflow compile` and `rflow graph`: the plan of a flow, to be read, written or drawn."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rflow.cli import terminal
from rflow.cli.command import app, command, note
from rflow.cli.complete import file_argument, flow_argument
from rflow.cli.flows import Flows, flows_of
from rflow.cli.writing import write_file

if TYPE_CHECKING:
    from rflow.compiler.plan import Plan

EXAMPLE = """
rflow compile release.rflow                 the waves, gates and locks
rflow compile release.rflow -o plan.json    the plan itself, with its digest
rflow compile release.rflow smoke --format mermaid
"""
GRAPH_EXAMPLE = """
rflow graph release.rflow                   Mermaid, for a Markdown page
rflow graph release.rflow -o release.svg    a picture
rflow graph release.rflow --format dot | dot -Tpng > release.png
"""

output_option = click.option(
    "-o", "--output", metavar="FILE", help="Write to this file, whole or not at all."
)


@command("compile", example=EXAMPLE)
@file_argument
@flow_argument
@output_option
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "dot", "mermaid", "svg")),
    help="The form of the result: `text`, or `json` with `-o`.",
)
def compile_flow(file: str, flow: str | None, output: str | None, form: str | None) -> int:
    """Show the plan of a flow: what runs in which order, what is asked, what can be undone.

    The plan is the same to the byte for the same text and the same plugins.
    """
    flows = flows_of(file)
    _emit(flows, flow, form or ("json" if output else "text"), output)
    return 0


@command("graph", example=GRAPH_EXAMPLE)
@file_argument
@flow_argument
@output_option
@click.option(
    "--format",
    "form",
    type=click.Choice(("mermaid", "dot", "svg", "text")),
    help="The form of the drawing; else by the name of the output, else `mermaid`.",
)
def graph(file: str, flow: str | None, output: str | None, form: str | None) -> int:
    """Draw the graph of a flow. The same as `rflow compile --format mermaid`."""
    endings = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".txt": "text"}
    if form is None:
        ending = next((end for end in endings if (output or "").endswith(end)), "")
        form = endings.get(ending, "mermaid")
    _emit(flows_of(file), flow, form, output)
    return 0


def _emit(flows: Flows, flow: str | None, form: str, output: str | None) -> None:
    from rflow.compiler import codec

    plan = flows.plan(flows.choose(flow))
    if flows.notes:
        from rflow.dsl.render import render_text

        note(render_text(flows.notes, color=app().err.on, width=app().width).rstrip("\n"))
    to_file = output is not None and output != "-"
    if form == "json":
        data = codec.dumps(plan)
    else:
        data = drawn(plan, form, to_terminal=not to_file).encode()
    if not data.endswith(b"\n") and form != "json":
        data += b"\n"
    if to_file:
        assert output is not None
        write_file(output, data)
        if form == "json":
            note(f"{codec.digest(data)}  {output}")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    if form == "json" and terminal.is_terminal(sys.stdout):
        sys.stdout.buffer.write(b"\n")


def drawn(plan: Plan, form: str, *, to_terminal: bool) -> str:
    """The plan as text: `text`, `dot`, `mermaid` or `svg`."""
    from rflow.compiler import render

    if form == "text":
        return waves(plan, color=to_terminal and app().out.on)
    draw = {"dot": render.dot, "mermaid": render.mermaid, "svg": render.svg}[form]
    return str(draw(plan))


def waves(plan: Plan, *, color: bool) -> str:
    """The plan as a person reads it."""
    from rflow.compiler import render

    plain = not terminal.writes_unicode(sys.stdout)
    return str(render.waves(plan, width=app().width, color=color, plain=plain))
