"""How a page is made: the templates, what all of them are given, the headers of every answer.

The policy in `HEADERS` lets a page have nothing but what this server serves as a file: no inline
script or style, nothing from elsewhere, no frame around it.
"""

from __future__ import annotations

import hashlib
import time
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FunctionLoader, StrictUndefined
from rflow.runner.inbox import inbox
from rflow.runner.problems import StateError
from rflow.server.pages import words
from rflow.server.pages.graph import DRAWN_MAX
from rflow.server.reach import of
from rflow.server.tokens import includes
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
THEMES = ("light", "dark")
THEME_COOKIE = "rflow-theme"
_FILES = resources.files("rflow.server.pages")


def _template(name: str) -> tuple[str, str, None]:
    return _FILES.joinpath("templates", name).read_text("utf-8"), name, None


@cache
def static(name: str) -> tuple[bytes, str]:
    """A file that pages use, and its version. FileNotFoundError if there is none."""
    if "/" in name or name.startswith("."):
        raise FileNotFoundError(name)
    data = _FILES.joinpath("static", name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:12]


def _address(name: str) -> str:
    return f"/static/{name}?v={static(name)[1]}"


@cache
def environment() -> Environment:
    """The templates; one for the process, since they do not change."""
    made = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(words.FILTERS)
    made.globals["static"] = _address
    made.globals["drawn_max"] = DRAWN_MAX
    made.globals["ago"] = lambda at: words.relative(at, time.time())
    return made


def render(template: str, request: Request, status: int = 200, **values: Any) -> HTMLResponse:
    """A page. What all pages show (who is signed in, the theme, the time) is added."""
    now = time.time()
    theme = request.cookies.get(THEME_COOKIE, "")
    text = (
        environment()
        .get_template(template)
        .render(
            path=request.url.path,
            here=_here(request),
            theme=theme if theme in THEMES else "",
            now=now,
            viewer=(viewer := getattr(request.state, "viewer", None)),
            may=lambda role: viewer is not None and includes(viewer.role, role),
            csrf=getattr(request.state, "csrf", ""),
            turn=getattr(request.state, "turn", 0),
            waiting=_waiting(request) if viewer is not None else 0,
            **values,
        )
    )
    return HTMLResponse(text, status, {"cache-control": "no-store"})


def _waiting(request: Request) -> int:
    """How many gates wait for somebody."""
    service = of(request).services.here()
    try:
        return len(request.app.state.kept.of(service, "inbox", lambda: inbox(service)))
    except StateError:
        return 0


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


class Headers:
    """Puts `HEADERS` on every answer that does not say otherwise itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (n.encode(), v.encode())
                        for n, v in HEADERS.items()
                        if n.encode() not in given
                    ),
                ]
            await send(message)

        await self.app(scope, receive, sent if scope["type"] == "http" else send)


def to_node(request: Request, groups: str, node: str) -> RedirectResponse:
    """The answer to a search that can have meant only one node: its place on the same page."""
    asked = urlencode({"node": node, **({"groups": groups} if groups else {})})
    return RedirectResponse(f"{quote(request.url.path)}?{asked}#node", 303)


def changed(request: Request, address: str) -> RedirectResponse:
    """The answer to a form that has changed something: on to a page that shows it."""
    request.app.state.kept.forget()
    return RedirectResponse(address, 303)
