"""The API of runs, to look at them: lists, states, records, nodes, logs, reasons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from msgspec import structs
from rflow.runner import events as ev
from rflow.runner.compare import RunDifference, compare_runs
from rflow.runner.events import Record
from rflow.runner.journal import RunSummary
from rflow.runner.service import Service
from rflow.runner.verdict import Verdict
from rflow.runner.view import NodeRecord, RunView
from rflow.runner.why import Because
from rflow.server.access import View
from rflow.server.answers import (
    answer,
    cursor,
    page,
    pages,
    problems,
    read_cursor,
    shape,
    tag,
    unchanged,
)
from rflow.server.core import Server
from rflow.server.problems import Answer
from rflow.server.reach import of
from rflow.server.shapes import (
    LIMIT_MAX,
    LogPart,
    RecordShape,
    RunId,
    RunItem,
    Status,
    UndoLeft,
)

router = APIRouter(prefix="/api/v1", tags=["runs"])


def with_drivers(service: Service, runs: Sequence[RunSummary]) -> list[dict[str, Any]]:
    """Runs with who drives them."""
    drivers = service.drivers(run.run for run in runs if not run.concluded)
    return [
        {**structs.asdict(run), "driver": driver}
        for run in runs
        for driver in [drivers.get(run.run)]
    ]


@router.get("/runs", response_model=pages(RunItem), responses=problems())
def list_runs(
    request: Request,
    who: View,
    flow: Annotated[str | None, Query(max_length=200)] = None,
    stage: Annotated[str | None, Query(max_length=200)] = None,
    status: Status | None = None,
    concluded: bool | None = None,
    named: Annotated[
        str | None, Query(max_length=200, description="The beginning of an id, or a name.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=200)] = None,
) -> Response:
    """List runs, the newest first."""
    service = of(request).services.here()
    if named is not None:
        return page(with_drivers(service, service.journal.find(named)[:limit]))
    found = service.runs(
        flow=flow,
        stage=stage,
        status=status,
        concluded=concluded,
        limit=limit + 1,
        before=read_cursor("run", cursor_),
    )
    shown = found[:limit]
    more = cursor("run", shown[-1].run) if len(found) > limit else None
    return page(with_drivers(service, shown), more)


def run_state(server: Server, run: str) -> dict[str, Any]:
    """A run with its head. StateError if there is none."""
    service = server.services.here()
    [found] = with_drivers(service, [service.summary(run)])
    return {**found, "head": service.journal.head(run), "trouble": server.drivers.trouble(run)}


@router.get("/runs/{run}/view", response_model=shape(RunView), responses=problems(404))
def view_run(request: Request, who: View, run: RunId) -> Response:
    """A run with its nodes and groups."""
    service = of(request).services.here()
    etag = tag("view", run, service.summary(run).length, service.journal.head(run))
    known = unchanged(request, etag)
    return known or answer(service.view(run), ETag=etag)


@router.get("/runs/{run}/records", response_model=pages(RecordShape), responses=problems(404))
def list_records(
    request: Request,
    who: View,
    run: RunId,
    after: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """The events of a run with numbers above `after`; `next` is the number to go on from."""
    service = of(request).services.here()
    service.summary(run)
    found = service.records(run, after)
    shown = [record_json(record) for record in found[:limit]]
    return page(shown, str(found[limit - 1].number) if len(found) > limit else None)


def record_json(record: Record) -> dict[str, Any]:
    """An event as the API has it. What is sealed is named, not shown."""
    body = json.loads(ev.encode(record.event))
    if body.get("sealed"):
        body["sealed"] = dict.fromkeys(body["sealed"], "")
    kind = type(record.event).__name__
    return {"number": record.number, "at": record.at, "kind": kind, "event": body}


@router.get(
    "/runs/{run}/nodes/{node:path}", response_model=shape(NodeRecord), responses=problems(404)
)
def show_node(request: Request, who: View, run: RunId, node: str) -> Response:
    """A node's record: code, inputs (secrets masked), response, retries."""
    return answer(of(request).services.here().node(run, node))


@router.get("/runs/{run}/why", response_model=pages(shape(Because)), responses=problems(404))
def why_run(request: Request, who: View, run: RunId, node: str | None = None) -> Response:
    """The recorded reasons of a run, or of one of its nodes."""
    return page(of(request).services.here().why(run, node))


@router.get("/runs/{run}/log", response_model=LogPart, responses=problems(404))
def read_log(
    request: Request,
    who: View,
    run: RunId,
    node: Annotated[str, Query(max_length=1000)],
    attempt: Annotated[int, Query(ge=1, le=1 << 30)] = 1,
    offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
) -> Response:
    """Lines of an attempt's log from an offset on, about 1 MB of them at most."""
    service = of(request).services.here()
    service.summary(run)
    lines, after = service.read_log(run, node, attempt, offset)
    return answer({"lines": lines, "offset": after})


@router.get("/runs/{run}/verify", response_model=shape(Verdict), responses=problems(404))
def verify_run(
    request: Request, who: View, run: RunId, head: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Verify the record of a run, against a head if one is given."""
    from rflow.runner.chain import read_head

    service = of(request).services.here()
    service.summary(run)
    try:
        given = read_head(head) if head else ""
    except ValueError as error:
        raise Answer(422, str(error), help="copy it whole from where the run ended") from None
    return answer(service.verify(run, given))


@router.get("/runs/{run}/diff", response_model=shape(RunDifference), responses=problems(404))
def diff_runs(
    request: Request,
    who: View,
    run: RunId,
    other: Annotated[str, Query(max_length=64, description="The run to compare with.")],
) -> Response:
    """What differs between two runs: values, versions, sources, outcomes."""
    service: Service = of(request).services.here()
    return answer(compare_runs(service.fold(run), service.fold(other)))


@router.get(
    "/plans/{digest}", response_model=dict[str, Any], responses=problems(404), tags=["runs"]
)
def show_plan(
    request: Request, who: View, digest: Annotated[str, Path(max_length=100)]
) -> Response:
    """A plan by its digest, as `rflow compile --format json` writes it."""
    etag = tag("plan", digest)
    try:
        data = of(request).services.here().journal.plan(digest)
    except KeyError:
        raise Answer(404, f"there is no plan `{digest}`", help="a run names its own") from None
    known = unchanged(request, etag)
    return known or Response(data, media_type="application/json", headers={"ETag": etag})


@router.get("/runs/{run}/undo", response_model=UndoLeft, responses=problems(404))
def undo_left(request: Request, who: View, run: RunId) -> Response:
    """What an ended run did that could be undone and was not."""
    return answer({"nodes": of(request).services.here().undo_left(run)})
