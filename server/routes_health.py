"""Whether the server is well, for what watches it: `/healthz`, `/readyz`, `/metrics`.

`/healthz` says that the process answers; `/readyz` that it can do its work; both say nothing that
is secret and need no token. `/metrics` holds names of flows and is for who may view.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from rflow.runner.problems import StateError
from rflow.server.access import View
from rflow.server.core import Server
from rflow.server.metrics import Metrics
from rflow.server.reach import of

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Whether the server can do its work. `checks` says of each part `ok`, or what is wrong."""

    status: Literal["ok", "failed"]
    checks: dict[str, str]


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """Whether the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=Ready, responses={503: {"model": Ready}})
def readyz(request: Request) -> Response:
    """Whether the journal and the server's own file can be read and written, and the flows are
    there."""
    server = of(request)
    checks = {
        name: _said(check, server)
        for name, check in (("journal", _journal), ("store", _store), ("flows", _flows))
    }
    good = all(said == "ok" for said in checks.values())
    body = {"status": "ok" if good else "failed", "checks": checks}
    return JSONResponse(body, 200 if good else 503)


@router.get("/metrics", response_class=Response)
def metrics(request: Request, who: View) -> Response:
    """What is measured, for Prometheus."""
    found = request.app.state.metrics
    assert isinstance(found, Metrics)
    return Response(found.text(), media_type=CONTENT_TYPE_LATEST)


def _said(check: Callable[[Server], None], server: Server) -> str:
    try:
        check(server)
    except StateError as error:
        return error.problem.title
    except (sqlite3.Error, OSError) as error:
        return type(error).__name__
    return "ok"


def _journal(server: Server) -> None:
    """An exclusive transaction in which nothing is written: refused where writing would be."""
    journal = server.services.here().journal
    with journal.admit():
        journal.runs(limit=1)


def _store(server: Server) -> None:
    with server.store.write() as db:
        db.execute("SELECT 1")


def _flows(server: Server) -> None:
    server.catalog.flows()
