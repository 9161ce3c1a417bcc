"""`rflow verify`: whether the record of a run says today what it said when it was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rflow.cli.cells import clean, wrap
from rflow.cli.command import app, command, format_option, say
from rflow.cli.complete import run_argument
from rflow.cli.data import as_data
from rflow.cli.entry import PROBLEMS
from rflow.cli.failure import Failure
from rflow.cli.target import find_run, open_state, state_option

if TYPE_CHECKING:
    from rflow.runner.verdict import Verdict

EXAMPLE = """
rflow verify                          the record of the last run
rflow verify 7k2m --head sha256:9f2c…  against the head that the run gave at its end
"""


@command("verify", example=EXAMPLE)
@run_argument
@click.option("--head", metavar="HEAD", help="The head that the run gave at its end.")
@format_option()
@state_option
def verify(run: str | None, head: str | None, form: str, state: str | None) -> int:
    """Verify the record of a run: events, plan, artifacts. Names what is not as it was written.

    A head stands for all that a run did until then. Without `--head` the record is compared with
    the head noted beside it, which whoever may change the one may change as well. The exit code
    is 1 if something differs.
    """
    from rflow.runner.chain import read_head

    try:
        given = "" if head is None else read_head(head)
    except ValueError as error:
        raise Failure(clean(str(error)), help="copy it whole from where the run ended") from None
    service = open_state(state)
    found = service.verify(find_run(service, run), given)
    if form == "json":
        shown = {"ok": found.ok, **as_data(found)}
        say(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        _show(found)
    return 0 if found.ok else PROBLEMS


def _show(found: Verdict) -> None:
    pen, width = app().out, app().width
    told = pen.green("as it was written") if found.ok else pen("red", "not as it was written")
    say(f"{pen.bold('the record of ' + found.run)} is {told}")
    for finding in found.findings:
        said = f"  {pen('red', clean(finding.record))}: {clean(finding.message)}"
        say(wrap(said, width, "    "))
    facts = [("events", str(found.events))]
    if found.head:
        facts += [("head", found.head), ("", _compared(found))]
    if found.plan:
        facts.append(("plan", found.plan))
    if found.artifacts:
        facts.append(("artifacts", f"{found.artifacts} as they were"))
    facts += [("missing", f"{digest} is not in the store any more") for digest in found.missing]
    for name, text in facts:
        # A digest stands whole in one line, to be copied.
        digest = text.startswith("sha256:") and len(text) + 13 > width
        say(f"  {pen.dim(name)}\n{text}" if digest else f"  {pen.dim(f'{name:9}')}  {text}")


def _compared(found: Verdict) -> str:
    """What the head was compared with."""
    if not found.source:
        return "compared with nothing: none was noted yet"
    source = "given" if found.source == "given" else "noted at its end"
    if found.at is None:
        return f"not the one {source}, {found.against}"
    later = found.events - found.at
    if not later:
        return f"the one {source}"
    came = "1 event came" if later == 1 else f"{later} events came"
    return f"the one {source} is that of event {found.at}; {came} after it"
