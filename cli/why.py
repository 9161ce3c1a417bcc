"""`rflow why`: the recorded reasons of a run or a node, with the values that decided."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from rflow.cli import times
from rflow.cli.cells import clean, wrap
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.complete import node_argument, run_argument
from rflow.cli.show import with_iso
from rflow.cli.target import find_node, find_run, open_state, state_option

if TYPE_CHECKING:
    from rflow.runner.why import Because

EXAMPLE = """
rflow why               the last run: what decided how it went
rflow why 7k2m deploy   why a node did not start, was skipped, waits …
rflow why trigger 9xkp  why a delivery did, or did not, start a run
"""


@command("why", example=EXAMPLE)
@run_argument
@node_argument
@format_option()
@state_option
def why(run: str | None, node: str | None, form: str, state: str | None) -> int:
    """Say why a node did not start, was skipped, waits, was tried again or asked again.

    Nothing is guessed: each reason was recorded when it decided, with its values. `rflow why
    trigger DELIVERY` says what each trigger said of what came in.
    """
    from rflow.cli.data import as_data

    if run == "trigger":
        from rflow.cli.deliveries import why_trigger

        return why_trigger(node, form, state)

    service = open_state(state)
    id_ = find_run(service, run)
    if node is not None:
        find_node(service, id_, node)
    found = service.why(id_, node)
    if form == "json":
        listed = [with_iso(as_data(because)) for because in found]
        say(json.dumps(listed, ensure_ascii=False, indent=2))
        return 0
    if not found:
        note(f"nothing is recorded of {node or 'the run'} yet")
    for because in found:
        _show(because, named=node is None)
    return 0


def _show(because: Because, *, named: bool) -> None:
    pen, width = app().out, app().width
    when = times.clock(because.at) if _today(because.at) else times.day_time(because.at)
    subject = f"{because.subject} " if named and because.subject else ""
    said = clean(f"{subject}{because.what}" + (f": {because.text}" if because.text else ""))
    say(wrap(f"{pen.dim(when)}  {said}", width, " " * (len(when) + 2)))
    if because.place:
        say(f"    {pen.dim(because.place)}")
    for line in because.details:
        for part in line.split("\n"):
            say(wrap(f"    {clean(part) if part.strip() else ''}".rstrip(), width, "      "))


def _today(at: float) -> bool:
    return times.day_time(at)[:10] == times.day_time(time.time())[:10]
