"""Telling open pages that what they show may have changed; they then ask for themselves anew."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from rflow.server import tokens
from rflow.server.news import News
from rflow.server.pages.who import View
from rflow.server.reach import of
from rflow.server.streaming import EventStream
from rflow.server.tokens import Principal
from starlette.concurrency import run_in_threadpool

router = APIRouter(include_in_schema=False)
BEAT_S = 15.0


@router.get("/live")
async def live(request: Request, who: View, run: str = "", seen: int = 0) -> Response:
    """Server-sent events without content: there is news, of a run or of all of them, since the
    turn in which the page was made."""
    return EventStream(_stream(request, who, run, seen))


async def _stream(request: Request, who: Principal, run: str, seen: int) -> AsyncIterator[bytes]:
    news: News = request.app.state.news
    looked = time.monotonic()
    with news.listen(run, seen) as listener:
        yield b"retry: 1000\n\nevent: hello\ndata: \n\n"
        while not listener.ended:
            told = await listener.wait(BEAT_S)
            if listener.ended:
                return
            yield b"event: news\ndata: \n\n" if told else b": beat\n\n"
            if time.monotonic() - looked > BEAT_S:
                looked = time.monotonic()
                if not await run_in_threadpool(_stands, request, who):
                    return


def _stands(request: Request, who: Principal) -> bool:
    """Whether who looks may still do so."""
    if not who.token:
        return of(request).config.anonymous == "view"
    return tokens.standing(of(request).store, who.token) is not None
