"""`wait.until`: a time or a delay, without holding a worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from rflow.plugins import Context, Doc, Duration, Node, NodeError, RetrySpec


@dataclass(frozen=True)
class Until(Node, kind="wait.until", retry=RetrySpec(1, "none")):
    """Wait until a time, or for a while. The wait outlives restarts."""

    time: Annotated[
        str | None, Doc("A time with its offset from UTC: `2030-01-31T09:00:00+01:00`.")
    ] = None
    delay: Annotated[Duration | None, Doc("How long, from when the node starts.")] = None

    async def run(self, ctx: Context) -> None:
        if (self.time is None) == (self.delay is None):
            raise NodeError("one of `time` and `delay` is needed, and not both", retry=False)
        if self.time is not None:
            await ctx.wait_for("time", until=_read(self.time))
        else:
            await ctx.wait_for("delay", delay_s=self.delay)


def _read(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NodeError(
            f"`{text}` is no time such as `2030-01-31T09:00:00Z`", retry=False
        ) from None
    if found.tzinfo is None:
        raise NodeError(f"`{text}` lacks its offset from UTC: `{text}Z`", retry=False)
    return found.timestamp()
