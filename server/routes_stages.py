"""The API of stages and gates: what is deployed, what to go back to, what waits for people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from msgspec import structs
from pydantic import BaseModel, Field
from rflow.compiler.plan import Stage
from rflow.runner.inbox import Asked, inbox, may_not
from rflow.runner.journal import Lock, RunSummary
from rflow.runner.releasing import Release, StageView
from rflow.runner.rollback import Rollback
from rflow.server import actions_stages
from rflow.server.access import Approve, View
from rflow.server.answers import answer, cursor, page, pages, problems, read_cursor, shape
from rflow.server.core import Server
from rflow.server.reach import of
from rflow.server.shapes import LIMIT_MAX, Reason, RunId, Wanted

router = APIRouter(prefix="/api/v1", tags=["stages"])

StageName = Annotated[
    str, Path(max_length=200, description="`pipeline.stage`.", examples=["shop.production"])
]


class Gate(shape(Asked)):  # type: ignore[misc]
    """A gate that waits. `why_not` is why a decision of the one who asks would not count, "" if
    it would."""

    why_not: str


class Pipeline(BaseModel):
    """A pipeline with its stages, in order; `runs` are those of each stage that go on."""

    pipeline: str
    stages: list[shape(StageView)]  # type: ignore[valid-type]
    runs: dict[str, list[shape(RunSummary)]]  # type: ignore[valid-type]


class RollbackPlan(shape(Rollback)):  # type: ignore[misc]
    """What going back takes. `open` must be acknowledged; `going` are runs on the stage that would
    have to be cancelled first; `policy` says who has to confirm."""

    open: list[str]
    going: list[str]
    policy: shape(Stage)  # type: ignore[valid-type]


class GoBack(Wanted):
    """A rollback. `acknowledge` names what stays as it is; `confirm` is the name of the one who
    does it, where the stage is protected; `with_flow` puts the release's flow back as well."""

    reason: Reason = ""
    only: list[str] = Field(default=[], max_length=10_000)
    acknowledge: list[str] = Field(default=[], max_length=10_000)
    cancel_running: bool = False
    with_flow: bool = False
    confirm: str = ""


class WentBack(BaseModel):
    """The run that goes back; null where the stage is as it was and nothing is to be done."""

    run: str | None


class Freeze(Wanted):
    """`until` is seconds since 1970."""

    until: float = Field(gt=0, lt=1e11, examples=[1790000000.0])
    reason: Reason


class Because(Wanted):
    """Why; it is kept."""

    reason: Reason


@router.get("/approvals", response_model=pages(Gate), responses=problems(), tags=["approvals"])
def approvals(request: Request, who: View) -> Response:
    """The gates that wait, of all runs, those whose time ends first before the others."""
    service = of(request).services.here()
    return page(
        [
            {**structs.asdict(asked), "why_not": may_not(service, asked, who.name) or ""}
            for asked in inbox(service)
        ]
    )


@router.get("/stages", response_model=pages(shape(StageView)), responses=problems())
def list_stages(request: Request, who: View) -> Response:
    """The stages that runs were created for, with what is on them."""
    return page(of(request).services.here().stages())


@router.get("/pipelines", response_model=pages(Pipeline), responses=problems())
def pipelines(request: Request, who: View) -> Response:
    """The pipelines, their stages side by side."""
    service = of(request).services.here()
    found: dict[str, list[StageView]] = {}
    for view in service.stages():
        found.setdefault(view.stage.partition(".")[0], []).append(view)
    return page(
        [
            {
                "pipeline": pipeline,
                "stages": views,
                "runs": {
                    view.stage: service.runs(stage=view.stage, concluded=False, limit=LIMIT_MAX)
                    for view in views
                },
            }
            for pipeline, views in found.items()
        ]
    )


@router.get("/stages/{stage}", response_model=shape(StageView), responses=problems(404))
def show_stage(request: Request, who: View, stage: StageName) -> Response:
    """A stage."""
    service = of(request).services.here()
    return answer(service.stage(service.find_stage(stage)))


@router.get(
    "/stages/{stage}/releases", response_model=pages(shape(Release)), responses=problems(404)
)
def releases(
    request: Request,
    who: View,
    stage: StageName,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=200)] = None,
) -> Response:
    """The runs of a stage, the newest first, with why each is no target of a rollback."""
    service = of(request).services.here()
    before = read_cursor("run", cursor_)
    found = service.releases(service.find_stage(stage), limit + 1, before)
    shown = found[:limit]
    return page(shown, cursor("run", shown[-1].run.run) if len(found) > limit else None)


@router.put(
    "/stages/{stage}/freeze",
    response_model=shape(StageView),
    responses=problems(404, 409, 413, 415),
)
def freeze(request: Request, who: Approve, stage: StageName, wanted: Freeze) -> Response:
    """Let no effect begin on a stage until a time."""
    server = of(request)
    actions_stages.freeze(server, who, stage, until=wanted.until, reason=wanted.reason)
    return _stage(server, stage)


@router.delete(
    "/stages/{stage}/freeze", response_model=shape(StageView), responses=problems(404, 409)
)
def thaw(request: Request, who: Approve, stage: StageName) -> Response:
    """End the freeze of a stage."""
    server = of(request)
    actions_stages.thaw(server, who, stage)
    return _stage(server, stage)


def _stage(server: Server, stage: str) -> Response:
    service = server.services.here()
    return answer(service.stage(service.find_stage(stage)))


# -- going back ----------------------------------------------------------------------------------


@router.get("/runs/{run}/rollback", response_model=RollbackPlan, responses=problems(404, 409))
def plan_rollback(
    request: Request,
    who: View,
    run: RunId,
    only: Annotated[list[str], Query()] = [],  # noqa: B006
) -> Response:
    """What going back to a release takes. Touches nothing."""
    server = of(request)
    service = server.services.here()
    found = actions_stages.rollback_plan(server, run, only)
    going = service.runs(stage=found.stage, concluded=False, limit=LIMIT_MAX)
    return answer(
        {
            **structs.asdict(found),
            "open": found.unacknowledged(()),
            "going": [other.run for other in going if other.started_at is not None],
            "policy": service.fold(run).graph.plan.stage,
        }
    )


@router.post(
    "/runs/{run}/rollback",
    status_code=201,
    response_model=WentBack,
    responses=problems(404, 409, 413, 415),
)
def rollback(request: Request, who: Approve, run: RunId, wanted: GoBack) -> Response:
    """Start the run that goes back to a release. Everything against it is refused before."""
    new = actions_stages.rollback(
        of(request),
        who,
        run,
        reason=wanted.reason,
        only=wanted.only,
        acknowledge=wanted.acknowledge,
        cancel_running=wanted.cancel_running,
        with_flow=wanted.with_flow,
        confirm=wanted.confirm,
    )
    return answer({"run": new}, 201)


@router.post("/runs/{run}/lift", status_code=204, responses=problems(404, 409, 413, 415))
def lift(request: Request, who: Approve, run: RunId, wanted: Because) -> Response:
    """Let what a rollback took away when this run was rolled back come back to its stage."""
    actions_stages.lift(of(request), who, run, reason=wanted.reason)
    return Response(status_code=204)


@router.get("/locks", response_model=pages(shape(Lock)), responses=problems(), tags=["runs"])
def locks(request: Request, who: View) -> Response:
    """The locks that are held."""
    return page(of(request).services.here().locks())
