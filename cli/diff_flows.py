"""Showing what a change to flows means: for a terminal, for a pull request, for a program."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from rflow.cli.cells import clean, wrap
from rflow.cli.command import app, say
from rflow.cli.data import as_data
from rflow.compiler.safety import Change, FlowChanges
from rflow.compiler.safety_change import LEVELS, Level

STYLES: dict[Level, str] = {"risk": "bold red", "caution": "yellow", "note": "dim"}
NOTHING = "nothing that matters for safety changed"


def show_flows(found: Sequence[FlowChanges], folder: str, form: str) -> None:
    """Print the changes; `folder` is that of the flow file, from where the user is."""
    if form == "json":
        say(json.dumps(_as_json(found, folder), ensure_ascii=False, indent=2))
    elif form == "markdown":
        say(_markdown(found, folder))
    else:
        _text(found, folder)


def _text(found: Sequence[FlowChanges], folder: str) -> None:
    pen, width = app().out, app().width
    if not found:
        say(f"{pen.green('ok')} {NOTHING}")
    for number, flow in enumerate(found):
        if number:
            say()
        say(f"{pen.bold(clean(flow.flow))}: {_counts(flow.changes)}")
        for change in flow.changes:
            level = pen(STYLES[change.level], f"{change.level:7}")
            at = f"  {pen.dim(where)}" if (where := _where(change, folder)) else ""
            say(wrap(f"  {level}  {clean(change.message)}{at}", width, " " * 11))


def _counts(changes: Sequence[Change]) -> str:
    told = []
    for level in LEVELS:
        count = sum(change.level == level for change in changes)
        if count:
            told.append(f"{count} {level}{'' if count == 1 else 's'}")
    return ", ".join(told)


def _where(change: Change, folder: str) -> str:
    if change.where is None:
        return ""
    path = os.path.normpath(os.path.join(folder, change.where.path))
    was = " (before)" if change.where.side == "old" else ""
    return f"{clean(path)}:{change.where.line}{was}"


def _markdown(found: Sequence[FlowChanges], folder: str) -> str:
    lines = ["### What this change means for safety", ""]
    if not found:
        lines.append(f"{NOTHING.capitalize()}.")
    else:
        lines += [_counts([change for flow in found for change in flow.changes]).capitalize() + "."]
    for flow in found:
        lines += ["", f"#### Flow `{_code(flow.flow)}`", ""]
        for change in flow.changes:
            sign = f"**{change.level.capitalize()}**" if change.level != "note" else "Note"
            at = f" (`{_code(where)}`)" if (where := _where(change, folder)) else ""
            lines.append(f"- {sign}: {_escaped(clean(change.message))}{at}")
    return "\n".join(lines)


def _code(text: str) -> str:
    return text.replace("`", "'")


def _escaped(text: str) -> str:
    """The message as Markdown: what stands between backticks is left, the rest cannot mark up."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick of the flow's own: nothing is code
        parts = [text.replace("`", "'")]
    for number in range(0, len(parts), 2):
        for sign in "\\*_[]<>#|~!@":
            parts[number] = parts[number].replace(sign, f"\\{sign}")
    return "`".join(parts)


def _as_json(found: Sequence[FlowChanges], folder: str) -> dict[str, Any]:
    changes = [change for flow in found for change in flow.changes]
    return {
        "counts": {level: sum(c.level == level for c in changes) for level in LEVELS},
        "flows": [
            {
                "flow": flow.flow,
                "was": flow.was,
                "changes": [
                    {**as_data(change), "where": _place(change, folder)} for change in flow.changes
                ],
            }
            for flow in found
        ],
    }


def _place(change: Change, folder: str) -> dict[str, Any] | None:
    if change.where is None:
        return None
    path = os.path.normpath(os.path.join(folder, change.where.path))
    return {"side": change.where.side, "path": path, "line": change.where.line}
