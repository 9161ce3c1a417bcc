"""The way in and out: sign-in with a token or a link, the theme, the files that pages use."""

from __future__ import annotations

import mimetypes
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from rflow.server import tokens
from rflow.server.pages.forms import Form, Posted, read_form
from rflow.server.pages.look import THEME_COOKIE, THEMES, render, static
from rflow.server.pages.who import check_same_origin, cookie_name, is_https
from rflow.server.problems import Answer
from rflow.server.reach import of
from rflow.server.sessions import SECURE_COOKIE, close_session, open_session
from rflow.server.tokens import Token

router = APIRouter(include_in_schema=False)
YEAR_S = 365 * 86400


@router.get("/static/{name}")
def file(name: str) -> Response:
    """A file that pages use; its address has its version, so that it may be kept."""
    try:
        data, version = static(name)
    except (FileNotFoundError, ValueError):
        raise Answer(404, "there is no such file") from None
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"cache-control": f"public, max-age={YEAR_S}, immutable", "etag": f'"{version}"'}
    return Response(data, 200, headers, kind)


@router.get("/sign-in")
def sign_in_page(request: Request, code: str = "", next: str = "/") -> Response:
    """Where a token is pasted; with a code, the sign-in of a link."""
    if code:
        made = tokens.redeem(of(request).store, code)
        if made is not None:
            return _let_in(request, made.token, next)
        return render("sign_in.html", request, 403, next=next, wrong="link")
    return render("sign_in.html", request, next=next, wrong="")


@router.post("/sign-in")
def sign_in(request: Request, form: Annotated[Form, Depends(read_form)]) -> Response:
    """Open a session with a token."""
    check_same_origin(request)
    token = tokens.valid(of(request).store, form.text("token").strip())
    if token is None:
        return render("sign_in.html", request, 403, next=form.text("next"), wrong="token")
    return _let_in(request, token, form.text("next"))


def _let_in(request: Request, token: Token, next: str) -> Response:
    secret, lasts_s = open_session(of(request).store, token)
    answer = RedirectResponse(_local(next), 303, {"cache-control": "no-store"})
    answer.set_cookie(
        cookie_name(request),
        secret,
        max_age=int(lasts_s),
        path="/",
        secure=cookie_name(request) == SECURE_COOKIE,
        httponly=True,
        samesite="lax",
    )
    return answer


@router.post("/sign-out")
def sign_out(request: Request, form: Posted) -> Response:
    """End the session."""
    name = cookie_name(request)
    close_session(of(request).store, request.cookies.get(name, ""))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(name, path="/", secure=name == SECURE_COOKIE, httponly=True)
    return answer


@router.post("/theme")
def theme(request: Request, form: Annotated[Form, Depends(read_form)]) -> Response:
    """Keep whether pages are light or dark for this browser."""
    check_same_origin(request)
    answer = RedirectResponse(_local(form.text("next")), 303)
    chosen = form.text("theme")
    if chosen in THEMES:
        answer.set_cookie(
            THEME_COOKIE, chosen, max_age=YEAR_S, path="/", secure=is_https(request), samesite="lax"
        )
    return answer


def _local(address: str) -> str:
    """The address if it is one of this server, else the first page."""
    parts = urlsplit(address)
    fine = address.startswith("/") and not address.startswith(("//", "/\\"))
    ours = fine and not parts.netloc and not parts.scheme and address.isprintable()
    return address if ours else "/"
