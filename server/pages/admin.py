"""What admins look at: tokens, the audit log, what of the state folder could go."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import Response
from rflow.runner import gc
from rflow.runner.problems import StateError
from rflow.server import actions_flows, audit, tokens
from rflow.server.pages.forms import Posted
from rflow.server.pages.look import changed, render
from rflow.server.pages.who import Admin
from rflow.server.reach import of
from rflow.server.tokens import ROLES, Made

router = APIRouter(include_in_schema=False)
LISTED = 50
DAY_S = 86400.0
LASTS = {"": None, "1": DAY_S, "7": 7 * DAY_S, "30": 30 * DAY_S, "365": 365 * DAY_S}


@router.get("/tokens")
def show_tokens(request: Request, who: Admin) -> Response:
    """All tokens, without their secrets."""
    return _page(request)


def _page(
    request: Request,
    *,
    made: Made | None = None,
    problem: StateError | None = None,
    status: int = 200,
) -> Response:
    return render(
        "tokens.html",
        request,
        status,
        tokens=tokens.listed(of(request).store),
        roles=ROLES,
        made=made,
        problem=problem,
    )


@router.post("/tokens")
def make_token(request: Request, who: Admin, form: Posted) -> Response:
    """Make a token; the page that answers is the only place where its secret is shown."""
    lasts = LASTS.get(form.text("lasts"))
    try:
        made = actions_flows.make_token(
            of(request),
            who,
            form.text("name"),
            form.text("role"),
            expires_at=None if lasts is None else time.time() + lasts,
        )
    except StateError as error:
        return _page(request, problem=error, status=422)
    return _page(request, made=made)


@router.post("/tokens/{id}/revoke")
def revoke_token(request: Request, who: Admin, id: str, form: Posted) -> Response:
    """End a token, and the sessions that were opened with it."""
    actions_flows.revoke_token(of(request), who, id)
    return changed(request, "/tokens")


@router.post("/tokens/{id}/rotate")
def rotate_token(request: Request, who: Admin, id: str, form: Posted) -> Response:
    """Give a token another secret."""
    return _page(request, made=actions_flows.rotate_token(of(request), who, id))


@router.get("/audit")
def show_audit(request: Request, who: Admin, before: int | None = None) -> Response:
    """Who changed what, the newest first."""
    found = audit.listed(of(request).store, limit=LISTED + 1, before=before)
    return render(
        "audit.html",
        request,
        entries=found[:LISTED],
        more=found[LISTED - 1].seq if len(found) > LISTED else 0,
        before=before,
    )


@router.get("/gc")
def show_garbage(request: Request, who: Admin) -> Response:
    """What `rflow gc` would remove, and why the rest stays."""
    service = of(request).services.here()
    found = gc.find(service.journal, service.state, gc.Keep(), time.time())
    return render("gc.html", request, found=found, shown=LISTED)
