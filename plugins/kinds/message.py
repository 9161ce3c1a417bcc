"""`message.webhook`, and how all messages over HTTP are sent.

What a service answers decides whether trying again can help: it cannot for 4xx, but for those that
say "later". Redirects are not followed. An address is never told: it is often a secret.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from rflow.plugins import (
    Context,
    Doc,
    Node,
    NodeError,
    SigningError,
    TakesSecret,
    Trusted,
    message_id,
    signed,
)
from rflow.plugins.kinds.http import TRY_S, client_for, shown, unless_ended

if TYPE_CHECKING:
    import httpx

_LATER = (408, 425, 429)


@dataclass(frozen=True)
class Webhook(Node, kind="message.webhook"):
    """Send a message to a web address: a POST of JSON, `{"text": …}` as chats take it.

    It carries an `Idempotency-Key`, the same whenever this message of this run is sent again, by a
    retry or after a crash. With a `secret` it is signed as Standard Webhooks defines it.
    """

    url: Annotated[str, TakesSecret, Trusted, Doc("The address.")]
    text: Annotated[str | None, Doc("The message. Sent as it is: the service may read it.")] = None
    body: Annotated[
        dict[str, Any] | None, Doc("Further fields of the JSON, or all where there is no text.")
    ] = None
    headers: Annotated[dict[str, str], TakesSecret, Doc("Further headers.")] = field(
        default_factory=dict
    )
    secret: Annotated[
        str | None,
        TakesSecret,
        Doc("Signs it: `whsec_` and base64 of 24 to 64 bytes, or a text of 24 bytes or more."),
    ] = None

    @dataclass(frozen=True)
    class Outputs:
        status: Annotated[int, Doc("The status it was answered with.")]

    async def run(self, ctx: Context) -> Outputs:
        if self.text is None and self.body is None:
            raise NodeError("there is nothing to send: neither `text` nor `body`", retry=False)
        text = {} if self.text is None else {"text": self.text}
        body = encoded({**text, **(self.body or {})})
        id = message_id(ctx.run_id, ctx.node, body.decode())
        headers = {"Idempotency-Key": id}
        if self.secret is not None:
            try:
                headers |= signed(self.secret, id, time.time(), body)
            except SigningError as error:
                raise NodeError(f"it cannot be signed: {error}", retry=False) from None
        answer = await post(ctx, self.url, body, {**headers, **self.headers})
        ctx.log(f"{shown(self.url)} took the message")
        return self.Outputs(answer.status_code)


def encoded(content: object) -> bytes:
    """As JSON; NodeError for what JSON cannot hold."""
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise NodeError(f"the message cannot be written as JSON: {error}", retry=False) from None


async def post(
    ctx: Context, url: str, body: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """The answer to a POST of JSON, which is 2xx; NodeError for any other."""
    async with one_client(url) as client:
        return await request(ctx, client, "POST", url, content=body, headers=headers)


def one_client(url: str) -> httpx.AsyncClient:
    """A client for requests to one address; NodeError if it is none."""
    try:
        return client_for(url, TRY_S)
    except ValueError:
        raise NodeError("`url` is no web address", retry=False) from None


async def request(
    ctx: Context,
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    accept: tuple[int, ...] = (),
) -> httpx.Response:
    """The answer to a request, if it is 2xx or one of `accept`; NodeError for any other. Content
    is JSON."""
    import httpx

    given = {"User-Agent": "rflow", **(headers or {})}
    if content is not None:
        given = {"Content-Type": "application/json", **given}
    try:
        asked = client.request(method, url, content=content, headers=given)
        answer = await unless_ended(ctx, asked)
    except (
        httpx.InvalidURL,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        ValueError,
    ):
        raise NodeError("`url` is no web address, or a header is none", retry=False) from None
    except httpx.HTTPError as error:
        raise NodeError(f"{shown(url)} cannot be reached: {type(error).__name__}") from None
    status = answer.status_code
    if not 200 <= status < 300 and status not in accept:
        raise NodeError(f"{shown(url)} answered {status}", retry=status >= 500 or status in _LATER)
    return answer
