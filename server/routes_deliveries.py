"""The API of deliveries with their verdicts, and of the tokens of webhooks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from msgspec import Struct, structs
from pydantic import ConfigDict, Field
from rflow.server import actions_triggers, deliveries, webhooks
from rflow.server.access import Admin, Run, View
from rflow.server.answers import answer, cursor, page, pages, problems, read_cursor, shape
from rflow.server.core import Server
from rflow.server.deliveries import Delivery, Told
from rflow.server.reach import of
from rflow.server.routes_flows import number
from rflow.server.shapes import LIMIT_MAX, Wanted
from rflow.server.webhooks import Made, Webhook

router = APIRouter(prefix="/api/v1", tags=["triggers"])

Id = Annotated[str, Path(max_length=200)]


class DeliveryTold(Struct, frozen=True):
    """A delivery, and what each trigger said of each of its events."""

    delivery: Delivery
    verdicts: tuple[Told, ...]


class NewWebhook(Wanted):
    """Which flow a webhook starts: by `trigger`, where it has several; `signed`: only by signed
    calls; at most `rate` times a minute."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"flow": "release", "rate": 60}]}
    )

    flow: str = Field(max_length=200)
    trigger: str = Field(default="", max_length=200)
    signed: bool = False
    rate: int = Field(default=webhooks.RATE, ge=1, le=10_000)


@router.get("/deliveries", response_model=pages(shape(Delivery)), responses=problems())
def list_deliveries(
    request: Request,
    who: View,
    flow: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=200)] = None,
) -> Response:
    """What came in that may start runs, the newest first."""
    before = number(read_cursor("deliveries", cursor_))
    store = of(request).store
    found = deliveries.latest(store, limit=limit + 1, before=before, flow=flow)
    shown = found[:limit]
    return page(shown, cursor("deliveries", shown[-1].seq) if len(found) > limit else None)


@router.get("/deliveries/{id}", response_model=shape(DeliveryTold), responses=problems(404))
def show_delivery(request: Request, who: View, id: Id) -> Response:
    """A delivery with its verdicts: which rules were looked at, what each said, what started."""
    return answer(_told(of(request), id))


@router.post(
    "/deliveries/{id}/replay",
    status_code=202,
    response_model=shape(DeliveryTold),
    responses=problems(404, 409),
)
def replay_delivery(request: Request, who: Run, id: Id) -> Response:
    """Work a delivery off once more, as a new one."""
    server = of(request)
    again = actions_triggers.replay(server, who, id)
    receiver: Any = request.app.state.receiver
    receiver.wake()
    return answer(_told(server, again), 202)


def _told(server: Server, id: str) -> DeliveryTold:
    found = deliveries.find(server.store, id)
    return DeliveryTold(found, tuple(deliveries.verdicts(server.store, found.id)))


@router.get("/webhooks", response_model=pages(shape(Webhook)), responses=problems())
def list_webhooks(
    request: Request, who: View, flow: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """The webhooks, without their tokens."""
    return page([_bare(one) for one in webhooks.listed(of(request).store, flow)])


@router.post(
    "/webhooks", status_code=201, response_model=shape(Made), responses=problems(404, 409, 413, 415)
)
def make_webhook(request: Request, who: Admin, wanted: NewWebhook) -> Response:
    """Make a webhook. Its token is in this answer alone."""
    made = actions_triggers.make_webhook(
        of(request),
        who,
        wanted.flow,
        trigger=wanted.trigger,
        signed=wanted.signed,
        rate=wanted.rate,
    )
    return _once(made, 201)


@router.post(
    "/webhooks/{id}/rotate", response_model=shape(Made), responses=problems(404, 409, 413, 415)
)
def rotate_webhook(request: Request, who: Admin, id: Id) -> Response:
    """Give a webhook another token; the old one ends at once."""
    return _once(actions_triggers.rotate_webhook(of(request), who, id), 200)


@router.delete("/webhooks/{id}", response_model=shape(Webhook), responses=problems(404))
def revoke_webhook(request: Request, who: Admin, id: Id) -> Response:
    """End a webhook at once."""
    return answer(_bare(actions_triggers.revoke_webhook(of(request), who, id)))


def _bare(webhook: Webhook) -> Webhook:
    """Without the sealed secret; whether there is one shows."""
    return structs.replace(webhook, signing="set" if webhook.signing else "")


def _once(made: Made, status: int) -> Response:
    shown = structs.replace(made, webhook=_bare(made.webhook))
    return answer(shown, status, Cache_Control="no-store")
