"""What came in that may start runs, with what was said of it; who is told of what happens."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from rflow.runner.problems import StateError
from rflow.server import actions_triggers, deliveries, subscriptions
from rflow.server.pages.forms import Posted
from rflow.server.pages.look import changed, render
from rflow.server.pages.who import Admin, Run, View
from rflow.server.reach import of
from rflow.server.subscriptions import Added

router = APIRouter(include_in_schema=False)
LISTED = 50
ICONS = {
    "started": "success",
    "no": "skipped",
    "waits": "waiting",
    "paused": "waiting",
    "refused": "cancelled",
    "failed": "failed",
    "seen": "skipped",
    "ignored": "skipped",
}
"""The sign of a status that stands before what a trigger said."""
SAID = {"yes": "success", "no": "failed", "open": "waiting"}


@router.get("/deliveries")
def show_deliveries(
    request: Request, who: View, flow: str = "", before: int | None = None
) -> Response:
    """Deliveries, the newest first, each with what its triggers said in short."""
    server = of(request)
    found = deliveries.latest(server.store, limit=LISTED + 1, before=before, flow=flow or None)
    return render(
        "deliveries.html",
        request,
        rows=[(one, deliveries.verdicts(server.store, one.id)) for one in found[:LISTED]],
        more=found[LISTED - 1].seq if len(found) > LISTED else 0,
        before=before,
        flow=flow,
        flows=[served.flow for served in server.catalog.flows()],
        icons=ICONS,
    )


@router.get("/deliveries/{id}")
def show_delivery(request: Request, who: View, id: str) -> Response:
    """A delivery: which rules were looked at, what each said of which value, what started."""
    store = of(request).store
    found = deliveries.find(store, id)
    return render(
        "delivery.html",
        request,
        delivery=found,
        verdicts=deliveries.verdicts(store, found.id),
        icons=ICONS,
        said=SAID,
    )


@router.post("/deliveries/{id}/replay")
def replay(request: Request, who: Run, id: str, form: Posted) -> Response:
    """Work it off once more, as a new one."""
    again = actions_triggers.replay(of(request), who, id)
    receiver: Any = request.app.state.receiver
    receiver.wake()
    return changed(request, f"/deliveries/{again}")


# -- subscriptions ---------------------------------------------------------------------------------


@router.get("/subscriptions")
def show_subscriptions(request: Request, who: Admin) -> Response:
    """Who is told of what."""
    return _page(request)


def _page(
    request: Request,
    *,
    made: Added | None = None,
    problem: StateError | None = None,
    status: int = 200,
) -> Response:
    server = of(request)
    return render(
        "subscriptions.html",
        request,
        status,
        subscriptions=subscriptions.listed(server.store),
        flows=[served.flow for served in server.catalog.flows()],
        stages=server.services.here().journal.stages(),
        made=made,
        problem=problem,
    )


@router.post("/subscriptions")
def subscribe(request: Request, who: Admin, form: Posted) -> Response:
    """Subscribe an address; the page that answers alone shows the secret of its signatures."""
    events = form.text("events").replace(",", " ").split()
    try:
        made = actions_triggers.subscribe(
            of(request),
            who,
            form.text("url").strip(),
            events,
            flow=form.text("flow"),
            stage=form.text("stage"),
        )
    except StateError as error:
        return _page(request, problem=error, status=422)
    return _page(request, made=made)


@router.get("/subscriptions/{id}")
def show_subscription(request: Request, who: Admin, id: str, before: int | None = None) -> Response:
    """The last messages of a subscription."""
    store = of(request).store
    found = subscriptions.found(store, id)
    messages = subscriptions.messages(store, found.id, limit=LISTED + 1, before=before)
    return render(
        "subscription.html",
        request,
        one=found,
        messages=messages[:LISTED],
        more=messages[LISTED - 1].number if len(messages) > LISTED else 0,
        before=before,
    )


@router.post("/subscriptions/{id}/remove")
def unsubscribe(request: Request, who: Admin, id: str, form: Posted) -> Response:
    """End it."""
    actions_triggers.unsubscribe(of(request), who, id)
    return changed(request, "/subscriptions")


@router.post("/subscriptions/{id}/enable")
def enable(request: Request, who: Admin, id: str, form: Posted) -> Response:
    """Send again."""
    actions_triggers.enable_subscription(of(request), who, id)
    return changed(request, f"/subscriptions/{id}")


@router.post("/subscriptions/{id}/test")
def test(request: Request, who: Admin, id: str, form: Posted) -> Response:
    """Send a message that says nothing."""
    actions_triggers.test_subscription(of(request), who, id)
    return changed(request, f"/subscriptions/{id}")


@router.post("/subscriptions/{id}/resend/{message}")
def resend(request: Request, who: Admin, id: str, message: int, form: Posted) -> Response:
    """Send a message again."""
    actions_triggers.resend_message(of(request), who, id, message)
    return changed(request, f"/subscriptions/{id}")
