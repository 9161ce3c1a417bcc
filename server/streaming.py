"""What is sent to those who listen: readers that know where they are, and the stream itself.

A reader yields what came since it last read. Its position after each part is the part's id, so
that whoever comes back with it reads on from there: nothing is missed, nothing comes twice.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import Response
from msgspec import Struct
from rflow.runner import events as ev
from rflow.runner.events import Record
from rflow.runner.journal import RunSummary
from rflow.runner.logs import Logs
from rflow.server.answers import encoded
from rflow.server.core import Server
from rflow.server.news import RECENT, News
from rflow.server.problems import Answer
from rflow.server.routes_runs import record_json, with_drivers
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

RECORDS_MAX = 500
"""So many records are read at one time."""
SEND_S = 30.0
"""Who takes nothing for so long is cut off, and may come back."""


class Part(Struct, frozen=True):
    """A part of a stream. `id` is "" where there is nothing to come back to."""

    event: str
    body: Any
    id: str = ""

    def encoded(self) -> bytes:
        """As server-sent events are written."""
        head = f"id: {self.id}\n" if self.id else ""
        return f"{head}event: {self.event}\ndata: ".encode() + encoded(self.body) + b"\n\n"


class RunReader:
    """The records and the log lines of a run, in order: what an attempt wrote comes before the
    record of its end."""

    def __init__(self, server: Server, run: str, position: str) -> None:
        """Answer 422 for a position that is none."""
        self._server, self._run = server, run
        upto, known = _position(position)
        self._seen = 0
        self._open: dict[tuple[str, int], int] = {}
        self._logs = Logs(server.state)
        self.done = False
        self.more = False
        service = server.services.here()
        service.summary(run)
        for record in service.records(run)[:upto] if upto else []:
            self._take(record)
        for key in self._open:
            self._open[key] = known.get(key, 0)

    def read(self) -> list[Part]:
        """What is new. `done` is set when the run has ended and all of it was read."""
        service = self._server.services.here()
        # Whether it has ended is read first: what comes in between is read once more.
        concluded = service.summary(self._run).concluded
        records = service.records(self._run, self._seen)
        self.more = len(records) > RECORDS_MAX
        parts: list[Part] = []
        for record in records[:RECORDS_MAX]:
            for key in self._ended(record):
                parts += self._lines(*key)
            self._take(record)
            parts.append(Part("record", record_json(record), self.position))
        for key in [*self._open]:
            parts += self._lines(*key)
        self.done = concluded and not self.more
        return parts

    @property
    def position(self) -> str:
        """Where the reader is."""
        read = [[node, attempt, at] for (node, attempt), at in self._open.items() if at]
        if not read:
            return str(self._seen)
        data = base64.urlsafe_b64encode(json.dumps(read).encode()).decode().rstrip("=")
        return f"{self._seen}.{data}"

    def _take(self, record: Record) -> None:
        self._seen = record.number
        for key in self._ended(record):
            self._open.pop(key, None)
        if isinstance(record.event, ev.AttemptStarted):
            self._open.setdefault((record.event.node, record.event.attempt), 0)

    def _ended(self, record: Record) -> list[tuple[str, int]]:
        match record.event:
            case ev.AttemptSucceeded() | ev.AttemptFailed() | ev.AttemptLost() as event:
                return [key for key in [(event.node, event.attempt)] if key in self._open]
            case ev.NodeCancelled(node=node):
                return [key for key in self._open if key[0] == node]
            case _:
                return []

    def _lines(self, node: str, attempt: int) -> Iterator[Part]:
        while True:
            before = self._open[node, attempt]
            lines, after = self._logs.read(self._run, node, attempt, before)
            if not lines:
                return
            self._open[node, attempt] = after
            body = {"node": node, "attempt": attempt, "lines": lines}
            yield Part("log", body, self.position)


def _position(given: str) -> tuple[int, dict[tuple[str, int], int]]:
    number, _, data = given.partition(".")
    try:
        if len(number) > 12 or not (number or "0").isdecimal():
            raise ValueError
        read = json.loads(
            base64.b64decode(data + "=" * (-len(data) % 4), b"-_", validate=True) or b"[]"
        )
        return int(number or 0), {(str(node), int(n)): max(0, int(at)) for node, n, at in read}
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Answer(
            422, "this is no position in a run's events", help="send the `id` of one, as it is"
        ) from None


class AllReader:
    """The runs whose state has changed: at first those that go on and the newest ones."""

    def __init__(self, server: Server, news: News) -> None:
        self._server, self._news = server, news
        self._known: dict[str, tuple[object, ...]] = {}
        self.done = False
        self.more = False

    def read(self) -> list[Part]:
        """The runs that are other than before, the oldest first."""
        found = dict(self._news.runs())
        for gone in self._known.keys() - found.keys():
            found[gone] = self._server.services.here().summary(gone)
        changed = [
            run
            for run in sorted(found.values(), key=lambda run: run.created_at)
            if self._known.get(run.run) != _state(run)
        ]
        parts = [Part("run", run) for run in with_drivers(self._server.services.here(), changed)]
        newest = sorted(found.values(), key=lambda run: run.created_at)[-RECENT:]
        kept = {run.run for run in newest} | {r.run for r in found.values() if not r.concluded}
        self._known = {run.run: _state(run) for run in found.values() if run.run in kept}
        return parts


def _state(run: RunSummary) -> tuple[object, ...]:
    return run.length, run.status, run.concluded, run.name, run.description


# -- the stream ------------------------------------------------------------------------------------


class EventStream(Response):
    """A stream of server-sent events. It ends with its source, with the one who listens, or when
    they take nothing for too long."""

    media_type = "text/event-stream"

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        super().__init__(None, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                    await task

    async def _send(self, send: Send) -> None:
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        try:
            async for part in self._parts:
                body = {"type": "http.response.body", "body": part, "more_body": True}
                await asyncio.wait_for(send(body), SEND_S)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            close = getattr(self._parts, "aclose", None)
            if close is not None:
                await close()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def read_in_thread(reader: RunReader | AllReader) -> list[Part]:
    """Read without holding up the event loop."""
    return await run_in_threadpool(reader.read)
