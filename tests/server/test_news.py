"""Who listens is told what changes from then on, and what changed since they read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rflow.server.core import Server
from rflow.server.news import LOOK_S, News

LONG_S, SHORT_S = 30.0, 0.05


def test_who_read_before_the_last_change_is_woken_at_once(
    listening: Callable[..., tuple[Server, str]],
) -> None:
    news = News(listening()[0])  # it never looks: nothing but what is asked here wakes anybody

    async def woken(wait_s: float, seen: int | None) -> bool:
        with news.listen(seen=seen) as listener:
            return await listener.wait(wait_s)

    assert asyncio.run(woken(LONG_S, news.turn - 1))
    assert not asyncio.run(woken(SHORT_S, news.turn))
    assert not asyncio.run(woken(SHORT_S, None))


def test_each_who_listens_to_a_run_is_woken_by_the_first_look(
    listening: Callable[..., tuple[Server, str]],
) -> None:
    news = News(listening()[0])
    news.start()

    async def both() -> None:
        with news.listen("a-run", news.turn) as first:
            while await first.wait(5 * LOOK_S):  # until nothing is new to it
                pass
            with news.listen("a-run", news.turn) as second:  # the log may have grown before
                assert await second.wait(LONG_S)

    try:
        asyncio.run(both())
    finally:
        news.close()
