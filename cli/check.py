"""`rflow check`: all mistakes of flows, and how much of them can be rolled back."""

from __future__ import annotations

import glob
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rflow.cli import cache
from rflow.cli.cells import wrap
from rflow.cli.command import app, command, format_option
from rflow.cli.complete import files_type
from rflow.cli.entry import PROBLEMS
from rflow.cli.failure import Failure
from rflow.cli.files import Unreadable
from rflow.cli.flows import Flows, check_file
from rflow.dsl.diagnostics import Diagnostic
from rflow.dsl.diagnostics import sort as sorted_diagnostics

if TYPE_CHECKING:
    from rflow.compiler.gates import Coverage

SHOWN_MAX = 12
"""So many nodes are named; all of them are in `--format json`."""

EXAMPLE = """
rflow check release.rflow
rflow check --format sarif *.rflow > rflow.sarif
"""


@command("check", example=EXAMPLE)
@click.argument("files", metavar="FILE...", type=files_type, nargs=-1)
@format_option("text", "json", "sarif", "github")
def check(files: tuple[str, ...], form: str) -> int:
    """Find all mistakes of flows, without running anything.

    Prints for each flow how many nodes, gates and effects it has, and how many of the effects say
    what rolling them back means. `-` is standard input.
    """
    if not files:
        here = sorted(glob.glob("*.rflow"))
        step = f"for example `rflow check {here[0]}`" if here else "`rflow init` writes a first one"
        raise Failure("which file?", help=step)
    diagnostics: list[Diagnostic] = []
    checked: list[tuple[str, Flows | None]] = []
    for path in files:
        try:
            found = check_file(path)
        except Unreadable as error:
            diagnostics.append(error.diagnostic)
            checked.append((path, None))
            continue
        diagnostics += found.checked.diagnostics
        checked.append((path, found))
    diagnostics = sorted_diagnostics(diagnostics)
    out, err = _shown(checked, diagnostics, form)
    code = PROBLEMS if any(d.code.severity == "error" for d in diagnostics) else 0
    _keep(checked, out, err, code)
    sys.stderr.write(err)
    sys.stderr.flush()
    sys.stdout.write(out)
    return code


def _shown(
    checked: list[tuple[str, Flows | None]], diagnostics: list[Diagnostic], form: str
) -> tuple[str, str]:
    """Stdout and stderr."""
    from rflow.dsl import render

    if form == "sarif":
        return _line(render.render_sarif(diagnostics)), ""
    if form == "github":
        return _line(render.render_github(diagnostics)), ""
    if form == "json":
        result = as_json(checked, diagnostics)
        return json.dumps(result, ensure_ascii=False, indent=2) + "\n", ""
    flows = {path: _coverages(found) for path, found in checked if found is not None}
    err = ""
    if diagnostics:
        err = _line(render.render_text(diagnostics, color=app().err.on, width=app().width))
    lines = [line for path, of in flows.items() for line in _summary(path, of)]
    return "".join(f"{line}\n" for line in lines), err


def as_json(
    checked: list[tuple[str, Flows | None]], diagnostics: list[Diagnostic]
) -> dict[str, Any]:
    """What there is to say of these files as JSON."""
    from rflow.dsl import render

    flows = {path: _coverages(found) for path, found in checked if found is not None}
    return {
        "diagnostics": [render.as_json(diagnostic) for diagnostic in diagnostics],
        "files": {path: _counts(of) for path, of in flows.items()},
    }


def _line(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _coverages(found: Flows) -> dict[str, Coverage] | None:
    """Of each flow in the file; None if it has mistakes."""
    if not found.checked.ok:
        return None
    return {name: found.checked.coverage(name) for name in found.checked.flows}


def _counts(of: dict[str, Coverage] | None) -> Any:
    if of is None:
        return None
    return {
        name: {
            "nodes": found.nodes,
            "gates": found.gates,
            "effects": found.effects,
            "undone": found.itself + found.undo,
            "kept": found.keep,
            "irreversible": found.irreversible,
            "without_contract": list(found.open),
        }
        for name, found in of.items()
    }


def _summary(path: str, of: dict[str, Coverage] | None) -> list[str]:
    pen, width = app().out, app().width
    if of is None:
        return []
    lines = [f"{pen.green('ok')} {pen.bold(path)}"]
    size = max((len(name) for name in of), default=0)
    indent = " " * (size + 4)
    for name, found in of.items():
        effects = _count(found.effects, "effect") if found.effects else "no effects"
        facts = [_count(found.nodes, "node"), effects]
        if found.gates:
            facts.insert(1, _count(found.gates, "gate"))
        lines.append(wrap(f"  {name:{size}}  {', '.join(facts)}", width, indent))
        if found.effects:
            lines.append(wrap(f"{indent}rollback: {_covered(found)}", width, f"{indent}  "))
    return lines


def _covered(found: Coverage) -> str:
    """What a rollback means for the effects, in words."""
    counts = [
        (found.itself + found.undo, "undone"),
        (found.keep, "kept"),
        (found.irreversible, "irreversible"),
        (len(found.open), f"without a contract ({_first_of(found.open)})"),
    ]
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def _first_of(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_MAX
    return ", ".join(names[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _keep(checked: list[tuple[str, Flows | None]], out: str, err: str, code: int) -> None:
    argv = [*app().argv]
    facts = [found.project.facts if found else None for _, found in checked]
    if argv[:1] != ["check"] or any(fact is None for fact in facts):
        return
    known = [fact for fact in facts if fact is not None]
    joined = cache.Facts(
        tuple(file for fact in known for file in fact.files),
        tuple(root for fact in known for root in fact.roots),
    )
    cache.keep(argv, (out, err, code), joined)
