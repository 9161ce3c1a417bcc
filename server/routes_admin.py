"""The API of the server itself: who I am, tokens, the audit log, what is installed, what is old."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from rflow.compiler.codes import all_codes as of_compiler
from rflow.dsl.diagnostics import Code
from rflow.plugins.discovery import CODES as of_plugins
from rflow.runner import gc
from rflow.runner.gc import Garbage, Keep
from rflow.runner.problems import PROBLEMS
from rflow.runner.refusals import REFUSALS
from rflow.server import actions_flows, audit, tokens
from rflow.server.access import Admin, View
from rflow.server.answers import answer, cursor, page, pages, problems, read_cursor, shape
from rflow.server.audit import Entry
from rflow.server.reach import of
from rflow.server.refusals import REFUSALS as OURS
from rflow.server.routes_flows import number
from rflow.server.shapes import LIMIT_MAX, Wanted
from rflow.server.tokens import Made, Role, Token

router = APIRouter(prefix="/api/v1", tags=["server"])

TokenId = Annotated[str, Path(max_length=40)]

Days = Annotated[int, Query(ge=0, le=36500, description="What is younger is kept.")]
Releases = Annotated[int, Query(ge=1, le=gc.ALL, description="So many of each stage are kept.")]
Folders = Annotated[int, Query(ge=0, le=gc.ALL, description="So many folders of runs are kept.")]


class Me(BaseModel):
    """Who calls, and as what."""

    name: str
    role: Role
    version: str = Field(examples=["0.1.0"])


class Make(Wanted):
    """A token to be made. `name` is who or what uses it, and stands at all that is done with it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "oncall@example.com", "role": "approve"}]},
    )

    name: str = Field(max_length=200)
    role: Role
    expires_at: float | None = Field(None, gt=0, lt=1e11, description="Seconds since 1970.")


class PluginShape(BaseModel):
    """A plugin, and what it provides."""

    name: str
    version: str
    entry_point: str
    hooks: list[str]
    provides: dict[str, list[str]]


@router.get("/me", response_model=Me, responses=problems())
def me(request: Request, who: View) -> Response:
    """Who the token belongs to."""
    return answer({"name": who.name, "role": who.role, "version": request.app.version})


@router.get("/tokens", response_model=pages(shape(Token)), responses=problems())
def list_tokens(request: Request, who: Admin) -> Response:
    """All tokens, without their secrets."""
    return page(tokens.listed(of(request).store))


@router.post("/tokens", status_code=201, response_model=shape(Made), responses=problems(413, 415))
def make_token(request: Request, who: Admin, wanted: Make) -> Response:
    """Make a token. Its secret is in this answer and nowhere else."""
    made = actions_flows.make_token(
        of(request), who, wanted.name, wanted.role, expires_at=wanted.expires_at
    )
    return answer(made, 201, Cache_Control="no-store")


@router.delete("/tokens/{id}", response_model=shape(Token), responses=problems(404))
def revoke_token(request: Request, who: Admin, id: TokenId) -> Response:
    """End a token at once."""
    return answer(actions_flows.revoke_token(of(request), who, id))


@router.post("/tokens/{id}/rotate", response_model=shape(Made), responses=problems(404))
def rotate_token(request: Request, who: Admin, id: TokenId) -> Response:
    """Give a token another secret; the old one ends at once."""
    made = actions_flows.rotate_token(of(request), who, id)
    return answer(made, Cache_Control="no-store")


@router.get("/audit", response_model=pages(shape(Entry)), responses=problems())
def list_audit(
    request: Request,
    who: Admin,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=200)] = None,
) -> Response:
    """Who changed what, the newest first."""
    before = number(read_cursor("audit", cursor_))
    found = audit.listed(of(request).store, limit=limit + 1, before=before)
    shown = found[:limit]
    return page(shown, cursor("audit", shown[-1].seq) if len(found) > limit else None)


@router.get("/gc", response_model=shape(Garbage), responses=problems())
def plan_gc(
    request: Request,
    who: Admin,
    days: Days = 30,
    keep_releases: Releases = 50,
    keep_runs: Folders = 50,
) -> Response:
    """What of the state nobody needs any more. Removes nothing."""
    service, keep = of(request).services.here(), Keep(days * gc.DAY_S, keep_releases, keep_runs)
    return answer(gc.find(service.journal, service.state, keep, time.time()))


@router.post("/gc", response_model=shape(Garbage), responses=problems())
def collect_garbage(
    request: Request,
    who: Admin,
    days: Days = 30,
    keep_releases: Releases = 50,
    keep_runs: Folders = 50,
) -> Response:
    """Remove what of the state nobody needs any more; what was removed. While a run is `driven`
    nothing is."""
    keep = Keep(days * gc.DAY_S, keep_releases, keep_runs)
    return answer(actions_flows.collect(of(request), who, keep))


@router.get("/plugins", response_model=pages(PluginShape), responses=problems())
def list_plugins(request: Request, who: View) -> Response:
    """The installed plugins with what they provide."""
    return page([_plugin(found) for found in of(request).host.plugins()])


def _plugin(found: Any) -> dict[str, Any]:
    return {
        "name": found.plugin.distribution,
        "version": found.plugin.version,
        "entry_point": found.plugin.value,
        "hooks": found.hooks,
        "provides": found.names,
    }


@router.get("/codes", response_model=pages(shape(Code)), responses=problems())
def list_codes(request: Request, who: View) -> Response:
    """The codes of all that can be wrong or refused, with why and, for flows, an example."""
    found: dict[str, Code] = dict(of_compiler())
    found |= {code.id: code for code in of_plugins.values()}
    for problem in (*PROBLEMS, *REFUSALS, *OURS):
        found[problem.id] = Code(problem.id, problem.title, problem.why)
    return page([found[id] for id in sorted(found)])
