"""The API of runs, to ask things of them: start, cancel, decide, run again.

Each route is an action of `actions`; what it may be and who may is settled here.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Header, Request, Response
from rflow.runner.retry import RetryPreview
from rflow.server import actions
from rflow.server.access import Approve, Run, View
from rflow.server.answers import answer, problems, shape
from rflow.server.core import Server
from rflow.server.reach import of
from rflow.server.routes_runs import run_state
from rflow.server.shapes import (
    Cancel,
    Decide,
    Decided,
    Edit,
    LetPass,
    Retry,
    RunId,
    RunState,
    Started,
    StartRun,
    Tell,
)

router = APIRouter(prefix="/api/v1", tags=["runs"])


@router.post(
    "/runs", status_code=201, response_model=Started, responses=problems(404, 409, 413, 415)
)
def start_run(
    request: Request,
    who: Run,
    wanted: StartRun,
    key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            max_length=200,
            description="Names this request: sent again, it starts no second run.",
        ),
    ] = "",
) -> Response:
    """Start a run of a served flow."""
    server = of(request)
    started = actions.start_run(
        server,
        who,
        wanted.flow,
        args=wanted.args,
        overrides=wanted.overrides,
        triggers=wanted.triggers,
        name=wanted.name,
        description=wanted.description,
        key=key,
    )
    again = {"Idempotency_Replayed": "true"} if started.again else {}
    return answer(_started(server, started.run), 201, **again)


def _started(server: Server, run: str) -> dict[str, str]:
    base = server.config.url
    return {"run": run, "url": f"{base}/runs/{run}", "status_url": f"{base}/api/v1/runs/{run}"}


@router.patch("/runs/{run}", response_model=RunState, responses=problems(404, 413, 415))
def edit_run(request: Request, who: Run, run: RunId, wanted: Edit) -> Response:
    """Change a run's name or description."""
    server = of(request)
    actions.rename(server, who, run, name=wanted.name, description=wanted.description)
    return answer(run_state(server, run))


@router.post("/runs/{run}/cancel", response_model=RunState, responses=problems(404, 409, 413, 415))
def cancel_run(
    request: Request,
    who: Run,
    run: RunId,
    wanted: Annotated[Cancel, Body()] = Cancel(),  # noqa: B008
) -> Response:
    """Cancel a run: its attempts are ended, then its `finally` runs."""
    server = of(request)
    actions.cancel(server, who, run, rollback=wanted.rollback, reason=wanted.reason)
    return answer(run_state(server, run))


@router.post(
    "/runs/{run}/decisions", response_model=Decided, responses=problems(404, 409, 413, 415)
)
def decide(request: Request, who: Approve, run: RunId, wanted: Decide) -> Response:
    """Approve or reject a gate that waits."""
    gate = actions.decide(
        of(request),
        who,
        run,
        wanted.node,
        wanted.decision,
        comment=wanted.comment,
        round=wanted.round,
    )
    return answer({"node": gate})


@router.post("/runs/{run}/answers", response_model=RunState, responses=problems(404, 409, 413, 415))
def answer_for(request: Request, who: Run, run: RunId, wanted: Tell) -> Response:
    """Say what an attempt did that a crash cut off."""
    server = of(request)
    actions.answer(server, who, run, wanted.node, wanted.answer)
    return answer(run_state(server, run))


@router.post("/runs/{run}/pass", response_model=RunState, responses=problems(404, 409, 413, 415))
def let_pass(request: Request, who: Approve, run: RunId, wanted: LetPass) -> Response:
    """Let a node through that a freeze or a closed window holds."""
    server = of(request)
    actions.let_pass(server, who, run, wanted.node, reason=wanted.reason)
    return answer(run_state(server, run))


@router.post("/runs/{run}/resume", response_model=RunState, responses=problems(404, 409))
def resume_run(request: Request, who: Run, run: RunId) -> Response:
    """Let the server go on with a run that nobody drives."""
    server = of(request)
    actions.resume(server, who, run)
    return answer(run_state(server, run))


@router.post(
    "/runs/{run}/retry/preview",
    response_model=shape(RetryPreview),
    responses=problems(404, 409, 413, 415),
)
def preview_retry(
    request: Request,
    who: View,
    run: RunId,
    wanted: Annotated[Retry, Body()] = Retry(),  # noqa: B008
) -> Response:
    """What a retry would run again and what it would reuse. Changes nothing."""
    return answer(actions.retry_preview(of(request), run, wanted.node, wanted.overrides))


@router.post("/runs/{run}/retry", response_model=RunState, responses=problems(404, 409, 413, 415))
def retry_run(
    request: Request,
    who: Run,
    run: RunId,
    wanted: Annotated[Retry, Body()] = Retry(),  # noqa: B008
) -> Response:
    """Let an ended run go on from the nodes that failed, or from one."""
    server = of(request)
    actions.retry(server, who, run, wanted.node, wanted.overrides)
    return answer(run_state(server, run))


@router.post(
    "/runs/{run}/rerun", status_code=201, response_model=Started, responses=problems(404, 409)
)
def rerun(request: Request, who: Run, run: RunId) -> Response:
    """Start a new run with the plan, the arguments and the overrides of this one."""
    server = of(request)
    return answer(_started(server, actions.rerun(server, who, run)), 201)


@router.post("/runs/{run}/undo", response_model=RunState, responses=problems(404, 409))
def undo(request: Request, who: Approve, run: RunId) -> Response:
    """Undo what a run that did not end well has left."""
    server = of(request)
    actions.undo(server, who, run)
    return answer(run_state(server, run))
