"""The API of flows: what is served, what was refused, what is saved for them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from rflow.compiler.codec import digest, dumps, write_expr
from rflow.compiler.plan import Plan, Stage
from rflow.runner.line import pause_of
from rflow.runner.saved import shown_args
from rflow.server import actions_flows
from rflow.server.access import Admin, Run, View
from rflow.server.actions import served
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
from rflow.server.catalog import Refused, Served
from rflow.server.changes import FlowChange
from rflow.server.compiling import Told
from rflow.server.core import Server
from rflow.server.due import next_times
from rflow.server.problems import Answer
from rflow.server.reach import of
from rflow.server.shapes import LIMIT_MAX, Reason, Wanted

router = APIRouter(prefix="/api/v1", tags=["flows"])

DIGESTS_MAX = 256

FlowName = Annotated[str, Path(max_length=200, examples=["release"])]
ArgName = Annotated[str, Path(max_length=200, examples=["replicas"])]


class ArgShape(BaseModel):
    """An argument of a flow. `default` is its expression as the plan has it, null for none."""

    name: str
    type: str
    required: bool
    secret: bool
    doc: str
    default: Any


class TriggerShape(BaseModel):
    """A trigger of a flow; `inputs` are expressions as the plan has them. `next_due` is when a
    `cron` trigger is due next, in seconds since 1970, null for the others."""

    name: str
    kind: str
    doc: str
    inputs: dict[str, Any]
    next_due: float | None


class FlowShape(BaseModel):
    """A flow that is served. `held` is the run whose rollback brought it back, "" for none."""

    flow: str
    path: str
    revision: str
    held: str
    doc: str
    plan: str = Field(description="The digest of its plan.")
    concurrency: str
    stage: shape(Stage) | None  # type: ignore[valid-type]
    args: list[ArgShape]
    triggers: list[TriggerShape]
    warnings: list[shape(Told)]  # type: ignore[valid-type]
    paused: dict[str, Any] | None
    saved: dict[str, Any] = Field(description="Saved values of arguments, secret ones masked.")


class RefusedShape(BaseModel):
    """A file that was refused, what is wrong with it, and the flows that stay as they were."""

    path: str
    text: str
    told: list[shape(Told)]  # type: ignore[valid-type]
    kept: list[str]


class FlowList(BaseModel):
    """What is served, and what was refused."""

    items: list[FlowShape]
    refused: list[RefusedShape]
    revision: str


class Source(BaseModel):
    """The files of a flow, its own first."""

    path: str
    text: str


class Value(Wanted):
    """A value; text is read by the argument's type."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"value": 3}]})

    value: Any


class Pause(Wanted):
    """Why; it is kept."""

    reason: Reason = ""


_digests: dict[int, tuple[Plan, str]] = {}


def plan_digest(plan: Plan) -> str:
    """The digest of a plan that is served, worked out once. The plan is kept with it, so that no
    other one has its number."""
    known = _digests.get(id(plan))
    if known is None:
        if len(_digests) >= DIGESTS_MAX:
            _digests.clear()
        known = _digests[id(plan)] = (plan, digest(dumps(plan)))
    return known[1]


def flow_json(server: Server, found: Served) -> dict[str, Any]:
    """A flow as the API has it."""
    plan, journal = found.plan, server.services.here().journal
    due = next_times(plan, server.host, found.directory, time.time())
    return {
        "flow": found.flow,
        "path": found.path or found.file.name,
        "revision": found.revision,
        "held": found.held,
        "doc": found.doc,
        "plan": plan_digest(plan),
        "concurrency": plan.concurrency,
        "stage": plan.stage,
        "args": [
            {
                "name": arg.name,
                "type": arg.type,
                "required": arg.required,
                "secret": arg.secret,
                "doc": arg.doc,
                "default": None if arg.default is None else write_expr(arg.default),
            }
            for arg in plan.args
        ],
        "triggers": [
            {
                "name": trigger.name,
                "kind": trigger.kind,
                "doc": trigger.doc,
                "inputs": {name: write_expr(expr) for name, expr in trigger.inputs.items()},
                "next_due": due.get(trigger.name),
            }
            for trigger in plan.triggers
        ],
        "warnings": found.warnings,
        "paused": pause_of(journal, found.flow),
        "saved": shown_args(journal, plan),
    }


def _refused_json(server: Server, refused: Refused) -> dict[str, Any]:
    file, root = refused.file, server.catalog.root
    path = file.relative_to(root) if file.is_relative_to(root) else file.name
    return {"path": str(path), "text": refused.text, "told": refused.told, "kept": refused.kept}


@router.get("/flows", response_model=FlowList, responses=problems())
def list_flows(request: Request, who: View) -> Response:
    """The flows that are served, and the files that were refused."""
    server = of(request)
    return answer(
        {
            "items": [flow_json(server, found) for found in server.catalog.flows()],
            "refused": [_refused_json(server, refused) for refused in server.catalog.refused()],
            "revision": server.catalog.revision,
        }
    )


@router.get("/flows/{flow}", response_model=FlowShape, responses=problems(404))
def show_flow(request: Request, who: View, flow: FlowName) -> Response:
    """A flow: its stage, arguments, triggers, what is saved for it."""
    server = of(request)
    return answer(flow_json(server, served(server, flow)))


@router.get("/flows/{flow}/plan", response_model=dict[str, Any], responses=problems(404))
def plan_of_flow(request: Request, who: View, flow: FlowName) -> Response:
    """The plan of a flow: its graph, as `rflow compile --format json` writes it."""
    plan = served(of(request), flow).plan
    etag = tag("plan", plan_digest(plan))
    known = unchanged(request, etag)
    return known or Response(dumps(plan), media_type="application/json", headers={"ETag": etag})


@router.get("/flows/{flow}/source", response_model=pages(Source), responses=problems(404))
def source_of_flow(request: Request, who: View, flow: FlowName) -> Response:
    """The files that a flow was made from, its own first."""
    plan = served(of(request), flow).plan
    own = plan.sources[plan.file]
    others = [source for source in plan.sources if source is not own]
    return page([own, *others])


@router.get("/flows/{flow}/check", response_model=pages(shape(Told)), responses=problems(404))
def check_flow(request: Request, who: View, flow: FlowName) -> Response:
    """What `rflow check` says now of the file of a flow."""
    server = of(request)
    return page(server.compile(served(server, flow).file).told)


@router.get("/changes", response_model=pages(shape(FlowChange)), responses=problems())
def list_changes(
    request: Request,
    who: View,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=200)] = None,
) -> Response:
    """What became of changes of the flows: current, with what they mean for safety, or refused."""
    before = read_cursor("change", cursor_)
    found = of(request).changes.latest(limit + 1, number(before))
    shown = found[:limit]
    return page(shown, cursor("change", shown[-1].id) if len(found) > limit else None)


def number(text: str | None) -> int | None:
    """The number in a cursor. Answer 422 where it is none."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Answer(422, "this is no cursor of this list", help="take it from `next`, as it is")
    return int(text)


# -- pausing, saved arguments ----------------------------------------------------------------------


@router.put("/flows/{flow}/pause", response_model=FlowShape, responses=problems(404, 413, 415))
def pause(request: Request, who: Run, flow: FlowName, wanted: Pause) -> Response:
    """Let no trigger start a flow. People still may."""
    server = of(request)
    actions_flows.pause(server, who, flow, reason=wanted.reason)
    return answer(flow_json(server, served(server, flow)))


@router.delete("/flows/{flow}/pause", response_model=FlowShape, responses=problems(404, 409))
def unpause(request: Request, who: Run, flow: FlowName) -> Response:
    """Let triggers start a flow again."""
    server = of(request)
    found = served(server, flow)
    actions_flows.unpause(server, who, flow)
    return answer(flow_json(server, found))


@router.put(
    "/flows/{flow}/args/{name}", response_model=FlowShape, responses=problems(404, 413, 415)
)
def set_arg(request: Request, who: Admin, flow: FlowName, name: ArgName, wanted: Value) -> Response:
    """Save a value of an argument, for all runs that are given none."""
    server = of(request)
    actions_flows.set_arg(server, who, flow, name, wanted.value)
    return answer(flow_json(server, served(server, flow)))


@router.delete("/flows/{flow}/args/{name}", response_model=FlowShape, responses=problems(404, 409))
def unset_arg(request: Request, who: Admin, flow: FlowName, name: ArgName) -> Response:
    """Forget a saved value of an argument."""
    server = of(request)
    actions_flows.unset_arg(server, who, flow, name)
    return answer(flow_json(server, served(server, flow)))
