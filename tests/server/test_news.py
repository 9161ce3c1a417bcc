"""Who listens is told what changes from then on, and what changed since they read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rflow.server.core import Server
from rflow.server.news import News

LONG_S, SHORT_S = 30.0, 0.05


def test_who_read_before_the_last_change_is_woken_at_once(
    listening: Callable[..., tuple[Server, str]],
) -> None:
    news = News(listening()[0])  # it never looks: nothing but what is asked here wakes anybody

    async def woken(wait_s: float, *given: object) -> bool:
        with news.listen(*given) as listener:  # type: ignore[arg-type]
            return await listener.wait(wait_s)

    assert asyncio.run(woken(LONG_S, "", news.turn - 1))
    assert not asyncio.run(woken(SHORT_S, "", news.turn))
    assert not asyncio.run(woken(SHORT_S))
    assert asyncio.run(woken(LONG_S, "a-run", news.turn))  # its log may have grown
