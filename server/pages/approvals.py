"""What waits for people, of all runs, with what a decision on each is about."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from rflow.runner.inbox import inbox, may_not
from rflow.server.pages.look import render
from rflow.server.pages.run_parts import Gate
from rflow.server.pages.who import View
from rflow.server.reach import of

router = APIRouter(include_in_schema=False)


@router.get("/approvals")
def approvals(request: Request, who: View, decided: str = "") -> Response:
    """All gates that wait, those whose time ends first before the others; `decided` is the run
    whose gate was decided on right now."""
    service = of(request).services.here()
    waiting = request.app.state.kept.of(service, "inbox", lambda: inbox(service))
    gates = [Gate(asked, may_not(service, asked, who.name) or "") for asked in waiting]
    run = service.journal.summary(decided) if decided else None
    return render("approvals.html", request, gates=gates, decided=run)
