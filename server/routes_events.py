"""The API for those who wait: a run until it ends, and server-sent events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel
from rflow.server import tokens
from rflow.server.access import View
from rflow.server.answers import answer, problems
from rflow.server.news import News
from rflow.server.reach import of
from rflow.server.routes_runs import run_state
from rflow.server.shapes import RunId, RunState
from rflow.server.streaming import AllReader, EventStream, RunReader, read_in_thread
from rflow.server.tokens import Principal
from starlette.concurrency import run_in_threadpool

router = APIRouter(prefix="/api/v1", tags=["runs"])

WAIT_MAX_S = 120
BEAT_S = 15.0
"""So often something is sent even if there is no news, and the token is looked at again."""
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of events; it goes on.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}
_RETRY = b"retry: 1000\n\n"
_BEAT = b": beat\n\n"


class Ended(BaseModel):
    """The run has ended, and all of it was sent."""

    status: str


def _news(request: Request) -> News:
    news = request.app.state.news
    assert isinstance(news, News)
    return news


@router.get("/runs/{run}", response_model=RunState, responses=problems(404))
async def show_run(
    request: Request,
    who: View,
    run: RunId,
    wait: Annotated[
        float,
        Query(ge=0, le=WAIT_MAX_S, description="Seconds to wait until the run has ended."),
    ] = 0,
) -> Response:
    """A run. With `wait`, the answer comes when it has ended, or the time is over."""
    server, until = of(request), time.monotonic() + wait
    with _news(request).listen(run) as listener:
        while True:
            found = await run_in_threadpool(run_state, server, run)
            left = until - time.monotonic()
            if found["concluded"] or left <= 0 or listener.ended:
                return answer(found)
            await listener.wait(left)


@router.get("/events", responses={**STREAM, **problems()}, response_class=Response)
async def all_events(request: Request, who: View) -> Response:
    """Changes of all runs, as server-sent events: a `run` each, as in the list of runs.

    At first those that go on and the newest 50; whoever comes back is told these again.
    """
    return EventStream(_stream(request, who, AllReader(of(request), _news(request)), ""))


@router.get(
    "/runs/{run}/events",
    responses={**STREAM, 204: {"description": "All was sent."}, **problems(404)},
    response_class=Response,
)
async def run_events(
    request: Request,
    who: View,
    run: RunId,
    last: Annotated[
        str,
        Header(alias="Last-Event-ID", max_length=100_000, description="The `id` to go on from."),
    ] = "",
) -> Response:
    """The events and the log lines of a run, as server-sent events, until it has ended.

    `record` is an event as in the list of records, `log` has `node`, `attempt` and `lines`, `end`
    comes last. Every part has an `id`; sent back as `Last-Event-ID`, the stream goes on after it.
    """
    reader = await run_in_threadpool(RunReader, of(request), run, last)
    return EventStream(_stream(request, who, reader, run))


async def _stream(
    request: Request, who: Principal, reader: RunReader | AllReader, run: str
) -> AsyncIterator[bytes]:
    server, looked = of(request), time.monotonic()
    yield _RETRY
    with _news(request).listen(run) as listener:
        while not listener.ended:
            for part in await read_in_thread(reader):
                yield part.encoded()
            if reader.done:
                summary = await run_in_threadpool(run_state, server, run)
                body = Ended(status=summary["status"]).model_dump_json().encode()
                yield b"event: end\ndata: " + body + b"\n\n"
                return
            if time.monotonic() - looked > BEAT_S:
                looked = time.monotonic()
                if not await run_in_threadpool(_stands, request, who):
                    return
            if not reader.more and not await listener.wait(BEAT_S):
                yield _BEAT


def _stands(request: Request, who: Principal) -> bool:
    """Whether who listens may still do so."""
    if not who.token:
        return of(request).config.anonymous == "view"
    return tokens.standing(of(request).store, who.token) is not None
