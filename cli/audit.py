"""`rflow audit`: who changed what through a server or its tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rflow.cli import times
from rflow.cli.cells import clean
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.data import as_data
from rflow.cli.show import with_iso
from rflow.cli.table import Column, lay_out
from rflow.cli.target import as_option, state_option

if TYPE_CHECKING:
    from rflow.server.audit import Entry

EXAMPLE = """
rflow audit
rflow audit --limit 500 --format json
"""


@command("audit", example=EXAMPLE)
@click.option("--limit", type=click.IntRange(1), default=50, help="At most so many lines (50).")
@as_option
@format_option()
@state_option
def audit(limit: int, by: str | None, form: str, state: str | None) -> int:
    """Show who changed what through a server, from where, and how it ended, the newest first.

    What is done to runs with the command line on the state itself stands in the runs' own records.
    """
    from rflow.cli.administration import administration

    with administration(state, by) as asked:
        found = asked.audit(limit)
    if form == "json":
        listed = [with_iso(as_data(entry)) for entry in found]
        say(json.dumps(listed, ensure_ascii=False, indent=2))
        return 0
    if not found:
        note("nothing was changed through a server yet")
        return 0
    columns = [
        Column("when"),
        Column("who", flexible=True),
        Column("what"),
        Column("of", flexible=True),
        Column("from", rank=2),
        Column("token", rank=3),
        Column("outcome", flexible=True, rank=1),
    ]
    for line in lay_out(columns, [_row(entry) for entry in found], app().room, app().out):
        say(line)
    return 0


def _row(entry: Entry) -> list[str]:
    pen = app().out
    outcome = clean(entry.outcome) or "not known: the server ended"
    return [
        times.moment(entry.at),
        clean(entry.who),
        entry.action,
        clean(entry.object),
        clean(entry.address),
        entry.token,
        outcome if entry.outcome == "done" else pen("red", outcome),
    ]
