"""The addresses that others call: messages of git hosts, and the webhooks of flows.

Whoever calls proves it by a signature or by the token in the address; roles and sessions mean
nothing here. A body is read only so far and only so long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from rflow.plugins.types import Json
from rflow.runner.journal import RunSummary
from rflow.runner.secrets import Key
from rflow.server import webhooks
from rflow.server.calling import Calls
from rflow.server.core import Server
from rflow.server.hooks import Hooks, Limiter
from rflow.server.hosts.reading import Malformed, clean, parse
from rflow.server.problems import Answer
from rflow.server.reach import of
from rflow.server.receiving import Receiver
from rflow.server.webhooks import Webhook
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

router = APIRouter(tags=["webhooks"])

MESSAGE_MAX = 25 * 1024 * 1024
"""As much as GitHub sends."""
CALL_MAX = 1024 * 1024
PARAMS_MAX = 200
PATIENCE_S = 30.0
"""So long may a whole body take."""
WAIT_MAX_S = 60

HostName = Literal["github", "gitlab", "gitea", "bitbucket", "plain"]
Token = Annotated[str, Path(max_length=200, description="The webhook's token.")]


@router.post("/hooks/{host}", status_code=202)
async def hook(request: Request, host: HostName) -> JSONResponse:
    """Take a message of a git host. It is on disk before it is answered; what became of it is in
    its delivery."""
    body = await _body(request, MESSAGE_MAX)
    hooks: Hooks = request.app.state.hooks
    receiver: Receiver = request.app.state.receiver
    headers = dict(request.headers)
    id, new = await run_in_threadpool(hooks.take, host, headers, body)
    receiver.wake()
    return JSONResponse({"delivery": id, "new": new}, 202)


@router.get("/release-flows/{token}", status_code=201)
@router.post("/release-flows/{token}", status_code=201)
async def call(request: Request, token: Token) -> JSONResponse:
    """Start a flow. `name` and `description` label the run, `TRIGGER.branch`, `.sha`,
    `.pullRequestId` and `.repoUrl` are values of a git trigger, all else are arguments."""
    body = await _body(request, CALL_MAX)
    return await run_in_threadpool(_call, request, token, body)


def _call(request: Request, token: str, body: bytes) -> JSONResponse:
    server, calls = of(request), request.app.state.calls
    assert isinstance(calls, Calls)
    webhook = _webhook(server, token)
    limiter: Limiter = request.app.state.limiter
    wait_s = limiter.wait_s(webhook.id, webhook.rate, time.monotonic())
    if wait_s:
        raise Answer(
            429,
            f"this webhook may be called {webhook.rate} times a minute",
            headers={"Retry-After": str(int(wait_s) + 1)},
        )
    query = request.url.query.encode()
    given = request.headers.get("x-rflow-signature", "")
    if not webhooks.is_signed(webhook, Key(server.state.key), given, query, body):
        raise Answer(
            401,
            "the call is not signed as this webhook asks for",
            help="`X-Rflow-Signature: sha256=…` is the HMAC-SHA256 of the query, a newline and the "
            "body, with the signing secret",
        )
    params = _params(request.url.query, request.headers.get("content-type", ""), body)
    key = request.headers.get("idempotency-key", "")[:500]
    reply = calls.take(webhook, params, key, dict(request.headers))
    if "run" in reply.body:
        at = f"{server.config.url}/release-flows/{token}/runs/{reply.body['run']}"
        reply.body["status_url"] = at
        reply.headers["Location"] = at
    return JSONResponse(reply.body, reply.status, _private(reply.headers))


@router.get("/release-flows/{token}/runs/{run}")
async def status(
    request: Request,
    token: Token,
    run: Annotated[str, Path(max_length=100)],
    wait: Annotated[int, Query(ge=0, le=WAIT_MAX_S, description="Seconds to wait for.")] = 0,
) -> JSONResponse:
    """How a run of the webhook's flow stands; with `wait`, as soon as it has ended."""
    server = of(request)
    webhook = await run_in_threadpool(_webhook, server, token)
    until = time.monotonic() + wait
    with request.app.state.news.listen(run) as listener:
        while True:
            summary = await run_in_threadpool(_run, server, webhook, run)
            left = until - time.monotonic()
            if summary.concluded or left <= 0 or listener.ended:
                return JSONResponse(_shown(server, summary), headers=_private({}))
            await listener.wait(min(left, 1.0))


def _private(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", **headers}


def _webhook(server: Server, token: str) -> Webhook:
    found = webhooks.valid(server.store, token, "flow")
    if found is None:
        raise Answer(404, "there is no webhook with this token", help="it may have been rotated")
    return found


def _run(server: Server, webhook: Webhook, run: str) -> RunSummary:
    found = server.services.here().journal.summary(run)
    if found is None or found.flow != webhook.target:
        raise Answer(404, f"the flow `{webhook.target}` has no run `{run}`")
    return found


def _shown(server: Server, run: RunSummary) -> dict[str, Any]:
    return {
        "run": run.run,
        "name": run.name,
        "flow": run.flow,
        "status": run.status,
        "concluded": run.concluded,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "url": f"{server.config.url}/runs/{run.run}",
    }


# -- what is sent ----------------------------------------------------------------------------------


async def _body(request: Request, most: int) -> bytes:
    """The body. Answer 413 or 408 for one that is too large or too slow."""
    too_large = Answer(413, "the body is too large", help=f"at most {most} bytes are taken")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > most:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise Answer(408, "the body does not come") from None
    except ClientDisconnect:
        raise Answer(400, "the body ended too early") from None
    return b"".join(parts)


def _params(query: str, content_type: str, body: bytes) -> dict[str, Json]:
    """What was given, in the query and in the body."""
    found: dict[str, Json] = {}
    kind = content_type.partition(";")[0].strip().lower()
    pairs: list[tuple[str, Json]] = [*_form(query)]
    if body and kind == "application/json":
        try:
            pairs += parse(body).items()
        except Malformed as error:
            raise Answer(400, str(error)) from None
    elif body and kind == "application/x-www-form-urlencoded":
        pairs += _form(body.decode("utf-8", "replace"))
    elif body:
        raise Answer(
            415,
            "the body is neither JSON nor a form",
            help="send `application/json` or `application/x-www-form-urlencoded`",
        )
    if len(pairs) > PARAMS_MAX:
        raise Answer(422, f"at most {PARAMS_MAX} parameters are taken")
    for name, value in pairs:
        if name in found:
            raise Answer(422, f"`{clean(name)[:100]}` is given twice")
        found[clean(name)] = _clean(value)
    return found


def _form(text: str) -> list[tuple[str, Json]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=PARAMS_MAX)
    except ValueError:
        raise Answer(422, f"at most {PARAMS_MAX} parameters are taken") from None
    return [(name, value) for name, value in pairs]


def _clean(value: Json) -> Json:
    """The value with texts that can be kept."""
    match value:
        case str():
            return clean(value)
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {clean(name): _clean(item) for name, item in value.items()}
        case float() if value != value or value in (float("inf"), float("-inf")):
            raise Answer(400, "a number is not finite")
        case _:
            return value
