"""`rflow explain`, `rflow schema` and `rflow version`: what rflow says of itself."""

from __future__ import annotations

import json
import sys

import click
from rflow.cli.cells import wrap
from rflow.cli.codes import all_codes
from rflow.cli.command import app, command, format_option, say
from rflow.cli.failure import Failure
from rflow.dsl.diagnostics import Code, closest

EXAMPLE = """
rflow explain RF203
rflow explain --list
"""


@command("explain", example=EXAMPLE)
@click.argument("code", required=False)
@click.option("--list", "listed", is_flag=True, help="List all codes.")
@format_option()
def explain(code: str | None, listed: bool, form: str) -> int:
    """Say why a code is raised, with an example that has the mistake and one that has not."""
    codes = all_codes()
    if listed or code is None:
        if not listed:
            raise Failure("which code?", help="`rflow explain --list` lists them")
        _list(codes, form)
        return 0
    found = codes.get(_normal(code))
    if found is None:
        near = closest(_normal(code), list(codes))
        step = f"did you mean {near}?" if near else "`rflow explain --list` lists the codes"
        raise Failure(f"there is no code `{code}`", help=step)
    if form == "json":
        say(json.dumps(_as_json(found), ensure_ascii=False, indent=2))
    else:
        _show(found)
    return 0


def _normal(code: str) -> str:
    code = code.strip().upper()
    return f"RF{code}" if code.isdigit() else code


def _list(codes: dict[str, Code], form: str) -> None:
    ordered = [codes[id] for id in sorted(codes)]
    if form == "json":
        say(json.dumps([_as_json(code) for code in ordered], ensure_ascii=False, indent=2))
        return
    pen = app().out
    for code in ordered:
        say(wrap(f"{pen.bold(code.id)}  {code.title}", app().width, " " * 7))


def _show(code: Code) -> None:
    import textwrap

    width = min(app().width, 90)
    pen = app().out
    say(f"{pen('bold red' if code.severity == 'error' else 'bold yellow', code.id)}  {code.title}")
    for paragraph in code.why.strip().split("\n\n"):
        say()
        say(wrap(" ".join(paragraph.split()), width))
    for title, style, text in (("Wrong", "red", code.bad), ("Right", "green", code.good)):
        if text:
            say()
            say(pen(style, f"{title}:"))
            say(textwrap.indent(text.strip("\n"), "    "))


def _as_json(code: Code) -> dict[str, str]:
    return {
        "id": code.id,
        "title": code.title,
        "severity": code.severity,
        "why": code.why,
        "bad": code.bad,
        "good": code.good,
    }


@command("schema", example="rflow schema > plan.schema.json")
def schema() -> int:
    """Print the JSON Schema of what `rflow compile -o plan.json` writes."""
    from rflow.compiler.schema import SCHEMA

    json.dump(SCHEMA, sys.stdout, ensure_ascii=False, indent=2)
    say()
    return 0


@command("version", example="rflow version --format json")
@format_option()
def version(form: str) -> int:
    """Print the versions of rflow, Python and the formats that rflow writes."""
    import platform
    from importlib.metadata import version as version_of

    from rflow.compiler.plan import PLAN_VERSION
    from rflow.plugins.types import CONTRACT_VERSION

    facts = {
        "rflow": version_of("rflow"),
        "python": platform.python_version(),
        "plan": PLAN_VERSION,
        "plugin_contract": CONTRACT_VERSION,
    }
    if form == "json":
        say(json.dumps(facts))
    else:
        say(f"rflow {facts['rflow']} (Python {facts['python']})")
    return 0
