"""The web application: routes and what stands around all of them. Owns no rule of its own.

Routes are plain functions and run in threads; what they need is reached by `of(request)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata

from fastapi import FastAPI, Request
from rflow.server import problems
from rflow.server.core import Server


def of(request: Request) -> Server:
    """The server that a request came to."""
    server = request.app.state.server
    assert isinstance(server, Server)
    return server


def create_app(server: Server) -> FastAPI:
    """The application of a server; the server's parts begin and end with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        server.start()
        try:
            yield
        finally:
            server.close()

    app = FastAPI(
        title="rflow",
        version=metadata.version("rflow"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.server = server
    problems.install(app)
    return app
