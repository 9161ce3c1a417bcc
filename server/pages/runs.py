"""The list of runs, and a run: its graph, timeline, nodes and log, and what can be asked of it."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from rflow.runner.problems import StateError
from rflow.server import actions
from rflow.server.pages.forms import Posted
from rflow.server.pages.look import changed, render, to_node
from rflow.server.pages.nodes import found
from rflow.server.pages.run_parts import log_blocks, node_part, parts
from rflow.server.pages.who import Approve, Run, View
from rflow.server.problems import Answer
from rflow.server.reach import of

router = APIRouter(include_in_schema=False)
LISTED = 50
STATUSES = ("running", "waiting", "pending", "success", "failed", "cancelled")
LOG_LINES = 5000
ANSWERS: dict[str, Literal["redo", "done", "fail"]] = {
    "redo": "redo",
    "done": "done",
    "fail": "fail",
}


@router.get("/runs")
def runs(
    request: Request,
    who: View,
    flow: str = "",
    stage: str = "",
    status: str = "",
    before: str = "",
    q: str = "",
) -> Response:
    """Runs, the newest first; `q` is the beginning of an id, or a name."""
    server = of(request)
    service = server.services.here()
    if q.strip():
        found = service.journal.find(q.strip())[:LISTED]
    else:
        found = service.runs(
            flow=flow or None,
            stage=stage or None,
            status=status if status in STATUSES else None,
            before=before or None,
            limit=LISTED + 1,
        )
    return render(
        "runs.html",
        request,
        runs=found[:LISTED],
        more=found[LISTED - 1].run if len(found) > LISTED else "",
        filters={"flow": flow, "stage": stage, "status": status, "q": q},
        before=before,
        statuses=STATUSES,
        flows=[served.flow for served in server.catalog.flows()],
        stages=service.journal.stages(),
    )


@router.get("/runs/{run}")
def show(
    request: Request, who: View, run: str, node: str = "", groups: str = "", find: str = ""
) -> Response:
    """A run; `node` is shown beside the graph, `groups` are not open or closed as they begin, and
    `find` is what a node is looked for by."""
    server = of(request)
    service = server.services.here()
    id = service.resolve(run)
    if id != run:
        return RedirectResponse(f"/runs/{id}", 303)
    shown = parts(server, request.app.state.pictures, who, id, node, groups)
    nodes = ((one.id, one.status) for one in shown["view"].nodes)
    among = found(nodes, find) if find.strip() else None
    if among is not None and among.only:
        return to_node(request, groups, among.only)
    return render("run.html", request, found=among, **shown)


@router.get("/runs/{run}/log")
def log(request: Request, who: View, run: str) -> Response:
    """The logs of all nodes of a run."""
    service = of(request).services.here()
    blocks = log_blocks(service, run, service.records(run), LOG_LINES)
    return render("run_log.html", request, run=service.summary(run), blocks=blocks)


@router.get("/runs/{run}/source")
def source(request: Request, who: View, run: str) -> Response:
    """The flow as the run has it."""
    service = of(request).services.here()
    plan = service.fold(run).graph.plan
    return render("run_source.html", request, run=service.summary(run), plan=plan)


@router.get("/runs/{run}/nodes/{node:path}")
def node(request: Request, who: View, run: str, node: str) -> Response:
    """A node of a run by itself."""
    service = of(request).services.here()
    part = node_part(service, run, node)
    return render("run_node.html", request, run=service.summary(run), **part)


# -- what is asked of a run ------------------------------------------------------------------------


@router.post("/runs/{run}/rename")
def rename(request: Request, who: Run, run: str, form: Posted) -> Response:
    """Edit the name and the description."""
    name, about = form.text("name").strip(), form.text("description").strip()
    actions.rename(of(request), who, run, name=name or run, description=about)
    return changed(request, f"/runs/{run}")


@router.post("/runs/{run}/cancel")
def cancel(request: Request, who: Run, run: str, form: Posted) -> Response:
    """Cancel it; with `rollback`, what it did is undone."""
    actions.cancel(
        of(request), who, run, rollback="rollback" in form, reason=form.text("reason").strip()
    )
    return changed(request, f"/runs/{run}")


@router.post("/runs/{run}/decide")
def decide(request: Request, who: Approve, run: str, form: Posted) -> Response:
    """Approve or reject a gate, as it was shown."""
    round = form.text("round")
    actions.decide(
        of(request),
        who,
        run,
        form.text("node"),
        "approve" if form.text("decision") == "approve" else "reject",
        comment=form.text("reason").strip(),
        round=int(round) if round.isdecimal() else None,
    )
    inbox = form.text("from") == "approvals"
    return changed(
        request, f"/approvals?decided={quote(run, safe='')}" if inbox else f"/runs/{run}"
    )


@router.post("/runs/{run}/answer")
def answer(request: Request, who: Run, run: str, form: Posted) -> Response:
    """Say what an attempt that was cut off did."""
    said = ANSWERS.get(form.text("answer"))
    if said is None:
        raise Answer(422, "the answer is one of redo, done and fail")
    actions.answer(of(request), who, run, form.text("node"), said)
    return changed(request, f"/runs/{run}")


@router.post("/runs/{run}/pass")
def let_pass(request: Request, who: Approve, run: str, form: Posted) -> Response:
    """Let a node through that a freeze or a closed window holds."""
    reason = form.text("reason").strip()
    actions.let_pass(of(request), who, run, form.text("node"), reason=reason)
    return changed(request, f"/runs/{run}")


@router.post("/runs/{run}/resume")
def resume(request: Request, who: Run, run: str, form: Posted) -> Response:
    """Let the server go on with a run that nobody drives."""
    actions.resume(of(request), who, run)
    return changed(request, f"/runs/{run}")


@router.post("/runs/{run}/rerun")
def rerun(request: Request, who: Run, run: str, form: Posted) -> Response:
    """Start it again with the same plan and arguments."""
    return changed(request, f"/runs/{actions.rerun(of(request), who, run)}")


@router.post("/runs/{run}/undo")
def undo(request: Request, who: Approve, run: str, form: Posted) -> Response:
    """Go on with undoing what it has left."""
    actions.undo(of(request), who, run)
    return changed(request, f"/runs/{run}")


@router.get("/runs/{run}/retry")
def retry_page(request: Request, who: Run, run: str, node: str = "") -> Response:
    """What a retry would run again, and what it would reuse, before it is done."""
    server = of(request)
    service = server.services.here()
    problem = preview = None
    try:
        preview = actions.retry_preview(server, run, node or None)
    except StateError as error:
        problem = error
    view = service.view(run)
    ids = [one.id for one in view.nodes if one.section == "main" and not one.undo]
    return render(
        "run_retry.html",
        request,
        409 if problem else 200,
        run=service.summary(run),
        preview=preview,
        problem=problem,
        node=node,
        nodes=ids,
    )


@router.post("/runs/{run}/retry")
def retry(request: Request, who: Run, run: str, form: Posted) -> Response:
    """Let it go on from the nodes that failed, or from one."""
    actions.retry(of(request), who, run, form.text("node") or None)
    return changed(request, f"/runs/{run}")
