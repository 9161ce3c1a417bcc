"""`http.check`, the probe that deployments share with it, and what all kinds that ask over HTTP
share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

from rflow.plugins import Context, Doc, Duration, Node, NodeError, TakesSecret, Trusted

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
TRY_S = 10.0
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Probe:
    """A request, and what its answer must be."""

    url: str
    expect: int = 200
    contains: str | None = None
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)

    async def until(self, within: float, log: Callable[[str], None]) -> tuple[int, float]:
        """Asks until the answer is right; the status and how long the last request took.
        NodeError with what was wrong with the last answer, when the time is over."""
        from asyncio import sleep

        end = time.monotonic() + within
        delay, tries, told = 0.1, 0, ""
        while True:
            tries += 1
            began = time.monotonic()
            status, wrong = await self._ask(max(min(TRY_S, end - began), 1.0))
            now = time.monotonic()
            if not wrong:
                return status, now - began
            if now + delay > end:
                often = f" in {tries} tries" if tries > 1 else ""
                raise NodeError(f"{shown(self.url)} {wrong}{often}")
            if wrong != told:
                log(f"{shown(self.url)} {wrong}; trying again")
                told = wrong
            await sleep(delay)
            delay = min(delay * 2, 2.0)

    async def _ask(self, timeout_s: float) -> tuple[int, str]:
        """The status, and what is wrong with the answer (nothing: empty)."""
        import asyncio

        import httpx

        try:
            async with (
                asyncio.timeout(timeout_s),
                client_for(self.url, timeout_s) as client,
                client.stream(self.method, self.url, headers=self.headers) as answer,
            ):
                status = answer.status_code
                if status != self.expect:
                    return status, f"answered {status}, not {self.expect}"
                if self.contains is not None and self.contains not in await _read(answer):
                    return status, f"answered {status} without the text {self.contains!r}"
                return status, ""
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
            raise NodeError(f"{shown(self.url)} is no address: {error}", retry=False) from None
        except (httpx.TimeoutException, TimeoutError):
            return 0, f"did not answer within {timeout_s:.0f} s"
        except httpx.HTTPError as error:
            return 0, f"cannot be reached: {error or type(error).__name__}"


@dataclass(frozen=True)
class Check(Node, kind="http.check"):
    """Ask a web address, and fail unless it answers as expected."""

    url: Annotated[str, Trusted, Doc("The address.")]
    expect: Annotated[int, Doc("The status it must answer with.")] = 200
    contains: Annotated[str | None, Doc("A text that must be in the answer.")] = None
    method: Annotated[str, Trusted, Doc("The method: GET, HEAD, POST …")] = "GET"
    headers: Annotated[dict[str, str], TakesSecret, Doc("Headers of the request.")] = field(
        default_factory=dict
    )
    within: Annotated[
        Duration, Doc("Ask again until the answer is right or this time is over; once if 0.")
    ] = 0.0

    @dataclass(frozen=True)
    class Outputs:
        status: Annotated[int, Doc("The status it answered with.")]
        took: Annotated[Duration, Doc("How long the answer took.")]

    async def run(self, ctx: Context) -> Outputs:
        probe = Probe(self.url, self.expect, self.contains, self.method, self.headers)
        status, took = await unless_ended(ctx, probe.until(self.within, ctx.log))
        ctx.log(f"{shown(self.url)} answered {status}")
        return self.Outputs(status, round(took, 3))


def client_for(url: str, timeout_s: float) -> httpx.AsyncClient:
    """A client for one address. What runs on this machine is never asked through a proxy, and
    certificates, which take a while to load, are loaded only where they are looked at."""
    import httpx

    here = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    secure = not url.lower().startswith("http:")
    return httpx.AsyncClient(timeout=timeout_s, trust_env=not here, verify=secure)


async def unless_ended(ctx: Context, work: Awaitable[T]) -> T:
    """What the work gives; NodeError as soon as the attempt is to end."""
    import asyncio

    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=0.05))[0]:
            if ctx.cancelled():
                raise NodeError("it was ended while it waited for an answer", retry=False)
        return task.result()
    finally:
        task.cancel()


async def _read(answer: Any) -> str:
    """The text of an answer, up to a million bytes."""
    content = b""
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > _LARGEST:
            break
    try:
        return content[:_LARGEST].decode(answer.encoding or "utf-8", "replace")
    except LookupError:  # the answer names an encoding that nobody knows
        return content[:_LARGEST].decode("utf-8", "replace")


def shown(url: str) -> str:
    """The address as far as it is no secret: without user, path and query."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "the address"
        return f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return "the address"
