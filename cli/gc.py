"""`rflow gc`: what of the state folder nobody needs any more."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click
from rflow.cli import resources, times
from rflow.cli.cells import clean, wrap
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.question import agreed, must_be_able_to_ask
from rflow.cli.table import Column, lay_out
from rflow.cli.target import on_server, open_state, state_option

if TYPE_CHECKING:
    from rflow.runner.gc import Garbage

DAY_S = 86400.0
SHOWN = 20

EXAMPLE = """
rflow gc --plan               what would go, and why the rest stays
rflow gc --yes                remove it
rflow gc --yes --days 7 --keep-releases 10
"""


@command("gc", example=EXAMPLE)
@click.option("--plan", "only_plan", is_flag=True, help="Show what would go, and remove nothing.")
@click.option("--days", type=click.IntRange(0), default=30, help="Keep what is younger (30).")
@click.option(
    "--keep-releases", type=click.IntRange(1), default=50, help="Releases of each stage (50)."
)
@click.option("--keep-runs", type=click.IntRange(0), default=50, help="Folders of runs (50).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before it is removed.")
@format_option()
@state_option
def gc(
    only_plan: bool,
    days: int,
    keep_releases: int,
    keep_runs: int,
    yes: bool,
    form: str,
    state: str | None,
) -> int:
    """Remove artifacts that nobody needs, and the workspaces and logs of old runs.

    An artifact stays while it is on a stage, while a release that is kept needs it for a rollback,
    while a run that goes on or was of late names it, and while it is new. What happened in a run
    stays in its record.
    """
    from rflow.runner.gc import Keep, collect, find

    keep, now = Keep(days * DAY_S, keep_releases, keep_runs), time.time()
    service = open_state(state)
    remote = on_server(state)
    if remote is not None:
        found = remote.garbage(keep)
    else:
        found = find(service.journal, service.state, keep, now)
    if form != "json":
        _show(found, now)
    elif only_plan:
        say(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    if only_plan or not (found.goes or found.folders):
        if form == "json" and not only_plan:
            say(json.dumps(as_json(found), ensure_ascii=False, indent=2))
        return 0
    must_be_able_to_ask("remove it", yes, form)
    if not yes and not agreed("Remove it?"):
        note("nothing was removed")
        return 0
    if remote is not None:
        done = remote.collect(keep)
    else:
        done = collect(service.journal, service.state, keep, now)
    if done.driven is not None:
        return _held(done.driven)
    if form == "json":
        say(json.dumps(as_json(done), ensure_ascii=False, indent=2))
    else:
        note(f"removed {_amount(done)}")
    return 0


def _held(run: str) -> int:
    from rflow.cli.failure import Failure

    raise Failure(
        f"nothing is removed while a run is being driven: run {run}",
        help="wait until it has ended or waits without a process",
    )


def _show(found: Garbage, now: float) -> None:
    pen, room = app().out, app().room
    if found.goes or found.folders:
        say(pen.bold(f"Would go: {_amount(found)}"))
    else:
        say("there is nothing that nobody needs")
    columns = [Column("  artifact"), Column("size"), Column("since", rank=1)]
    rows = [
        [f"  {resources.short(kept.digest)}", size(kept.size), times.relative(kept.at, now)]
        for kept in found.goes[:SHOWN]
    ]
    for line in lay_out(columns, rows, room, pen) if rows else []:
        say(line)
    columns = [Column("  folder of"), Column("size"), Column("ended", rank=1)]
    rows = [
        [f"  run {folder.run}", size(folder.size), times.relative(folder.ended_at, now)]
        for folder in found.folders[:SHOWN]
    ]
    for line in lay_out(columns, rows, room, pen) if rows else []:
        say(line)
    left = max(0, len(found.goes) - SHOWN) + max(0, len(found.folders) - SHOWN)
    if left:
        say(f"  and {left} more; `--format json` lists all")
    _stays(found)
    if found.driven is not None:
        note(f"run {found.driven} is being driven: nothing is removed meanwhile")


def _stays(found: Garbage) -> None:
    pen, by_why = app().out, dict[str, list[int]]()
    for kept, why in found.stays:
        by_why.setdefault(why, []).append(kept.size)
    if not by_why:
        return
    say(pen.bold(f"Stays: {_artifacts(len(found.stays), sum(k.size for k, _ in found.stays))}"))
    for why, sizes in [*by_why.items()][:SHOWN]:
        said = f"  {_artifacts(len(sizes), sum(sizes))}: {clean(why)}"
        say(wrap(said, app().width, "    "))
    if len(by_why) > SHOWN:
        say(f"  and for {len(by_why) - SHOWN} more reasons; `--format json` lists all")


def _amount(found: Garbage) -> str:
    said = []
    if found.goes:
        said.append(_artifacts(len(found.goes), sum(kept.size for kept in found.goes)))
    if found.folders:
        count = len(found.folders)
        total = size(sum(folder.size for folder in found.folders))
        said.append(f"the folder{'s' * (count > 1)} of {count} run{'s' * (count > 1)} ({total})")
    return " and ".join(said) or "nothing"


def _artifacts(count: int, total: int) -> str:
    return f"{count} artifact{'s' * (count != 1)} ({size(total)})"


def size(count: int) -> str:
    """Bytes for people: `812 B`, `4.2 MB`."""
    if count < 1000:
        return f"{count} B"
    shown = float(count)
    for unit in ("kB", "MB", "GB"):
        shown /= 1000
        if shown < 999.95:
            return f"{shown:.1f} {unit}"
    return f"{shown / 1000:.1f} TB"


def as_json(found: Garbage) -> dict[str, Any]:
    """What goes and what stays, as JSON; sizes are bytes."""
    return {
        "goes": [
            {"digest": kept.digest, "size": kept.size, "at": times.iso(kept.at)}
            for kept in found.goes
        ],
        "folders": [
            {"run": f.run, "size": f.size, "ended_at": times.iso(f.ended_at)} for f in found.folders
        ],
        "stays": [
            {"digest": kept.digest, "size": kept.size, "at": times.iso(kept.at), "why": why}
            for kept, why in found.stays
        ],
        "driven": found.driven,
    }
