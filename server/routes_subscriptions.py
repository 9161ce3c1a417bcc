"""The API of subscriptions to events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ConfigDict, Field
from rflow.server import actions_triggers, subscriptions
from rflow.server.access import Admin, View
from rflow.server.answers import answer, cursor, page, pages, problems, read_cursor, shape
from rflow.server.reach import of
from rflow.server.routes_flows import number
from rflow.server.shapes import LIMIT_MAX, Wanted
from rflow.server.subscriptions import Added, Message, Subscription

router = APIRouter(prefix="/api/v1/subscriptions", tags=["subscriptions"])

Id = Annotated[str, Path(max_length=40)]


class Subscribe(Wanted):
    """Who is to be told of what. `events` are types or patterns of them (`run.*`), all if there
    are none; `flow` and `stage` narrow them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.com/rflow", "events": ["run.failed"]}]
        },
    )

    url: str = Field(max_length=2000)
    events: list[Annotated[str, Field(max_length=100)]] = Field(default=[], max_length=100)
    flow: str = Field(default="", max_length=200)
    stage: str = Field(default="", max_length=200)


@router.get("", response_model=pages(shape(Subscription)), responses=problems())
def list_subscriptions(request: Request, who: View) -> Response:
    """Who is told of what, without the secret parts of their addresses."""
    return page(subscriptions.listed(of(request).store))


@router.post("", status_code=201, response_model=shape(Added), responses=problems(409, 413, 415))
def subscribe(request: Request, who: Admin, wanted: Subscribe) -> Response:
    """Subscribe an address. The secret that signs the messages is in this answer alone."""
    made = actions_triggers.subscribe(
        of(request), who, wanted.url, wanted.events, flow=wanted.flow, stage=wanted.stage
    )
    return answer(made, 201, Cache_Control="no-store")


@router.delete("/{id}", response_model=shape(Subscription), responses=problems(404))
def unsubscribe(request: Request, who: Admin, id: Id) -> Response:
    """End a subscription. What was not sent yet is not sent any more."""
    return answer(actions_triggers.unsubscribe(of(request), who, id))


@router.post("/{id}/enable", response_model=shape(Subscription), responses=problems(404))
def enable_subscription(request: Request, who: Admin, id: Id) -> Response:
    """Send again to one that was disabled: what happens from now on."""
    return answer(actions_triggers.enable_subscription(of(request), who, id))


@router.post("/{id}/test", status_code=202, response_model=shape(Message), responses=problems(404))
def test_subscription(request: Request, who: Admin, id: Id) -> Response:
    """Send a message that says nothing, `subscription.test`."""
    return answer(actions_triggers.test_subscription(of(request), who, id), 202)


@router.get("/{id}/deliveries", response_model=pages(shape(Message)), responses=problems(404))
def list_messages(
    request: Request,
    who: View,
    id: Id,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=200)] = None,
) -> Response:
    """The last messages of a subscription and what became of them, the newest first."""
    before = number(read_cursor("messages", cursor_))
    found = subscriptions.messages(of(request).store, id, limit=limit + 1, before=before)
    shown = found[:limit]
    return page(shown, cursor("messages", shown[-1].number) if len(found) > limit else None)


@router.post(
    "/{id}/deliveries/{message}/resend",
    status_code=202,
    response_model=shape(Message),
    responses=problems(404),
)
def resend_message(
    request: Request, who: Admin, id: Id, message: Annotated[int, Path(ge=1, lt=1 << 62)]
) -> Response:
    """Send a message again, under the same id."""
    return answer(actions_triggers.resend_message(of(request), who, id, message), 202)
