"""`rflow test`: play the tests of flows, without running anything."""

from __future__ import annotations

import glob
import json
import sys
import time

import click
from rflow.cli import verdicts as shown
from rflow.cli.command import app, command, format_option, say
from rflow.cli.complete import files_type
from rflow.cli.entry import PROBLEMS
from rflow.cli.failure import Failure
from rflow.cli.flows import flows_of
from rflow.cli.junit import junit
from rflow.cli.rehearsals import Rehearsals, Verdict

EXAMPLE = """
rflow test
rflow test release.rflow -k "smoke test" --chaos
rflow test --format junit > tests.xml
"""

Played = list[tuple[Rehearsals, list[Verdict]]]


@command("test", example=EXAMPLE)
@click.argument("files", metavar="[FILE]...", type=files_type, nargs=-1)
@click.option("-k", "word", metavar="NAME", help="Only the tests whose names hold this.")
@click.option(
    "--chaos",
    is_flag=True,
    help="Play each test again with a crash at every write to the journal, before and after it.",
)
@click.option("--coverage", is_flag=True, help="Say what of the flows no test reached.")
@format_option("text", "json", "junit")
def test(files: tuple[str, ...], word: str | None, chaos: bool, coverage: bool, form: str) -> int:
    """Play the `test` blocks of flows: real runs in a world that is not.

    Without a file, those of all flows in this folder. Nothing is run, changed or asked, no secret
    is read, and waiting takes no time. The exit code is 1 if a test fails.
    """
    started = time.perf_counter()
    paths = files or tuple(sorted(glob.glob("*.rflow")))
    if not paths:
        raise Failure("there is no flow here", help="`rflow init` writes a first one")
    found = [Rehearsals(path, flows_of(path)) for path in paths]
    chosen = [(rehearsals, rehearsals.chosen(word)) for rehearsals in found]
    if not any(tests for _, tests in chosen):
        what = f"no test is called `{word}`" if word else "there are no tests"
        step = "`rflow test` without `-k` plays all" if word else None
        raise Failure(what, help=step or 'write one: `test "it works" { run FLOW … }`')
    played: Played = []
    for rehearsals, tests in chosen:
        if not tests:
            continue
        verdicts: list[Verdict] = []
        played.append((rehearsals, verdicts))
        if form == "text":
            say(app().out.bold(rehearsals.path))
        for verdict in rehearsals.play(tests, chaos=chaos):
            verdicts.append(verdict)
            if form == "text":
                _say(rehearsals, verdict)
    took_s = time.perf_counter() - started
    _finish(played, took_s, form, coverage)
    return 0 if all(verdict.passed for _, of in played for verdict in of) else PROBLEMS


def _say(rehearsals: Rehearsals, verdict: Verdict) -> None:
    plan = rehearsals.theatres[verdict.test.flow].plan
    for line in shown.text(verdict, plan, app().out):
        say(line)


def _finish(played: Played, took_s: float, form: str, coverage: bool) -> None:
    everything = [verdict for _, verdicts in played for verdict in verdicts]
    if form == "junit":
        sys.stdout.write(junit(played))
        return
    if form == "json":
        result = {
            "passed": sum(verdict.passed for verdict in everything),
            "failed": sum(not verdict.passed for verdict in everything),
            "took_s": round(took_s, 6),
            "tests": [
                shown.as_json(verdict, rehearsals.theatres[verdict.test.flow].plan)
                for rehearsals, verdicts in played
                for verdict in verdicts
            ],
        }
        if coverage:
            result["coverage"] = {r.path: shown.coverage_json(r) for r, _ in played}
        sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) + "\n")
        return
    if coverage:
        for rehearsals, _ in played:
            say()
            for line in shown.coverage_text(rehearsals, app().out):
                say(line)
    say()
    say(shown.summary(everything, took_s, app().out))
