"""The page on statuses, events and reasons."""

from __future__ import annotations

from typing import get_args

from rflow.runner import events as ev
from rflow.runner.node_state import TERMINAL, TRANSITIONS, Status
from rflow.runner.why import CODES, sentence

from generators.markdown import code, fence, paragraphs, table

PAGE = """\
# Statuses, events and reasons

A run is its journal: a sequence of events, each with its number in the run and its time. The state
of a run is the fold of its events. `rflow run --format json` prints them as they are written, one
JSON object a line; plugins see them through the hook
[`rflow_run_event`](hooks.md#rflow_run_event).

## Statuses

A run is `pending` (created or queued), `running`, `success`, `failed` or `cancelled`; a running run
that has nothing to do but wait shows `waiting`. A node is one of these:

| status | meaning |
| --- | --- |
| `pending` | it has not begun |
| `running` | an attempt is going on |
| `waiting` | for a person, an event, a lock, a window or a time |
| `retrying` | an attempt failed; the next one has its time |
| `success` | it ended well |
| `failed` | it failed for good |
| `skipped` | its condition did not hold, or there was nothing to undo |
| `cancelled` | it was ended, or never began, since the run failed or was cancelled |

A group has the first of running, retrying, waiting, failed, cancelled, pending, success that one of
its members has; `skipped` if all are.

"""


class _Shown:
    """A value that shows its own name, however it is formatted."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __format__(self, _: str) -> str:
        return f"‹{self.name}›"

    def __repr__(self) -> str:
        return f"‹{self.name}›"

    __str__ = __repr__


class _Names(dict[str, _Shown]):
    """Values for a reason's sentence that show their names."""

    def __contains__(self, _: object) -> bool:
        return True

    def __getitem__(self, name: str) -> _Shown:
        return _Shown(name)

    def get(self, name: str, _: object = None) -> _Shown:
        return _Shown(name)


def page() -> str:
    """The page."""
    return "".join([PAGE, _diagram(), _transitions(), _events(), _reasons()]).rstrip() + "\n"


def _diagram() -> str:
    edges: dict[tuple[str, str], list[str]] = {}
    for event, moves in TRANSITIONS.items():
        for before, after in moves.items():
            if before != after:
                edges.setdefault((before, after), []).append(event.__name__)
    lines = ["stateDiagram-v2", "  [*] --> pending"]
    lines += [f"  {a} --> {b}: {', '.join(names)}" for (a, b), names in edges.items()]
    lines += [f"  {status} --> [*]" for status in get_args(Status) if status in TERMINAL]
    return fence("\n".join(lines), "mermaid")


def _transitions() -> str:
    rows = [
        (
            f"[`{event.__name__}`](#{event.__name__.lower()})",
            *(code(moves[s]) if s in moves else "" for s in get_args(Status) if s not in TERMINAL),
        )
        for event, moves in TRANSITIONS.items()
    ]
    live = [f"from `{status}`" for status in get_args(Status) if status not in TERMINAL]
    return (
        "An event that this table does not list for a status does not happen. A status that is an "
        "end is left only when the run is retried.\n\n" + table(("event", *live), rows)
    )


def _events() -> str:
    parts = [
        "## Events\n\nThe fields of each. `reason` is a list of a [code](#reasons) and its values, "
        "left out where there is none.\n\n"
    ]
    for name, cls in ev.KINDS.items():
        parts.append(f"### {name}\n\n{paragraphs(cls.__doc__ or '')}")
        rows = [(code(name), code(of)) for name, of in cls.__annotations__.items()]
        parts.append(table(("field", "type"), rows))
    return "".join(parts)


def _reasons() -> str:
    rows = [
        (code(name), sentence(ev.Reason(name, _Names())))  # type: ignore[arg-type]
        for name in sorted(CODES - {""})
    ]
    return (
        "## Reasons\n\nWhy something happened, as `rflow why` says it; ‹words› stand for the "
        "values that decided, which the event holds.\n\n" + table(("code", "sentence"), rows)
    )
