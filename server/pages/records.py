"""The record of a run, verified; what differs between two runs. Nothing here writes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from rflow.runner.chain import read_head
from rflow.runner.compare import compare_runs
from rflow.runner.problems import StateError
from rflow.server.pages.look import render
from rflow.server.pages.who import View
from rflow.server.reach import of

router = APIRouter(include_in_schema=False)
OTHERS = 50


@router.get("/runs/{run}/verify")
def verify(request: Request, who: View, run: str, head: str = "") -> Response:
    """Whether the record says what it said once; `head` is one that somebody kept."""
    service = of(request).services.here()
    summary, problem, found = service.summary(run), "", None
    try:
        found = service.verify(run, read_head(head) if head.strip() else "")
    except ValueError as error:
        problem = f"{error}; copy it whole from where the run ended"
    return render(
        "run_verify.html",
        request,
        422 if problem else 200,
        run=summary,
        found=found,
        head=head,
        problem=problem,
    )


@router.get("/runs/{run}/diff")
def diff(request: Request, who: View, run: str, other: str = "") -> Response:
    """What differs between another run, before, and this one, now; first of all, which run."""
    service = of(request).services.here()
    summary, problem, found = service.summary(run), None, None
    others = service.runs(flow=summary.flow, before=run, limit=OTHERS)
    before = other.strip() or next((one.run for one in others), "")
    if before:
        try:
            before = service.resolve(before)
            found = compare_runs(service.fold(before), service.fold(run))
        except StateError as error:
            problem = error
    return render(
        "run_diff.html",
        request,
        404 if problem else 200,
        run=summary,
        others=others,
        before=before,
        one=service.journal.summary(before),
        found=found,
        problem=problem,
    )
