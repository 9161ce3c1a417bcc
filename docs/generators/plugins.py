"""The pages on what rflow's own plugin provides: kinds, triggers, policies, sources, filters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rflow.cli.plugins import _facts
from rflow.compiler.durations import show_duration
from rflow.plugins.discovery import installed
from rflow.plugins.host import Host
from rflow.plugins.notation import show_type
from rflow.plugins.types import InputSpec, OutputSpec, Scalar, Specs

from generators.markdown import anchor, code, paragraphs, table

KINDS = """\
# Kinds, triggers, retry policies and secret sources

What rflow itself provides. `rflow plugins` lists what is installed with you, plugins of others
included; `rflow plugins show KIND` prints what stands here of one. How to write your own:
[write a plugin](../how-to/plugins.md).

An input *refuses untrusted text* where text from outside (a branch's name, a commit's message)
could do harm, and takes a secret only where it says so; see
[secrets and untrusted text](../explanation/security.md). Relative paths are relative to the flow's
file.

"""
FILTERS = """\
# Filters

`$<args.name | trim | upper>`: the value goes in from the left, arguments stand in parentheses. In
a signature the first type is that of the value before the `|`; `?` behind an argument's type means
that it may be left out; `T` and `U` stand for any type, `N` for a number; `(it: T) -> bool` is a
chain over `it`, such as `it.region | eq("eu")`. Nothing is coerced: a filter given a value of
another type is [RF324](codes-rf3.md#rf324). `rflow plugins show NAME` prints what stands here.

Randomness and the clock are no filters: a run must be the same when it is looked at again. Random
values come from a secret source; the time a run started is `$<run.started>`, as seconds, of which
the filter `date` makes text.

"""


def _specs() -> Specs:
    """Of rflow's own plugin only, whatever else is installed."""
    return Host([one for one in installed() if one.distribution == "rflow"]).specs()


def kinds() -> str:
    """The page on kinds, triggers, policies and sources."""
    specs = _specs()
    parts = [KINDS, _contents(specs)]
    parts.append("## Node kinds\n\n")
    for spec in specs.nodes.values():
        parts += [f"### `{spec.kind}`\n\n", paragraphs(spec.doc)]
        parts.append("".join(f"- {fact}\n" for fact in _facts(spec)) + "\n")
        parts.append(_inputs(spec.inputs))
        parts.append(_outputs(spec.outputs))
        if spec.declares_outputs:
            parts.append("Its outputs are those that the node declares: `output NAME: TYPE`.\n\n")
    parts.append("## Trigger kinds\n\n")
    for trigger in specs.triggers.values():
        parts += [f"### `{trigger.kind}`\n\n", paragraphs(trigger.doc)]
        parts += [_inputs(trigger.inputs), _outputs(trigger.outputs)]
    parts.append("## Retry policies\n\n")
    for policy in specs.policies.values():
        parts += [f"### `{policy.name}`\n\n", paragraphs(policy.doc), _inputs(policy.inputs)]
    parts.append("## Secret sources\n\n")
    for source in specs.sources.values():
        parts += [f"### `{source.name}`\n\n", paragraphs(source.doc)]
    return "".join(parts).rstrip() + "\n"


def _contents(specs: Specs) -> str:
    rows: list[tuple[str, Iterable[str]]] = [
        ("node kinds", specs.nodes),
        ("trigger kinds", specs.triggers),
        ("retry policies", specs.policies),
        ("secret sources", specs.sources),
    ]
    return table(
        ("sort", "names"),
        [
            (f"[{sort}](#{anchor(sort)})", " · ".join(f"[`{n}`](#{anchor(n)})" for n in named))
            for sort, named in rows
        ],
    )


def _inputs(inputs: Sequence[InputSpec]) -> str:
    rows = []
    for one in inputs:
        meaning = " ".join((one.doc, *_notes(one)))
        rows.append((code(one.name), code(show_type(one.type)), _default(one), meaning))
    return table(("input", "type", "default", "meaning"), rows)


def _default(spec: InputSpec) -> str:
    if spec.required:
        return "required"
    if spec.default is None:
        return "none"
    if spec.type == Scalar("duration"):
        assert isinstance(spec.default, int | float)
        return code(show_duration(spec.default))
    return code(json.dumps(spec.default))


def _notes(spec: InputSpec) -> Iterable[str]:
    if spec.secret:
        yield "*Takes secrets.*"
    if spec.trusted:
        yield "*Refuses untrusted text.*"
    if spec.program:
        yield "*References in it are data.*"


def _outputs(outputs: Sequence[OutputSpec]) -> str:
    rows = []
    for one in outputs:
        marks = ["*Secret.*"] * one.secret + ["*Untrusted.*"] * one.untrusted
        rows.append((code(one.name), code(show_type(one.type)), " ".join([one.doc, *marks])))
    return table(("output", "type", "meaning"), rows)


def filters() -> str:
    """The page on filters."""
    found = sorted(_specs().filters.values(), key=lambda spec: spec.name)
    parts = [FILTERS, "## Beside Northflank's functions\n\n"]
    theirs = [spec for spec in found if spec.northflank]
    rows = [(_names(spec.northflank), f"[`{spec.name}`](#{anchor(spec.name)})") for spec in theirs]
    parts.append(table(("Northflank", "rflow"), sorted(rows, key=lambda row: row[0].lower())))
    parts.append("## All filters\n\n")
    parts += [_filter(spec) for spec in found]
    return "".join(parts).rstrip() + "\n"


def _names(text: str) -> str:
    return ", ".join(code(name.strip()) for name in text.split(","))


def _filter(spec: Any) -> str:
    text = f"### `{spec.name}`\n\n{code(spec.name + spec.signature)}\n\n{paragraphs(spec.doc)}"
    if spec.cleans:
        text += "Its result is trusted, whatever went in.\n\n"
    if spec.example:
        text += f"Example: {code(spec.example)}\n\n"
    return text
