"""The web application: routes and what stands around all of them. Owns no rule of its own.

Routes are plain functions and run in threads; what they need is reached by `of(request)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata

from fastapi import FastAPI
from rflow.server import (
    observing,
    pages,
    problems,
    routes_admin,
    routes_asking,
    routes_check,
    routes_deliveries,
    routes_events,
    routes_flows,
    routes_runs,
    routes_stages,
    triggering,
)
from rflow.server.core import Server
from rflow.server.description import describe
from rflow.server.limits import Limits
from rflow.server.news import News
from rflow.server.reach import of
from rflow.server.restoring import Restoring

__all__ = ["create_app", "of"]

API = (
    routes_runs,
    routes_events,
    routes_asking,
    routes_stages,
    routes_flows,
    routes_check,
    routes_admin,
    routes_deliveries,
)


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
    app.state.news = News(server)
    server.workers += [Restoring(server), app.state.news]
    problems.install(app)
    describe(app)
    app.add_middleware(Limits, server=server)
    for routes in API:
        app.include_router(routes.router)
    triggering.install(app, server)
    pages.install(app)
    observing.install(app, server)
    return app
