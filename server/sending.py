"""Sending what is queued for subscribers, until it is taken or a day has passed.

Theory of operation. One thread with an event loop. Each subscription has at most one message under
way, the oldest that is due. Where nobody answers, or the receiver says "later", the whole
subscription waits, longer each time; where a message is refused (4xx) it alone is tried again
later, so that one that a receiver cannot take holds up no other. The answer's text is not kept:
nobody can look into a network by subscribing. What came of an attempt is noted when it is over; a
crash in between sends the message once more, under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from hashlib import sha256

import httpx
from msgspec import Struct
from rflow.plugins.signing import signed
from rflow.runner.problems import StateError
from rflow.runner.secrets import Key
from rflow.server import destination, subscriptions
from rflow.server.store import Store

DELAYS_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)
"""The delays after an attempt that failed: about a day in all."""
DISABLED_S = 3 * 86400.0
"""A subscription that has failed for so long is disabled."""
TIMEOUT_S = 15.0
LOOK_S = 1.0
LATER_MAX_S = 3600.0
ANSWER_MAX = 64 * 1024
_LATER = (408, 425, 429)

log = logging.getLogger("rflow.server")


class Outcome(Struct, frozen=True):
    """What came of an attempt. `blocks`: the receiver is not there, for other messages either."""

    status: int | None
    error: str
    blocks: bool = False
    gone: bool = False
    later_s: float = 0.0


class Sender:
    """Sends messages while the server runs."""

    def __init__(
        self,
        store: Store,
        key: Key,
        *,
        told: Callable[[bool], None] = lambda taken: None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._store, self._key, self._told, self._trust = store, key, told, trust
        self._ended = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._main()), name="sender", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what is under way is sent again after the next start."""
        self._ended = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Look again at once: something was queued. From any thread."""
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(wake.set)

    async def _main(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        going: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while not self._ended:
                going = {id: task for id, task in going.items() if not task.done()}
                for row in self._due(""):
                    if (id := row["subscription"]) not in going:
                        going[id] = tasks.create_task(self._send(id))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_S)
                self._wake.clear()
            for task in going.values():
                task.cancel()

    def _due(self, id: str) -> list[sqlite3.Row]:
        """The oldest message that is due of each subscription that is not paused, or of one."""
        now = time.time()
        try:
            return self._store.read(_DUE, (now, now, id))
        except sqlite3.Error as error:
            log.error("messages to subscribers cannot be read: %s", error)
            return []

    async def _send(self, id: str) -> None:
        """Send what is due to one subscription, over one connection. It is no other's: another
        name may lead to the same address."""
        try:
            async with httpx.AsyncClient(trust_env=False, verify=self._verify()) as client:
                while not self._ended and (rows := self._due(id)):
                    outcome = await self._attempt(client, rows[0])
                    await asyncio.to_thread(self._note, rows[0], outcome)
                    self._told(not outcome.error)
        except Exception as error:
            known = isinstance(error, sqlite3.Error | StateError)
            log.error("a message to %s cannot be sent: %s", id, error, exc_info=not known)
            await asyncio.sleep(LOOK_S)

    def _verify(self) -> ssl.SSLContext:
        """The certificates to trust, read once."""
        if self._trust is None:
            self._trust = httpx.create_ssl_context(trust_env=False)
        return self._trust

    async def _attempt(self, client: httpx.AsyncClient, row: sqlite3.Row) -> Outcome:
        try:
            url, secret = subscriptions.opened(self._key, row["subscription"], row)
        except StateError as error:
            return Outcome(None, error.message, blocks=True)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                places = await asyncio.to_thread(destination.resolve, url)
                return await self._post(client, places, row, secret)
        except destination.Refused as error:
            return Outcome(None, str(error))
        except TimeoutError:
            return Outcome(None, f"no answer within {TIMEOUT_S:.0f} s", blocks=True)
        except OSError as error:
            return Outcome(None, error.strerror or type(error).__name__, blocks=True)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            told = str(error) if isinstance(error, httpx.ConnectError) else ""
            return Outcome(None, told or type(error).__name__, blocks=True)

    async def _post(
        self,
        client: httpx.AsyncClient,
        places: list[destination.Destination],
        row: sqlite3.Row,
        secret: str,
    ) -> Outcome:
        body = row["body"].encode()
        id = subscriptions.wire_id(row["subscription"], row["run"], row["event"])
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "rflow",
            **signed(secret, id, time.time(), body),
        }
        for last, place in enumerate(places, 1 - len(places)):
            request = client.build_request(
                "POST", place.url, content=body, headers={**headers, "Host": place.host}
            )
            request.extensions["sni_hostname"] = place.name
            try:
                answer = await client.send(request, stream=True)
            except httpx.ConnectError:
                if last == 0:
                    raise
                continue
            await _drained(answer)
            return _judged(answer.status_code, answer.headers)
        raise OSError("its name means no address")

    def _note(self, row: sqlite3.Row, outcome: Outcome) -> None:
        """Keep what came of an attempt."""
        now, attempts = time.time(), row["attempts"] + 1
        good = not outcome.error
        with self._store.write() as db:
            state, due = ("delivered", None) if good else _next(row["id"], attempts, now, outcome)
            db.execute(
                "UPDATE subscription_messages SET state = ?, attempts = ?, status = ?, error = ?, "
                "tried_at = ?, due = ? WHERE id = ?",
                (state, attempts, outcome.status, outcome.error, now, due, row["id"]),
            )
            _mark(db, row["subscription"], outcome, now)
            db.execute(_PRUNE, (row["subscription"], row["subscription"], subscriptions.KEPT))


async def _drained(answer: httpx.Response) -> None:
    """End the answer; what little there is of it is read over, so that the connection is free."""
    with contextlib.suppress(httpx.HTTPError):
        left = ANSWER_MAX
        async for part in answer.aiter_raw():
            left -= len(part)
            if left < 0:
                break
    await answer.aclose()


def _judged(status: int, headers: Mapping[str, str]) -> Outcome:
    if 200 <= status < 300:
        return Outcome(status, "")
    later = headers.get("retry-after", "")
    seconds = min(float(later), LATER_MAX_S) if later.isascii() and later.isdigit() else 0.0
    blocks = status >= 500 or status in _LATER
    return Outcome(status, f"answered {status}", blocks, status == 410, seconds)


def _next(id: int, attempts: int, now: float, outcome: Outcome) -> tuple[str, float | None]:
    if attempts > len(DELAYS_S) or outcome.gone:
        return "failed", None
    return "waiting", now + max(_delay(id, attempts), outcome.later_s)


def _delay(id: int, attempts: int) -> float:
    """The delay after so many attempts, up to a tenth longer, so that not all come back at once."""
    jitter = sha256(f"{id} {attempts}".encode()).digest()[0] / 2560
    return DELAYS_S[min(attempts, len(DELAYS_S)) - 1] * (1 + jitter)


def _mark(db: sqlite3.Connection, id: str, outcome: Outcome, now: float) -> None:
    """What an attempt means for the subscription."""
    if not outcome.error:
        db.execute(
            "UPDATE subscriptions SET failures = 0, failing_since = NULL, paused_until = 0 "
            "WHERE id = ?",
            (id,),
        )
        return
    rows = db.execute("SELECT failures, failing_since FROM subscriptions WHERE id = ?", (id,))
    if (row := rows.fetchone()) is None:
        return
    failures, since = row["failures"] + 1, row["failing_since"] or now
    pause = max(_delay(0, min(failures, 6)), outcome.later_s) if outcome.blocks else 0.0
    disabled = ""
    if outcome.gone:
        disabled = "the receiver says that it is gone (410)"
    elif now - since > DISABLED_S:
        disabled = f"nothing was taken for {DISABLED_S / 86400:.0f} days; last: {outcome.error}"
    db.execute(
        "UPDATE subscriptions SET failures = ?, failing_since = ?, paused_until = ?, disabled = ? "
        "WHERE id = ?",
        (failures, since, now + pause if pause else 0, disabled, id),
    )
    if disabled:
        db.execute(
            "UPDATE subscription_messages SET state = 'failed', due = NULL, "
            "error = CASE error WHEN '' THEN 'the subscription was disabled' ELSE error END "
            "WHERE subscription = ? AND state = 'waiting'",
            (id,),
        )


_DUE = """
SELECT m.*, s.url, s.secret FROM subscriptions AS s JOIN subscription_messages AS m ON m.id = (
  SELECT id FROM subscription_messages WHERE subscription = s.id AND state = 'waiting' AND due <= ?1
  ORDER BY id LIMIT 1)
WHERE s.paused_until <= ?2 AND ?3 IN ('', s.id)
"""
_PRUNE = """
DELETE FROM subscription_messages WHERE subscription = ? AND state <> 'waiting' AND id <= (
  SELECT id FROM subscription_messages WHERE subscription = ? AND state <> 'waiting'
  ORDER BY id DESC LIMIT 1 OFFSET ?)
"""
