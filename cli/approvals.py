"""`rflow approvals`: what waits for people, and what a decision on it means."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from rflow.cli import times
from rflow.cli.cells import cells, clean, fit, pad, wrap
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.data import as_data
from rflow.cli.resources import value
from rflow.cli.target import as_option, open_state, person, state_option
from rflow.plugins.types import Json

if TYPE_CHECKING:
    from rflow.runner.inbox import Asked, Behind

EXAMPLE = """
rflow approvals                          all that waits
rflow approvals --as oncall@example.com  and whether this person may decide
"""

CONTRACTS = {
    "self": "its kind undoes it",
    "undo": "has an undo",
    "keep": "kept",
    "irreversible": "irreversible",
    "none": "no contract",
    "pure": "",
}


@command("approvals", example=EXAMPLE)
@as_option
@format_option()
@state_option
def approvals(by: str | None, form: str, state: str | None) -> int:
    """List the gates that wait, of all runs, those whose time ends first before the others.

    Each with who may decide, until when, and what a decision binds to: the nodes behind the gate,
    their arguments, the values that cross it, and what of that is new if it was asked before.
    """
    from rflow.runner.inbox import inbox, may_not

    service = open_state(state)
    who = person(by)
    found = [(asked, may_not(service, asked, who)) for asked in inbox(service)]
    if form == "json":
        listed = [as_json(asked, refused) for asked, refused in found]
        say(json.dumps(listed, ensure_ascii=False, indent=2))
        return 0
    if not found:
        note("nothing waits for an approval")
    for number, (asked, refused) in enumerate(found):
        if number:
            say()
        show(asked)
        if refused is not None:
            say(wrap(f"  {app().out.yellow(clean(refused))}", app().width, "    "))
        else:
            command_ = f"rflow approve {asked.run.run} {asked.gate}"
            say(f"  {app().out.cyan(command_ + (f' --as {by}' if by else ''))}")
    return 0


def show(asked: Asked) -> None:
    """Print a gate with what a decision binds to."""
    pen, run = app().out, asked.run
    name = run.run if run.name == run.run else f"{clean(run.name)} ({run.run})"
    stage = f" for {run.stage}" if run.stage else ""
    head = f"{pen.bold(clean(asked.gate))} of run {pen.bold(name)}, {clean(run.flow)}{stage}"
    say(wrap(head, app().width, "  "))
    for title, text in _facts(asked):
        say(wrap(f"  {pen.dim(f'{title:9}')}  {text}", app().width, " " * 13))
    width = max([0, *(cells(node.node) for node in asked.behind)])
    for number, node in enumerate(asked.behind):
        title = "behind it" if not number else ""
        said = f"  {pen.dim(f'{title:9}')}  {pad(clean(node.node), width)}  {_behind(node)}"
        say(wrap(said, app().width, " " * 15))
    parts: list[tuple[str, dict[str, Json]]] = [
        ("arguments", asked.args),
        ("others", asked.other_args),
        ("values", asked.values),
        ("set", _flat(asked.overrides)),
    ]
    for title, values in parts:
        for number, (name, given) in enumerate(values.items()):
            title = title if not number else ""
            said = f"{clean(name)} = {fit(value(given) if given is not None else 'null', 80)}"
            say(wrap(f"  {pen.dim(f'{title:9}')}  {said}", app().width, " " * 15))
    if asked.secrets:
        said = f"  {pen.dim('secrets  ')}  {', '.join(map(clean, asked.secrets))}"
        say(wrap(said, app().width, " " * 13))
    _changes(asked)


def _facts(asked: Asked) -> list[tuple[str, str]]:
    now = time.time()
    who = ", ".join(map(clean, asked.by)) or "anybody"
    given = f" ({', '.join(map(clean, asked.approved_by))})" if asked.approved_by else ""
    facts = []
    if asked.doc:
        facts.append(("about", clean(asked.doc)))
    facts.append(("who", f"{who}: {len(asked.approved_by)} of {asked.count}{given}"))
    people = ", ".join(map(clean, asked.people))
    if asked.people and asked.people != asked.by:
        facts.append(("", people))
    self_ok = "" if asked.self_ok else ", who may not approve it"
    facts.append(("run by", f"{clean(asked.run.by)}{self_ok}"))
    left = times.span(max(0.0, asked.due - now))
    facts.append(("until", f"{times.day_time(asked.due)} ({left} more), else {asked.otherwise}"))
    return facts


def _behind(node: Behind) -> str:
    pen = app().out
    contract = CONTRACTS.get(node.contract, node.contract) if node.effect is not None else ""
    style = "red" if node.contract in ("irreversible", "none") else ""
    why = f": {clean(node.reason)}" if contract and node.reason else ""
    return f"{pen.dim(clean(node.kind))}  {pen(style, contract)}{why}".rstrip()


def _changes(asked: Asked) -> None:
    if asked.round < 2:
        return
    pen = app().out
    title = f"asked again ({asked.round}), since this has changed:"
    say(wrap(f"  {pen.yellow(title)}", app().width, "    "))
    for name, change in asked.changes.items():
        for said in _change(name, change):
            say(wrap(f"    {said}", app().width, "      "))
    if not asked.changes:
        say("    nothing: the nodes behind it are to run again")


def _change(name: str, change: Json) -> list[str]:
    """What has changed under a name: `image.artifact: a → b`."""
    kind, _, what = name.partition(".")
    if not (isinstance(change, list) and len(change) == 2):
        return [f"{clean(what)}: another definition"]
    if kind != "overrides":
        before, after = (value(part) if part is not None else "nothing" for part in change)
        return [f"{clean(what or kind)}: {before} → {after}"]
    old, new = (_flat({what: part}) for part in change)
    return [
        f"{clean(input_)}: {_set(old, input_)} → {_set(new, input_)}"
        for input_ in sorted({*old, *new})
        if old.get(input_) != new.get(input_)
    ]


def _set(given: dict[str, Json], name: str) -> str:
    """What an input is set to for the run, else what the flow says."""
    return value(given[name]) if given.get(name) is not None else "as the flow says"


def _flat(overrides: dict[str, Json]) -> dict[str, Json]:
    """Overrides by `node.input`."""
    return {
        f"{node}.{input_}": of
        for node, inputs in overrides.items()
        if isinstance(inputs, dict)
        for input_, of in inputs.items()
    }


def as_json(asked: Asked, refused: str | None) -> dict[str, Any]:
    """A gate as JSON; `you_may` is about the person who asks."""
    from rflow.cli.runs import as_json as run_as_json

    shown = {
        name: getattr(asked, name)
        for name in asked.__struct_fields__
        if name not in ("run", "behind", "asked_at", "due")
    }
    return {
        "run": run_as_json(asked.run),
        **shown,
        "asked_at": times.iso(asked.asked_at),
        "due": times.iso(asked.due),
        "behind": [as_data(node) for node in asked.behind],
        "you_may": refused is None,
        "why_not": refused or "",
    }
