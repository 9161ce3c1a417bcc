"""The description of the API, OpenAPI 3.1: what FastAPI makes of the routes, with the errors.

Owns `/api/openapi.json`; `docs/reference/api.md` is made from the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from rflow.server.access import Needs
from rflow.server.answers import PROBLEM, WORDS, Problem
from rflow.server.tokens import Role

ABOUT = """\
All that `rflow` can do, as JSON over HTTP. Every request carries a token, `Authorization: Bearer \
TOKEN`; what it may do is its role: view, run, approve, admin, each including those before it. \
Times are seconds since 1970. Lists come in pages: `next` is the cursor of the page after it. \
Errors are `application/problem+json`.\
"""
TAGS = (
    ("runs", "Start runs, look at them, follow them, ask things of them."),
    ("approvals", "What waits for people."),
    ("stages", "What is deployed, what can be gone back to, stopping the line."),
    ("flows", "What is served, and what holds for all runs of a flow."),
    ("deliveries", "What came from outside, and what it started."),
    ("subscriptions", "Telling other programs of events."),
    ("server", "Tokens, the audit log, what is installed."),
)


def describe(app: FastAPI) -> None:
    """Let an application describe itself so."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
    used = {
        tag
        for path in found["paths"].values()
        for of in path.values()
        for tag in of.get("tags", ())
    }
    known = [{"name": name, "description": about} for name, about in TAGS if name in used]
    found["tags"] = known + [{"name": tag} for tag in sorted(used - {name for name, _ in TAGS})]
    roles = dict(_roles(app.router))
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _with_problems(operation["responses"])
            if (role := roles.get((method.upper(), path))) is not None:
                operation["x-rflow-role"] = role
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):  # ours are told otherwise
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    return found


def _with_problems(responses: dict[str, Any]) -> None:
    """Every error of an operation is a problem."""
    if "HTTPValidationError" in str(responses.get("422")):
        responses["422"] = {"description": WORDS[422], "content": PROBLEM}
    responses.setdefault("default", {"description": "Any other error.", "content": PROBLEM})


def _roles(router: Any) -> Iterator[tuple[tuple[str, str], Role]]:
    """The role that each route asks for."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _roles(inner)
        elif isinstance(route, APIRoute):
            for needed in route.dependant.dependencies:
                if isinstance(needed.call, Needs):
                    yield from (
                        ((m, route.path_format), needed.call.role) for m in route.methods or ()
                    )
