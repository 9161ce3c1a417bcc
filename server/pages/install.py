"""Putting the pages into the application: their routes, sessions, headers, and errors as pages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from rflow.runner.problems import StateError
from rflow.server.pages import (
    admin,
    approvals,
    entry,
    flows,
    live,
    pipelines,
    records,
    run_form,
    runs,
    stages,
    told,
)
from rflow.server.pages.choices import Chooser
from rflow.server.pages.graph import Pictures
from rflow.server.pages.kept import Kept
from rflow.server.pages.look import Headers, render
from rflow.server.pages.who import SAFE, session_of
from rflow.server.problems import Answer, of_state_error
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

PARTS = (entry, live, pipelines, run_form, flows, stages, runs, records, approvals, told, admin)
NOT_PAGES = ("/api/", "/release-flows/", "/hooks/", "/static/")
TITLES = {404: "There is no such page", 405: "This page takes no such request"}

log = logging.getLogger("rflow.server")


def install(app: FastAPI) -> None:
    """Let an application have the pages; to be called after `problems.install`."""
    app.state.session = session_of
    app.state.kept = Kept()
    app.state.pictures = Pictures()
    app.state.choices = Chooser()
    app.user_middleware.insert(0, Middleware(Headers))
    for part in PARTS:
        app.include_router(part.router)
    for kind in (Answer, StateError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _page_or(app.exception_handlers[kind]))
    app.add_exception_handler(Exception, _fault)


def _page_or(otherwise: Any) -> Callable[[Request, Exception], Response]:
    def handle(request: Request, error: Exception) -> Response:
        if not _wants_page(request):
            answer: Response = otherwise(request, error)
            return answer
        return _error_page(request, error)

    return handle


def _wants_page(request: Request) -> bool:
    path = request.url.path
    if any(path.startswith(prefix) for prefix in NOT_PAGES):
        return False
    return "text/html" in request.headers.get("accept", "")


def _error_page(request: Request, error: Exception) -> Response:
    if isinstance(error, StateError):
        error = of_state_error(error)
    if isinstance(error, HTTPException):
        title = TITLES.get(error.status_code, str(error.detail))
        error = Answer(error.status_code, title)
    if not isinstance(error, Answer):
        error = Answer(400, "the address cannot be understood")
    if error.status == 401:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        query = f"?{urlencode({'next': here})}" if request.method in SAFE and here != "/" else ""
        return RedirectResponse(f"/sign-in{query}", 303)
    body = error.body
    return render(
        "error.html",
        request,
        error.status,
        code=error.status,
        title=body["title"],
        detail=body.get("detail", ""),
        help=body.get("help", ""),
        errors=body.get("errors", []),
    )


def _fault(request: Request, error: Exception) -> Response:
    log.exception("a fault of rflow's own", exc_info=error)
    title = "Something went wrong in rflow itself"
    if not _wants_page(request):
        return Answer(500, title).response()
    help = "The server's log says more. Runs are not touched by it: they go on."
    return render(
        "error.html", request, 500, code=500, title=title, detail="", help=help, errors=[]
    )
