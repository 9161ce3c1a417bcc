"""The flows that are served: the list with what is wrong; a flow with graph, arguments, code."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec import Struct
from rflow.compiler.explain import show_expr
from rflow.compiler.notes import args_of, stage_of
from rflow.compiler.plan import Arg, Plan
from rflow.plugins.types import Json
from rflow.runner.line import pause_of
from rflow.runner.problems import StateError
from rflow.runner.saved import shown_args
from rflow.server import actions, actions_flows, actions_triggers, webhooks
from rflow.server.due import next_times
from rflow.server.pages.forms import Posted
from rflow.server.pages.graph import Pictures
from rflow.server.pages.look import changed, render, to_node
from rflow.server.pages.nodes import found, nodes_of, shown
from rflow.server.pages.who import Admin, Run, View
from rflow.server.reach import of
from rflow.server.webhooks import Made

router = APIRouter(include_in_schema=False)
LISTED = 10


class Argument(Struct, frozen=True):
    """An argument as it is shown: `default` as the flow writes it ("" for none), `saved` the value
    that is saved for all runs (masked if it is secret), `has_saved` whether there is one."""

    arg: Arg
    default: str
    saved: Json
    has_saved: bool


@router.get("/flows")
def flows(request: Request, who: View) -> Response:
    """All flows, and the files that are refused."""
    server = of(request)
    service = server.services.here()
    rows = [
        (served, service.runs(flow=served.flow, limit=1), pause_of(service.journal, served.flow))
        for served in server.catalog.flows()
    ]
    return render(
        "flows.html",
        request,
        rows=rows,
        refused=server.catalog.refused(),
        root=server.catalog.root,
        revision=server.catalog.revision,
        changes=server.changes.latest(limit=10),
        following=server.following,
    )


@router.get("/flows/{flow}")
def flow(
    request: Request,
    who: View,
    flow: str,
    groups: str = "",
    node: str = "",
    find: str = "",
    view: str = "",
) -> Response:
    """A flow; `node` is shown, `find` is what its nodes are looked through for, and with `view` as
    `list` they stand as a list."""
    if find.strip():
        plan = actions.served(of(request), flow).plan
        ids = ((one.id, "") for one in plan.nodes if one.kind != "join")
        if only := found(ids, find).only:
            return to_node(request, groups, only)
    return _page(request, flow, groups=groups, node=node, find=find, view=view)


def _page(
    request: Request,
    flow: str,
    *,
    groups: str = "",
    node: str = "",
    find: str = "",
    view: str = "",
    made: Made | None = None,
    problem: StateError | None = None,
    about: str = "",
    status: int = 200,
) -> Response:
    server = of(request)
    served = actions.served(server, flow)
    service = server.services.here()
    plan = served.plan
    pictures: Pictures = request.app.state.pictures
    folding = pictures.folding(plan)
    toggled = folding.opened(frozenset(filter(None, groups.split(","))), node)
    picture = pictures.of(plan, folding.closed(toggled))
    is_list = view == "list" or bool(find.strip()) or picture is None
    return render(
        "flow.html",
        request,
        status,
        served=served,
        plan=plan,
        stage=stage_of(plan.stage) if plan.stage is not None else "",
        picture=picture,
        folding=folding,
        nodes=nodes_of(plan, find) if is_list else None,
        shown=shown(plan, node) if node else None,
        toggled=toggled,
        arguments=arguments(plan, shown_args(service.journal, plan)),
        triggers=[(trigger, _fields(trigger.inputs)) for trigger in plan.triggers],
        due=next_times(plan, server.host, served.directory, time.time()),
        paused=pause_of(service.journal, flow),
        runs=service.runs(flow=flow, limit=LISTED),
        hooks=[one for one in webhooks.listed(server.store, flow) if one.kind == "flow"],
        made=made,
        public_url=server.config.url,
        refused=[one for one in server.catalog.refused() if flow in one.kept],
        problem=problem,
        about=about,
    )


def arguments(plan: Plan, saved: dict[str, Json]) -> list[Argument]:
    """The arguments of a flow as they are shown."""
    return [
        Argument(
            arg,
            "" if arg.default is None else show_default(plan, arg),
            saved.get(arg.name),
            arg.name in saved,
        )
        for arg in plan.args
    ]


def show_default(plan: Plan, arg: Arg) -> str:
    """The default of an argument as the flow writes it."""
    for line in args_of(plan):
        head, equals, rest = line.partition(" = ")
        if equals and head == f"{arg.name}: {arg.type}":
            return rest.removesuffix(" · secret")
    return ""


def _fields(inputs: dict[str, Any]) -> dict[str, str]:
    return {name: show_expr(expr, {}) for name, expr in inputs.items()}


@router.post("/flows/{flow}/arguments")
def save_argument(request: Request, who: Admin, flow: str, form: Posted) -> Response:
    """Save the value of an argument for all runs, or forget it."""
    name = form.text("name")
    try:
        if "forget" in form:
            actions_flows.unset_arg(of(request), who, flow, name)
        else:
            actions_flows.set_arg(of(request), who, flow, name, form.text("value"))
    except StateError as error:
        return _page(request, flow, problem=error, about=name, status=422)
    return changed(request, f"/flows/{flow}#arguments")


@router.post("/flows/{flow}/pause")
def pause(request: Request, who: Run, flow: str, form: Posted) -> Response:
    """Let no trigger start it."""
    actions_flows.pause(of(request), who, flow, reason=form.text("reason").strip())
    return changed(request, f"/flows/{flow}")


@router.post("/flows/{flow}/unpause")
def unpause(request: Request, who: Run, flow: str, form: Posted) -> Response:
    """Let triggers start it again."""
    actions_flows.unpause(of(request), who, flow)
    return changed(request, f"/flows/{flow}")


# -- webhooks --------------------------------------------------------------------------------------


@router.post("/flows/{flow}/webhooks")
def make_webhook(request: Request, who: Admin, flow: str, form: Posted) -> Response:
    """Make the address of a webhook; it is shown by the page that answers, and nowhere else."""
    try:
        made = actions_triggers.make_webhook(
            of(request), who, flow, trigger=form.text("trigger"), signed="signed" in form
        )
    except StateError as error:
        return _page(request, flow, problem=error, about="webhook", status=422)
    return _page(request, flow, made=made)


@router.post("/flows/{flow}/webhooks/{id}/rotate")
def rotate_webhook(request: Request, who: Admin, flow: str, id: str, form: Posted) -> Response:
    """Give it another address."""
    return _page(request, flow, made=actions_triggers.rotate_webhook(of(request), who, id))


@router.post("/flows/{flow}/webhooks/{id}/revoke")
def revoke_webhook(request: Request, who: Admin, flow: str, id: str, form: Posted) -> Response:
    """End it."""
    actions_triggers.revoke_webhook(of(request), who, id)
    return changed(request, f"/flows/{flow}")
