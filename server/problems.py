"""Errors as the API tells them: `application/problem+json`, RFC 9457.

A `Problem` here is an answer, not a fault: what was expected, what was found, what to do. Every
one has a `code`; those of the runner keep theirs (RF9xx).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from rflow.runner import refusals
from rflow.runner.problems import PROBLEMS, StateError
from rflow.runner.refusals import Refused
from rflow.server import refusals as ours
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("rflow.server")
_NOT_THERE = {
    refusals.NO_RUN.id,
    refusals.NO_NODE.id,
    refusals.NO_STAGE.id,
    ours.NO_TOKEN.id,
    ours.NO_FLOW.id,
    ours.NO_SUBSCRIPTION.id,
}
_INPUT = {
    ours.BAD_TOKEN.id,
    ours.OTHER_REQUEST.id,
    ours.BAD_END.id,
    ours.BAD_SUBSCRIPTION.id,
    refusals.BAD_ARG.id,
    refusals.BAD_TRIGGER.id,
    refusals.BAD_OVERRIDE.id,
    refusals.BAD_LOOP.id,
    refusals.NO_VALUE.id,
    refusals.RESERVED_NAME.id,
}


class Answer(Exception):
    """An error answer, raised where it is found."""

    def __init__(
        self,
        status: int,
        title: str,
        *,
        detail: str = "",
        help: str = "",
        code: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(title)
        self.status, self.headers = status, dict(headers or {})
        parts = {"detail": detail, "help": help, "code": code, **more}
        self.body: dict[str, Any] = {
            "type": "about:blank",
            "title": title,
            "status": status,
            **{name: value for name, value in parts.items() if value},
        }

    def response(self) -> JSONResponse:
        """As a response."""
        return JSONResponse(self.body, self.status, self.headers, MEDIA_TYPE)


def of_state_error(error: StateError) -> Answer:
    """What the runner refused: 404 for what is not there, 422 for a wrong input, 503 where the
    state itself cannot be used, else 409."""
    if isinstance(error, Refused):
        told = [{"code": p.code, "message": p.message, "help": p.help} for p in error.problems]
        input_only = all(p.code in _INPUT for p in error.problems)
        status = 422 if input_only else 409
        return Answer(status, error.problems[0].message, code=error.problems[0].code, errors=told)
    status = 404 if error.code in _NOT_THERE else 422 if error.code in _INPUT else 409
    if error.problem in PROBLEMS:
        status = 503
    return Answer(status, error.message, help=error.help or "", code=error.code)


def install(app: FastAPI) -> None:
    """Let an application answer all its errors so."""

    @app.exception_handler(Answer)
    def _answer(request: Request, error: Answer) -> JSONResponse:
        return error.response()

    @app.exception_handler(StateError)
    def _state(request: Request, error: StateError) -> JSONResponse:
        return of_state_error(error).response()

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted({*_methods(app.router, request.url.path)}))
        return Answer(error.status_code, str(error.detail), headers=headers).response()

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        told = [
            {"where": ".".join(map(str, found["loc"])), "message": found["msg"]}
            for found in error.errors()
        ]
        return Answer(422, "the request is not as described", errors=told).response()

    @app.exception_handler(Exception)
    def _fault(request: Request, error: Exception) -> JSONResponse:
        log.exception("a fault of rflow's own", exc_info=error)
        return Answer(500, "something went wrong in rflow itself").response()


def _methods(router: Any, path: str) -> Iterator[str]:
    """What may be done at a path, by all of the routes that have it."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _methods(inner, path)
        elif getattr(route, "methods", None) and route.path_regex.match(path):
            yield from route.methods - {"HEAD"}
