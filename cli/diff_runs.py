"""Showing what differs between two runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rflow.cli import narration
from rflow.cli.cells import clean, fit, wrap
from rflow.cli.command import app, say
from rflow.cli.data import as_data
from rflow.cli.flows import Kinds
from rflow.cli.target import find_run, open_state
from rflow.plugins.types import Json

if TYPE_CHECKING:
    from rflow.compiler.safety_graph import NodeChange
    from rflow.runner.compare import RunDifference

VALUE_MAX = 60


def show_runs(one: str, two: str, form: str, state: str | None) -> int:
    """Print what differs between two runs; the exit code."""
    from rflow.compiler.safety_graph import graph_changes
    from rflow.runner.compare import compare_runs

    service = open_state(state)
    states = [service.fold(find_run(service, run)) for run in (one, two)]
    found = compare_runs(states[0], states[1])
    graph: list[NodeChange] = []
    if not found.same_plan:
        plans = [state.graph.plan for state in states]
        graph = graph_changes(plans[0], plans[1], Kinds().specs)
    if form == "json":
        shown: dict[str, Any] = as_data(found)
        shown["graph"] = [as_data(change) for change in graph]
        say(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        _text(found, graph, markdown=form == "markdown")
    return 0


def _text(found: RunDifference, graph: list[NodeChange], *, markdown: bool) -> None:
    pen = app().out
    head = f"{found.one} → {found.two}"
    say(f"### {head}" if markdown else pen.bold(head))
    if not found.sections and not graph and not found.sources:
        say("they differ in nothing")
    for section, differences in found.sections.items():
        _title(section, markdown)
        for difference in differences:
            values = f"{_value(difference.before)} → {_value(difference.now)}"
            _line(clean(difference.name), values, markdown)
    if graph:
        _title("graph", markdown)
        for change in graph:
            was = f"(was {clean(change.was)})" if change.was else ""
            said = change.change if change.change != "changed" else ""
            details = "; ".join(clean(detail) for detail in change.details)
            _line(clean(change.node), " ".join(filter(None, (said, was, details))), markdown)
    elif not found.same_plan:
        _title("graph", markdown)
        _line("the same", "the plans differ in where things stand, or in words", markdown)
    if found.sources:
        _title("code", markdown)
        lines = [line for source in found.sources for line in source.lines]
        _code(lines, markdown)


def _title(title: str, markdown: bool) -> None:
    say()
    say(f"**{title}**\n" if markdown else app().out.bold(title))


def _line(name: str, said: str, markdown: bool) -> None:
    if markdown:
        say(f"- `{name.replace('`', chr(39))}`: {said}")
    else:
        say(wrap(f"  {name}  {said}", app().width, " " * 6))


def _value(value: Json) -> str:
    return "nothing" if value is None else fit(narration.value(value), VALUE_MAX)


def _code(lines: list[str], markdown: bool) -> None:
    if markdown:
        say("```diff")
    pen = app().out
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        text = clean(line) if not line.startswith((" ", "+", "-")) else _kept(line)
        say(text if markdown or not style else pen(style, text))
    if markdown:
        say("```")


def _kept(line: str) -> str:
    """The line as it is, but for what steers a terminal."""
    return "".join(char if char.isprintable() or char == "\t" else "�" for char in line)
