"""`rflow check`: all mistakes of flows, and how much of them can be rolled back."""

from __future__ import annotations

import glob
import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rflow.cli import cache
from rflow.cli.cells import wrap
from rflow.cli.command import app, command, format_option
from rflow.cli.entry import PROBLEMS
from rflow.cli.failure import Failure
from rflow.cli.files import Unreadable
from rflow.cli.flows import Flows, check_file
from rflow.dsl.diagnostics import Diagnostic
from rflow.dsl.diagnostics import sort as sorted_diagnostics

if TYPE_CHECKING:
    from rflow.compiler.plan import Plan

EXAMPLE = """
rflow check release.rflow
rflow check --format sarif *.rflow > rflow.sarif
"""


class Coverage(NamedTuple):
    """What rolling back a flow means: its effects, and those that do not say."""

    effects: int
    open: tuple[str, ...]
    gates: int
    nodes: int


@command("check", example=EXAMPLE)
@click.argument("files", metavar="FILE...", nargs=-1)
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
    flows = {path: _coverages(found) for path, found in checked if found is not None}
    if form == "json":
        found = json.loads(render.render_json(diagnostics))
        listed = found if isinstance(found, list) else found["diagnostics"]
        result = {
            "diagnostics": listed,
            "files": {path: _as_json(of) for path, of in flows.items()},
        }
        return json.dumps(result, ensure_ascii=False, indent=2) + "\n", ""
    err = ""
    if diagnostics:
        err = _line(render.render_text(diagnostics, color=app().err.on, width=app().width))
    lines = [line for path, of in flows.items() for line in _summary(path, of)]
    return "".join(f"{line}\n" for line in lines), err


def _line(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _coverages(found: Flows) -> dict[str, Coverage] | None:
    """Of each flow in the file; None if it has mistakes."""
    if any(d.code.severity == "error" for d in found.checked.diagnostics):
        return None
    return {name: coverage(found.plan(name)) for name in found.checked.flows}


def coverage(plan: Plan) -> Coverage:
    """What the plan's nodes say of rolling back."""
    shown = [node for node in plan.nodes if node.kind != "join"]
    effects = [node for node in shown if node.contract.type != "pure"]
    return Coverage(
        effects=len(effects),
        open=tuple(node.id for node in effects if node.contract.type == "none"),
        gates=sum(node.approval is not None for node in shown),
        nodes=sum(node.approval is None for node in shown),
    )


def _as_json(of: dict[str, Coverage] | None) -> Any:
    if of is None:
        return None
    return {
        name: {
            "nodes": found.nodes,
            "gates": found.gates,
            "effects": found.effects,
            "without_contract": list(found.open),
        }
        for name, found in of.items()
    }


def _summary(path: str, of: dict[str, Coverage] | None) -> list[str]:
    pen = app().out
    if of is None:
        return []
    lines = [f"{pen.green('ok')} {pen.bold(path)}"]
    size = max((len(name) for name in of), default=0)
    for name, found in of.items():
        facts = [_count(found.nodes, "node")]
        if found.gates:
            facts.append(_count(found.gates, "gate"))
        facts.append(covered(found))
        lines.append(wrap(f"  {name:{size}}  {', '.join(facts)}", app().width, " " * (size + 4)))
    return lines


def covered(found: Coverage) -> str:
    """The rollback coverage in words."""
    if not found.effects:
        return "no effects"
    said = f"rollback covers {found.effects - len(found.open)} of {_count(found.effects, 'effect')}"
    if found.open:
        said += f", not {', '.join(found.open)}"
    return said


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
    cache.keep(argv, out, err, code, joined)
