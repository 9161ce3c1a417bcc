"""The first page: the stages of each pipeline side by side, with what is deployed and what runs."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec import Struct, field
from rflow.compiler.plan import Stage
from rflow.runner.inbox import inbox
from rflow.runner.journal import RunSummary
from rflow.runner.ledger import Held
from rflow.runner.releasing import StageView
from rflow.runner.service import Service
from rflow.server.catalog import Served
from rflow.server.pages import words
from rflow.server.pages.look import render
from rflow.server.pages.who import View
from rflow.server.reach import of

router = APIRouter(include_in_schema=False)
RECENT = 8
LATELY = 8


class Column(Struct):
    """A stage of a pipeline. `view` is None while no run was created for it; `going` are its runs
    that have not ended, `recent` its last ones, the oldest first; `promote` says what the stage
    before it has that this one has not."""

    name: str
    short: str
    protected: bool = False
    before: str | None = None
    view: StageView | None = None
    deployed: list[Held] = field(default_factory=list)
    going: list[RunSummary] = field(default_factory=list)
    recent: list[RunSummary] = field(default_factory=list)
    flows: list[str] = field(default_factory=list)
    promote: str = ""


@router.get("/")
def pipelines(request: Request, who: View) -> Response:
    """All pipelines."""
    server = of(request)
    service = server.services.here()
    kept = request.app.state.kept
    found = known_columns(request)
    waiting = kept.of(service, "inbox", lambda: inbox(service))
    return render(
        "pipelines.html",
        request,
        pipelines=found,
        refused=server.catalog.refused(),
        asked={asked.run.run for asked in waiting},
        recent=service.runs(limit=LATELY),
    )


def known_columns(request: Request) -> list[tuple[str, list[Column]]]:
    """The stages of each pipeline, worked out anew where anything has changed."""
    server = of(request)
    service, flows = server.services.here(), server.catalog.flows()
    key = "pipelines", tuple((served.flow, served.plan.stage) for served in flows)
    found: list[tuple[str, list[Column]]] = request.app.state.kept.of(
        service, key, lambda: columns(service, flows)
    )
    return found


def columns(service: Service, flows: tuple[Served, ...]) -> list[tuple[str, list[Column]]]:
    """The stages of each pipeline, in its order: those of flows, and those that runs were for."""
    found: dict[str, Column] = {}
    for served in flows:
        if served.plan.stage is not None:
            column = _column(found, served.plan.stage)
            column.flows.append(served.flow)
    for name in service.journal.stages():
        if name not in found:
            last = service.runs(stage=name, limit=1)[0]
            stage = service.fold(last.run).graph.plan.stage
            if stage is not None:
                _column(found, stage)
        _fill(service, found[name])
    pipelines: dict[str, list[Column]] = {}
    for column in sorted(found.values(), key=lambda c: (_depth(c, found), c.name)):
        before = found.get(_name_before(column))
        if before is not None:
            column.promote = _promote(before, column)
        pipelines.setdefault(column.name.partition(".")[0], []).append(column)
    return sorted(pipelines.items())


def _column(found: dict[str, Column], stage: Stage) -> Column:
    name = f"{stage.pipeline}.{stage.name}"
    column = found.setdefault(name, Column(name, stage.name))
    column.protected, column.before = stage.protected, stage.before
    return column


def _fill(service: Service, column: Column) -> None:
    column.view = view = service.stage(column.name)
    column.deployed = [held for held in view.resources if held.value is not None or held.doubt]
    column.going = service.runs(stage=column.name, concluded=False, limit=20)
    column.recent = service.runs(stage=column.name, limit=RECENT)[::-1]


def _name_before(column: Column) -> str:
    return f"{column.name.partition('.')[0]}.{column.before}" if column.before else ""


def _depth(column: Column, found: dict[str, Column]) -> int:
    depth, at = 0, found.get(_name_before(column))
    while at is not None and depth < len(found):
        depth, at = depth + 1, found.get(_name_before(at))
    return depth


def _promote(before: Column, column: Column) -> str:
    """What the stage before has of the resources of this one that this one has not."""
    here = {words.resource(held.resource, column.name): held for held in column.deployed}
    new = [
        held
        for held in before.deployed
        if (mine := here.get(words.resource(held.resource, before.name))) is None
        or mine.value != held.value
    ]
    if not new or before.view is None:
        return ""
    versions = {before.view.versions.get(held.run, "") for held in new} - {""}
    what = ", ".join(sorted(words.value(version) for version in versions))
    names = ", ".join(words.resource(held.resource, before.name) for held in new)
    return f"{before.short} has {what or 'another value'} of {names}"
