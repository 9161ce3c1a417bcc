"""`rflow plugins`: what is installed, and what each kind takes and gives."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from rflow.cli.cells import wrap
from rflow.cli.command import Family, app, color_option, format_option, say
from rflow.cli.failure import Failure, Problems
from rflow.plugins.types import InputSpec, NodeSpec, OutputSpec, Specs

if TYPE_CHECKING:
    from rflow.plugins.host import Host, Provided

WORDS = {
    "nodes": "kinds",
    "triggers": "triggers",
    "filters": "filters",
    "policies": "retry policies",
    "sources": "secret sources",
}
SORTS = {
    "nodes": "node kind",
    "triggers": "trigger kind",
    "filters": "filter",
    "policies": "retry policy",
    "sources": "secret source",
}

EXAMPLE = """
rflow plugins                     what is installed
rflow plugins show git.checkout   the inputs and outputs of a kind
rflow plugins spec > specs.json   all of it for an editor
"""


@click.group("plugins", cls=Family, example=EXAMPLE)
@color_option
@format_option()
@click.pass_context
def plugins(ctx: click.Context, form: str) -> int:
    """List the installed plugins with what they provide, or show one kind."""
    if ctx.invoked_subcommand:
        return 0
    host = _host()
    if form == "json":
        say(json.dumps([_as_json(found) for found in host.plugins()], indent=2))
    else:
        for found in host.plugins():
            _list(found)
    if host.problems:
        raise Problems(list(host.problems))
    return 0


def _host() -> Host:
    from rflow.plugins.host import Host

    return Host.load()


def _as_json(found: Provided) -> dict[str, Any]:
    return {
        "name": found.plugin.distribution,
        "version": found.plugin.version,
        "entry_point": found.plugin.value,
        "hooks": list(found.hooks),
        "provides": {section: list(names) for section, names in found.names.items()},
    }


def _list(found: Provided) -> None:
    pen, width = app().out, app().width
    say(f"{pen.bold(found.plugin.distribution)} {found.plugin.version}")
    for section, names in found.names.items():
        say(wrap(f"  {WORDS[section]}: {', '.join(names)}", width, "    "))
    say(wrap(f"  hooks: {', '.join(found.hooks) or 'none'}", width, "    "))


@plugins.command("spec", example="rflow plugins spec > specs.json")
@color_option
def spec() -> int:
    """Print all specs as JSON: what the compiler and editors know of the plugins."""
    from rflow.plugins.specs_json import encode

    say(json.dumps(encode(_specs()), ensure_ascii=False, indent=2))
    return 0


def _specs() -> Specs:
    from rflow.plugins import cache

    return cache.specs()[0]


@plugins.command("show", example="rflow plugins show git.checkout\nrflow plugins show slug")
@click.argument("name", metavar="KIND")
@color_option
@format_option()
def show(name: str, form: str) -> int:
    """Show a node kind, a trigger kind, a filter, a retry policy or a secret source."""
    from rflow.dsl.diagnostics import closest
    from rflow.plugins.specs_json import encode_spec

    specs = _specs()
    found = [
        (section, getattr(specs, section)[name])
        for section in SORTS
        if name in getattr(specs, section)
    ]
    if not found:
        near = closest(name, [word for section in SORTS for word in getattr(specs, section)])
        step = f"did you mean `{near}`?" if near else "`rflow plugins` lists what there is"
        raise Failure(f"no plugin provides `{name}`", help=step)
    if form == "json":
        say(json.dumps([{"sort": SORTS[s], **encode_spec(spec)} for s, spec in found], indent=2))
        return 0
    for number, (section, found_spec) in enumerate(found):
        if number:
            say()
        _show(section, name, found_spec)
    return 0


def _show(section: str, name: str, spec: Any) -> None:
    pen = app().out
    owner = f"{spec.plugin} {spec.version}".strip()
    say(f"{pen.bold(name)}  {pen.dim(f'{SORTS[section]} · {owner}')}")
    _paragraphs(spec.doc)
    if section == "filters":
        say()
        say(f"  {name}{spec.signature}" if spec.signature[:1] == "(" else f"  {spec.signature}")
        if spec.example:
            say(f"  {spec.example}")
        if spec.cleans:
            say("  Its result is trusted, whatever went in.")
        if spec.northflank:
            say(f"  Northflank: {spec.northflank}")
    if isinstance(spec, NodeSpec):
        say()
        for line in _facts(spec):
            say(wrap(f"  {line}", app().width, "    "))
    _inputs(getattr(spec, "inputs", ()))
    _outputs(getattr(spec, "outputs", ()), declared=getattr(spec, "declares_outputs", False))


def _paragraphs(doc: str) -> None:
    for paragraph in filter(None, doc.strip().split("\n\n")):
        say()
        say(wrap(" ".join(paragraph.split()), min(app().width, 90)))


def _facts(spec: NodeSpec) -> Iterable[str]:
    """What a release engineer must know of a kind before using it."""
    if spec.effect:
        yield f"Effect: {spec.effect}."
    elif not spec.needs_contract:
        yield "Effect: none; it changes nothing outside its workspace."
    if spec.undoes:
        yield "Rolling back: it undoes itself."
    elif spec.needs_contract:
        yield "Rolling back: the node says what it means (undo, keep, irreversible or pure)."
    if spec.recovers:
        yield "After a crash: it can tell whether it took effect."
    elif spec.repeatable or (not spec.effect and not spec.needs_contract):
        yield "After a crash: it is started again."
    else:
        yield "After a crash: started again if the node has a `retry`, else a person is asked."
    if spec.retry:
        one = spec.retry.attempts == 1
        yield "Retries: none." if one else f"Attempts: {spec.retry.attempts}, {spec.retry.policy}."
    if spec.stage_before:
        yield "Stage: there must be one before the flow's."
    if spec.timeout_s:
        from rflow.cli.times import span

        yield f"Timeout: {span(spec.timeout_s)}."


def _inputs(inputs: Iterable[InputSpec]) -> None:
    for number, spec in enumerate(inputs):
        if not number:
            say()
            say(app().out.bold("Inputs"))
        notes = ["required" if spec.required else f"default {_default(spec)}"]
        if not spec.required and spec.default is None:
            notes = ["optional"]
        if spec.secret:
            notes.append("takes secrets")
        if spec.trusted:
            notes.append("refuses untrusted text")
        if spec.program:
            notes.append("references in it are data")
        _field(spec, notes)


def _default(spec: InputSpec) -> str:
    """The default as a flow writes it."""
    from rflow.compiler.durations import show_duration
    from rflow.plugins.types import DURATION

    if spec.type == DURATION and isinstance(spec.default, int | float):
        return show_duration(spec.default)
    return json.dumps(spec.default)


def _outputs(outputs: Iterable[OutputSpec], *, declared: bool) -> None:
    shown = list(outputs)
    if shown or declared:
        say()
        say(app().out.bold("Outputs"))
    for spec in shown:
        notes = ["secret"] if spec.secret else []
        notes += ["untrusted"] if spec.untrusted else []
        _field(spec, notes)
    if declared:
        say("  those that the node declares: `output version: string`")


def _field(spec: InputSpec | OutputSpec, notes: list[str]) -> None:
    from rflow.plugins.notation import show_type

    pen = app().out
    head = f"  {pen.bold(spec.name)}: {show_type(spec.type)}"
    said = f"{head}  {pen.dim(', '.join(notes))}".rstrip() if notes else head
    say(wrap(said, app().width, "      "))
    if spec.doc:
        say(wrap(f"      {' '.join(spec.doc.split())}", min(app().width, 90), "      "))
