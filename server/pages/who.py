"""Who looks at a page: the session of a cookie, as the API's dependencies ask for it.

A request that changes something must come from a page of this server: browsers say so in
`Sec-Fetch-Site` or `Origin`, and forms carry the session's mark besides (see `forms`).
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials
from rflow.server.access import BEARER, Needs
from rflow.server.problems import Answer
from rflow.server.reach import of
from rflow.server.sessions import PLAIN_COOKIE, SECURE_COOKIE, find_session
from rflow.server.tokens import Principal

SAFE = ("GET", "HEAD", "OPTIONS")


def is_https(request: Request) -> bool:
    """Whether the browser came over https, as far as is known."""
    return request.url.scheme == "https" or of(request).config.public_url.startswith("https:")


def cookie_name(request: Request) -> str:
    """The name of the session's cookie."""
    return SECURE_COOKIE if is_https(request) else PLAIN_COOKIE


def session_of(request: Request) -> Principal | None:
    """Who the request's session belongs to, None without one."""
    secret = request.cookies.get(cookie_name(request))
    found = find_session(of(request).store, secret) if secret else None
    if found is None:
        return None
    if request.method not in SAFE:
        check_same_origin(request)
    request.state.session = found
    request.state.csrf = found.csrf
    address = request.client.host if request.client is not None else ""
    return Principal(found.token.name, found.token.role, found.token.id, address)


def check_same_origin(request: Request) -> None:
    """Answer 403 for a request that a page of another site makes."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        same = site in ("same-origin", "none")
    elif origin is not None:
        host = urlsplit(origin).netloc
        same = host in (request.headers.get("host", ""), urlsplit(of(request).config.url).netloc)
    else:
        same = False
    if not same:
        raise Answer(
            403,
            "the request does not come from a page of this server",
            help="other programs use the API with a token of their own",
        )


class Sees(Needs):
    """Like `Needs`, and lets the page know who looks at it, and from which turn of the news on what
    it shows may be old."""

    def __call__(
        self,
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    ) -> Principal:
        """Who it is; see `Needs`."""
        found = super().__call__(request, given)
        request.state.viewer = found
        request.state.turn = request.app.state.news.turn
        return found


View = Annotated[Principal, Depends(Sees("view"))]
Run = Annotated[Principal, Depends(Sees("run"))]
Approve = Annotated[Principal, Depends(Sees("approve"))]
Admin = Annotated[Principal, Depends(Sees("admin"))]
