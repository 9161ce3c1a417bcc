"""`rflow show`: a run, or one node of it, with all that is kept of it."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rflow.cli import narration, times
from rflow.cli.cells import clean, clean_lines, clean_log, fit, wrap
from rflow.cli.command import App, app, command, format_option, note, say
from rflow.cli.complete import node_argument, run_argument
from rflow.cli.data import as_data
from rflow.cli.picture import answer_of, board_from
from rflow.cli.status import sign, word
from rflow.cli.target import find_node, find_run, open_state, state_option
from rflow.cli.tree import Look, tree
from rflow.plugins.types import Json
from rflow.runner import chain

if TYPE_CHECKING:
    from rflow.runner.service import Service
    from rflow.runner.view import NodeRecord, RunView

LOG_LINES = 20

EXAMPLE = """
rflow show               the last run
rflow show 7k2m          a run
rflow show 7k2m migrate  one node: code, inputs, response, retries, log
"""


@command("show", example=EXAMPLE)
@run_argument
@node_argument
@format_option()
@state_option
def show(run: str | None, node: str | None, form: str, state: str | None) -> int:
    """Show a run as a tree, or a node with its code, inputs, response, retries and log.

    RUN is the beginning of an id, a name or `last`. Secrets are masked.
    """
    service = open_state(state)
    id_ = find_run(service, run)
    if node is not None:
        record = find_node(service, id_, node)
        if form == "json":
            say(_dumps(record))
        else:
            _show_node(app(), service, id_, record)
        return 0
    view = service.view(id_)
    head = chain.shown(service.journal.head(id_))
    if form == "json":
        say(_dumps({**as_data(view), "head": head}))
    else:
        _show_run(app(), view, head, _back(service, view))
        if view.phase != "ended" and service.driver(id_) is None:
            note(f"no process goes on with it: rflow resume {id_}")
    return 0


def _dumps(shown: Any) -> str:
    if not isinstance(shown, dict):
        shown = as_data(shown)
    return json.dumps(with_iso(shown), ensure_ascii=False, indent=2)


def with_iso(value: Any) -> Any:
    """The same data with its times (`at`, `due`, `…_at`) as ISO 8601."""
    if isinstance(value, dict):
        return {
            key: times.iso(of)
            if (key in ("at", "due") or key.endswith("_at")) and isinstance(of, float)
            else with_iso(of)
            for key, of in value.items()
        }
    if isinstance(value, list | tuple):
        return [with_iso(item) for item in value]
    return value


def _back(service: Service, view: RunView) -> list[tuple[str, str]]:
    """Where a rollback goes back to, and from."""
    if view.kind != "rollback":
        return []
    listed = view.trigger.get("from")
    from_ = [str(run) for run in listed] if isinstance(listed, list) else []
    facts = [("back to", [str(view.trigger.get("to"))]), ("from", from_)]
    return [(title, ", ".join(_named(service, run) for run in runs)) for title, runs in facts]


def _named(service: Service, run: str) -> str:
    found = service.journal.summary(run)
    return run if found is None or found.name == run else f"{found.name} ({run})"


def _show_run(shared: App, view: RunView, head: str, back: list[tuple[str, str]]) -> None:
    pen, now = shared.out, time.time()
    title = pen.bold(clean(view.name)) + (f" ({view.run})" if view.name != view.run else "")
    warned = pen.yellow(" with warnings") if view.warnings else ""
    said = f"{sign(view.status, pen)} {title}: {word(view.status, pen)}{warned}"
    say(wrap(said, shared.width, "  "))
    facts = [("flow", view.flow + (f" for {view.stage}" if view.stage else ""))]
    if view.kind != "release":
        facts += [("kind", view.kind), *back]
    if view.description:
        facts.append(("about", view.description))
    if view.started_at is None:
        facts.append(("created", f"{times.moment(view.created_at)}, not started"))
    else:
        end = view.ended_at or now
        took = f"{'took' if view.ended_at else 'for'} {times.span(end - view.started_at)}"
        ago = times.relative(view.started_at, now)
        facts.append(("started", f"{times.moment(view.started_at)} ({ago}), {took}"))
    facts.append(("by", f"{view.by}, {view.trigger.get('kind', 'manual')}"))
    if view.args:
        given = ", ".join(f"{name} = {_short(value)}" for name, value in view.args.items())
        facts.append(("arguments", given))
    if held := narration.reason(view.held):
        facts.append(("held", held))
    if why := narration.reason(view.reason):
        facts.append(("why", why))
    for name, text in facts:
        say(wrap(f"  {pen.dim(f'{name:9}')}  {clean(text)}", shared.width, " " * 13))
    # The head stands whole in one line, to be copied.
    small = shared.width < len(head) + 13
    say(f"  {pen.dim('record')}\n{head}" if small else f"  {pen.dim('record   ')}  {head}")
    say()
    for line in tree(board_from(view), Look(pen, shared.room, now)):
        say(line)
    if view.outputs:
        say()
        for name, value in view.outputs.items():
            say(wrap(f"{name} = {narration.value(value)}", shared.width, "    "))


def _short(value: Json) -> str:
    return fit(narration.value(value), 60)


def _show_node(shared: App, service: Service, run: str, record: NodeRecord) -> None:
    pen, view = shared.out, record.view
    head = f"{sign(view.status, pen)} {pen.bold(clean(view.id))}: {word(view.status, pen)}"
    say(wrap(f"{head}  {pen.dim(f'{view.kind} · {record.place}')}", shared.width, "  "))
    if view.waits:
        say(wrap(f"  waits {clean(view.waits)}", shared.width, "    "))
    if view.answer:
        say(f"  {pen.cyan(answer_of(view.answer, run))}")
    if why := narration.reason(view.reason):
        say(wrap(f"  {why}", shared.width, "    "))
    _section(shared, "Code", textwrap.dedent(record.code))
    _values(shared, "Inputs", record.inputs)
    _response(shared, record)
    _attempts(shared, record)
    _changes(shared, record)
    _log(shared, service, run, record)


def _section(shared: App, title: str, text: str) -> None:
    if not text.strip():
        return
    say()
    say(shared.out.bold(title))
    for line in clean_lines(text.rstrip()).split("\n"):
        say(f"    {line}".rstrip())


def _values(shared: App, title: str, values: Mapping[str, Json]) -> None:
    lines = []
    for name, value in values.items():
        if isinstance(value, str) and "\n" in value:
            lines.append(f"{name} =")
            lines += [f"    {line}" for line in value.rstrip("\n").split("\n")]
        else:
            lines.append(fit(f"{name} = {narration.value(value)}", max(40, shared.width * 3)))
    _section(shared, title, "\n".join(lines))


def _response(shared: App, record: NodeRecord) -> None:
    if record.error is not None:
        lines = [str(record.error.get("message", ""))]
        if record.error.get("retry") is False:
            lines.append("(trying again is useless)")
        detail = record.error.get("detail")
        if detail:
            lines.append(detail if isinstance(detail, str) else json.dumps(detail))
        _section(shared, "Error", "\n".join(lines))
    _values(shared, "Outputs", record.outputs)


def _attempts(shared: App, record: NodeRecord) -> None:
    if record.decisions:
        said = [
            f"{decision['decision']} by {decision['by']}"
            + (f": {decision['comment']}" if decision["comment"] else "")
            for decision in record.decisions
        ]
        _section(shared, "Decisions", "\n".join(said))
    lines = []
    for attempt in record.attempts:
        end = attempt.ended_at or time.time()
        line = f"{attempt.attempt}  {times.moment(attempt.started_at)}"
        line += f"  {times.span(end - attempt.started_at)}  {attempt.outcome}"
        if attempt.error:
            line += f": {clean(str(attempt.error.get('message', '')))}"
        lines.append(wrap(line, shared.width - 4, "   "))
    if record.next_at is not None:
        lines.append(f"{len(record.attempts) + 1}  {times.moment(record.next_at)}  is due")
    if lines:
        _section(shared, f"Attempts (at most {record.view.attempts_max})", "\n".join(lines))


def _changes(shared: App, record: NodeRecord) -> None:
    lines = [
        f"{resource}: {narration.value(before)} → {narration.value(after)}"
        for resource, (before, after) in record.intents.items()
    ]
    _section(shared, "Changes", "\n".join(lines))
    if record.contract not in ("pure", "self"):
        _section(shared, "Rolling back", record.contract)


def _log(shared: App, service: Service, run: str, record: NodeRecord) -> None:
    attempt = record.view.attempt
    if not attempt:
        return
    lines, offset = service.read_log(run, record.view.id, attempt)
    while True:
        more, after = service.read_log(run, record.view.id, attempt, offset)
        if after == offset:
            break
        lines, offset = [*lines[-LOG_LINES:], *more], after
    if not lines:
        return
    say()
    left = f" (the last {LOG_LINES} lines; all: rflow logs {run} {record.view.id})"
    say(shared.out.bold("Log") + (left if len(lines) > LOG_LINES else ""))
    for line in lines[-LOG_LINES:]:
        say(f"    {clean_log(line.text, color=shared.out.on)}".rstrip())
