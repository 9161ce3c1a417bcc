"""A stage: what is on it, its releases and the way back to one; stopping the line."""

from __future__ import annotations

import datetime
import re
import time

from fastapi import APIRouter, Request
from fastapi.responses import Response
from rflow.runner.inbox import inbox
from rflow.runner.problems import StateError
from rflow.runner.service import Service
from rflow.server import actions_stages
from rflow.server.pages.forms import Form, Posted
from rflow.server.pages.look import changed, render
from rflow.server.pages.pipelines import known_columns
from rflow.server.pages.who import Approve, View
from rflow.server.problems import Answer
from rflow.server.reach import of
from rflow.server.refusals import BAD_END

router = APIRouter(include_in_schema=False)
LISTED, LISTED_MAX = 25, 400
NO_STAGE = "there is no stage `{}`"
_LENGTH = re.compile(r"(?:\d+[smhd])+")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@router.get("/stages/{stage}")
def show(request: Request, who: View, stage: str, limit: int = LISTED) -> Response:
    """A stage with its releases."""
    return _page(request, stage, limit=limit)


def _page(
    request: Request,
    stage: str,
    *,
    limit: int = LISTED,
    problem: StateError | None = None,
    status: int = 200,
) -> Response:
    server = of(request)
    service = server.services.here()
    found = {column.name: column for _, group in known_columns(request) for column in group}
    if stage not in found:
        raise Answer(404, NO_STAGE.format(stage), help="the pipelines show those there are")
    limit = max(1, min(limit, LISTED_MAX))
    releases = service.releases(stage, limit + 1) if found[stage].view is not None else []
    kept = request.app.state.kept
    waiting = kept.of(service, "inbox", lambda: inbox(service))
    return render(
        "stage.html",
        request,
        status,
        stage=found[stage],
        releases=releases[:limit],
        more=min(limit * 2, LISTED_MAX) if len(releases) > limit else 0,
        quarantine=_quarantine(service, found[stage].view),
        asked={asked.run.run for asked in waiting},
        problem=problem,
    )


def _quarantine(service: Service, view: object) -> list[dict[str, object]]:
    held = getattr(view, "quarantine", {})
    return [{"run": service.journal.summary(run), "id": run, **body} for run, body in held.items()]


@router.post("/stages/{stage}/freeze")
def freeze(request: Request, who: Approve, stage: str, form: Posted) -> Response:
    """Let no effect begin on it until a time."""
    try:
        until = _until(form.text("until"))
        actions_stages.freeze(
            of(request), who, stage, until=until, reason=form.text("reason").strip()
        )
    except StateError as error:
        return _page(request, stage, problem=error, status=422)
    return changed(request, f"/stages/{stage}")


def _until(text: str) -> float:
    """`4h`, or a time as a browser's field has it, in UTC."""
    text, now = text.strip().lower(), time.time()
    if _LENGTH.fullmatch(text):
        parts = re.findall(r"(\d+)([smhd])", text)
        return now + sum(int(number) * _UNITS[unit] for number, unit in parts)
    try:
        at = datetime.datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        raise StateError(
            BAD_END,
            f"`{text}` is neither a length nor a time",
            "a length is `4h` or `1h30m`, a time `2026-03-01T09:00+01:00`",
        ) from None


@router.post("/stages/{stage}/thaw")
def thaw(request: Request, who: Approve, stage: str, form: Posted) -> Response:
    """End the freeze."""
    actions_stages.thaw(of(request), who, stage)
    return changed(request, f"/stages/{stage}")


@router.post("/stages/{stage}/lift")
def lift(request: Request, who: Approve, stage: str, form: Posted) -> Response:
    """Let what a rollback took away come back."""
    reason = form.text("reason").strip()
    actions_stages.lift(of(request), who, form.text("run"), reason=reason)
    return changed(request, f"/stages/{stage}")


# -- back to a release -----------------------------------------------------------------------------


@router.get("/runs/{run}/rollback")
def rollback_page(request: Request, who: View, run: str) -> Response:
    """What going back to a release takes, before it is done."""
    only = request.query_params.getlist("only")
    return _rollback_page(request, run, Form([("only", one) for one in only]))


def _rollback_page(
    request: Request, run: str, form: Form, problem: StateError | None = None
) -> Response:
    server = of(request)
    service = server.services.here()
    only = form.texts("only")
    try:
        plan = actions_stages.rollback_plan(server, run, only)
        whole = actions_stages.rollback_plan(server, run) if only else plan
    except StateError as error:
        return render(
            "rollback.html",
            request,
            409,
            run=service.summary(run),
            plan=None,
            problem=error,
        )
    stage = service.fold(run).graph.plan.stage
    runs = {step.by_now for step in plan.steps} | {step.run for step in plan.steps}
    return render(
        "rollback.html",
        request,
        409 if problem else 200,
        run=plan.target,
        plan=plan,
        whole=whole,
        only=only,
        stage=stage,
        versions={one: service.version(one) for one in runs if one},
        names={one: service.summary(one) for one in runs if one},
        going=service.runs(stage=plan.stage, concluded=False, limit=20),
        acknowledged=form.texts("acknowledge"),
        reason=form.text("reason"),
        can_hold=True,
        problem=problem,
    )


@router.post("/runs/{run}/rollback")
def rollback(request: Request, who: Approve, run: str, form: Posted) -> Response:
    """Start the run that goes back to a release."""
    try:
        new = actions_stages.rollback(
            of(request),
            who,
            run,
            reason=form.text("reason").strip(),
            only=form.texts("only"),
            acknowledge=form.texts("acknowledge"),
            cancel_running="cancel_running" in form,
            confirm=form.text("confirm").strip(),
            with_flow="with_flow" in form,
        )
    except StateError as error:
        return _rollback_page(request, run, form, error)
    return changed(request, f"/runs/{new or run}")
