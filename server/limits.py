"""What a request must keep to before anything looks at it: its host, its size, its type.

A server that listens on this machine only answers to this machine's names: a page of somebody
else's whose name was made to point here is refused. The API takes JSON, and not too much of it.
Webhooks have limits of their own.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from rflow.server.config import Config
from rflow.server.core import Server
from rflow.server.listening import is_loopback
from rflow.server.problems import Answer
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/api/"
BODY_MAX = 1 << 20
PATIENCE_S = 30.0
"""So long may each part of a body take."""
ANY_HOST = ("/hooks/", "/release-flows/")
"""What comes from elsewhere proves by itself who it is from."""


class Limits:
    """Refuses what is too large, of another type, or meant for another host."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self.app, self.server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        hosts = hosts_of(self.server.config)
        refused: Answer | None = None
        if hosts is not None and not path.startswith(ANY_HOST):
            refused = _wrong_host(headers.get("host", ""), hosts)
        if refused is None and path.startswith(API):
            refused = _wrong_body(headers)
            receive = _counted(receive)
        if refused is not None:
            await refused.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)


def hosts_of(config: Config) -> frozenset[str] | None:
    """The names that the server answers to, None for any."""
    public = urlsplit(config.public_url).hostname
    if public is None and not is_loopback(config.listen):
        return None
    names = {"localhost", "127.0.0.1", "::1", config.listen.lower()}
    return frozenset(names if public is None else {*names, public})


def _wrong_host(given: str, hosts: frozenset[str]) -> Answer | None:
    try:
        name = urlsplit(f"//{given}").hostname or ""
    except ValueError:
        name = ""
    if name in hosts:
        return None
    return Answer(
        421,
        "this server does not answer to that name",
        detail=f"the request is for the host {given[:200]!r}",
        help="set `public_url` to the address by which people reach the server",
    )


def _wrong_body(headers: Headers) -> Answer | None:
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > BODY_MAX:
        return _too_large()
    if length == "0" and "transfer-encoding" not in headers:
        return None
    type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if type == "application/json":
        return None
    return Answer(
        415, "the body is not JSON", help="send JSON, with `Content-Type: application/json`"
    )


def _too_large() -> Answer:
    return Answer(413, "the body is too large", help=f"at most {BODY_MAX} bytes are taken")


def _counted(receive: Receive) -> Receive:
    """The same request, cut off where it becomes too large."""
    count, more = 0, True

    async def counted() -> Message:
        nonlocal count, more
        try:
            message = await asyncio.wait_for(receive(), PATIENCE_S) if more else await receive()
        except TimeoutError:
            raise HTTPException(408, "the body does not come") from None
        more = bool(message.get("more_body", False))
        count += len(message.get("body", b""))
        if count > BODY_MAX:
            raise HTTPException(413, "the body is too large")
        return message

    return counted
