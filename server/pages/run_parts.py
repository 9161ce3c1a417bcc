"""What is shown of a run, put together from the journal. Nothing here writes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from rflow.plugins.types import Json
from rflow.runner import chain
from rflow.runner import inbox as asking
from rflow.runner.events import AttemptStarted, Record
from rflow.runner.inbox import Asked, Behind
from rflow.runner.logs import Line, Logs
from rflow.runner.problems import StateError
from rflow.runner.service import Service
from rflow.runner.state import RunState
from rflow.runner.view import RunView
from rflow.runner.view import view as view_of
from rflow.runner.why import sentence, why
from rflow.server.core import Server
from rflow.server.driving import NOTE
from rflow.server.pages.fields import text
from rflow.server.pages.graph import Picture, Pictures, State, States
from rflow.server.pages.overrides import NAME, VALUE
from rflow.server.pages.timeline import ROWS_MAX, bars
from rflow.server.tokens import Principal

TAIL = 200


class Gate(Struct, frozen=True):
    """A gate that waits; `may_not` is why a decision of who looks would not count, "" if it
    would."""

    asked: Asked
    may_not: str

    @property
    def behind(self) -> list[Behind]:
        """What it holds back: first what cannot be taken back, then what has another effect."""
        return sorted(self.asked.behind, key=_weight)


class Block(Struct, frozen=True):
    """The log of an attempt, or the end of it: `cut` where there is more before."""

    node: str
    attempt: int
    lines: list[Line]
    cut: bool


def parts(
    server: Server, pictures: Pictures, who: Principal, run: str, node: str, groups: str
) -> dict[str, Any]:
    """All that the page of a run shows."""
    service = server.services.here()
    records = service.records(run)
    state = service.fold(run, records)
    view = view_of(state, records)
    plan = state.graph.plan
    now = time.time()
    ended = view.phase == "ended"
    selected = None
    if node:
        try:
            selected = node_part(service, run, node)
        except StateError:
            selected = None
    folding = pictures.folding(plan, digest := state.created.plan)
    shown = selected["record"].view.plan_id if selected else ""
    toggled = folding.opened(frozenset(filter(None, groups.split(","))), shown)
    picture = pictures.of(plan, folding.closed(toggled), digest)
    return {
        "run": service.summary(run),
        "view": view,
        "plan": plan,
        "created": state.created,
        "folding": folding,
        "picture": picture,
        "shown": shown,
        "box_states": _box_states(picture, view),
        "toggled": toggled,
        "bars": bars(view, now)[:ROWS_MAX],
        "left_out": max(0, len(view.nodes) - ROWS_MAX),
        "counts": _counts(view),
        "gates": gates(service, who, state) if not ended else [],
        "selected": selected,
        "node": node if selected else "",
        "blocks": log_blocks(service, run, records, TAIL) if selected is None else [],
        "head": chain.shown(service.journal.head(run)),
        "story": [one for one in why(state, records, service.host.filters()) if one.what][-60:],
        "undo_left": service.undo_left(run) if ended and view.status != "success" else [],
        "failed": [n for n in view.nodes if n.status == "failed" and not n.warning],
        "undone": [
            n.id.removeprefix("undo:") for n in view.nodes if n.undo and n.status == "success"
        ],
        "stayed": [n for n in view.nodes if n.undo and n.status == "skipped"],
        "triggers": _triggers(state),
        "driven": ended
        or service.journal.claimed(run) is not None
        or run in service.journal.notes(NOTE),
        "trouble": server.drivers.trouble(run),
        "ended": ended,
        "sentence": sentence,
        "rolled": _rolled(service, view),
        "back": _rollbacks_to(service, view) if ended else [],
        "changed": _filled_in(state) if server.catalog.flow(view.flow) is not None else "",
        "trigger": str(view.trigger.get("kind", "manual")),
        "held": sentence(view.held),
        "because": sentence(view.reason),
    }


def _box_states(picture: Picture | None, view: RunView) -> dict[str, State]:
    if picture is None:
        return {}
    states = States(view)
    return {box.id: states.of(box.members) for box in picture.boxes}


def _counts(view: RunView) -> dict[str, int]:
    counts: dict[str, int] = {}
    for node in view.nodes:
        counts[node.status] = counts.get(node.status, 0) + 1
    return counts


def gates(service: Service, who: Principal, state: RunState) -> list[Gate]:
    """The gates of a run that wait."""
    found = []
    for gate in service.waiting_gates(state):
        asked = asking.asked(service, state.created.run, gate)
        found.append(Gate(asked, asking.may_not(service, asked, who.name) or ""))
    return found


def _weight(node: Behind) -> int:
    if node.effect is None:
        return 2
    return 0 if node.contract in ("irreversible", "none") else 1


def node_part(service: Service, run: str, node: str) -> dict[str, Any]:
    """All that is kept of a node, with the end of its log."""
    record = service.node(run, node)
    id, attempt = record.view.id, record.view.attempt
    lines = tail(service, run, id, attempt, TAIL) if attempt else []
    return {
        "record": record,
        "why": service.why(run, id),
        "log": Block(id, attempt, lines[-TAIL:], len(lines) > TAIL),
        "sentence": sentence,
    }


def tail(service: Service, run: str, node: str, attempt: int, count: int) -> list[Line]:
    """The last lines of an attempt's log; one more than `count` if there are more."""
    logs, offset = Logs(service.state), 0
    found: list[Line] = []
    while True:
        lines, after = logs.read(run, node, attempt, offset)
        if after == offset:
            return found
        found, offset = [*found, *lines][-count - 1 :], after


def log_blocks(service: Service, run: str, records: Sequence[Record], count: int) -> list[Block]:
    """The ends of the logs of a run's attempts, at most `count` lines, the last attempts first
    in being kept."""
    begun = [r.event for r in records if isinstance(r.event, AttemptStarted)]
    found: list[Block] = []
    for event in reversed(begun):
        if count <= 0:
            break
        lines = tail(service, run, event.node, event.attempt, count)
        if lines:
            found.append(Block(event.node, event.attempt, lines[-count:], len(lines) > count))
            count -= len(lines)
    return found[::-1]


def _rolled(service: Service, view: RunView) -> dict[str, Any]:
    """Where a rollback went back to, and from."""
    if view.kind != "rollback":
        return {}
    listed = view.trigger.get("from")
    from_ = [str(run) for run in listed] if isinstance(listed, list) else []
    known = [service.journal.summary(run) for run in from_]
    return {
        "to": service.journal.summary(str(view.trigger.get("to"))),
        "from": [run for run in known if run is not None],
    }


def _rollbacks_to(service: Service, view: RunView) -> list[str]:
    if view.stage is None or view.status != "success":
        return []
    runs = service.runs(stage=view.stage, limit=50)
    return [
        run.run
        for run in runs
        if run.kind == "rollback"
        and run.status == "success"
        and run.created_at > view.created_at
        and service.fold(run.run).created.trigger.get("to") == view.run
    ]


def _filled_in(state: RunState) -> str:
    """The form of the flow, filled in as it was for this run."""
    types = {arg.name: arg.type for arg in state.graph.plan.args}
    found = [
        (f"arg.{name}", text(value, types.get(name, "")))
        for name, value in state.created.args.items()
        if value is not None
    ]
    for trigger, fields in _triggers(state).items():
        for name in ("branch", "sha", "pull_request"):
            if (said := fields.get(name)) is not None:
                found.append((f"trigger.{trigger}.{name}", str(said)))
    for node, inputs in state.created.overrides.items():
        for name, value in inputs.items():
            found += [(NAME, f"{node}.{name}"), (VALUE, text(value))]
    return urlencode(found)


def _triggers(state: RunState) -> dict[str, dict[str, Json]]:
    """What the run's triggers said, without what is not there; `trigger` is another name for the
    one that started the run."""
    found: dict[str, dict[str, Json]] = {}
    for trigger, fields in state.created.triggers.items():
        said: dict[str, Json] = {name: of for name, of in fields.items() if of is not None}
        if said and said not in found.values():
            found[trigger] = said
    return found
