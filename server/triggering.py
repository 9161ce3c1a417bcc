"""Everything by which runs start without a person: built and joined here."""

from __future__ import annotations

from fastapi import FastAPI
from rflow.server import routes_hooks
from rflow.server.calling import Calls
from rflow.server.clock import Clock
from rflow.server.core import Server
from rflow.server.hooks import Hooks, Limiter
from rflow.server.keeping import Keeper
from rflow.server.polling import Polling
from rflow.server.receiving import Receiver
from rflow.server.statuses import Reporter


def install(app: FastAPI, server: Server) -> None:
    """Let an application take messages, and its server work them off."""
    repositories = server.repositories
    reporter = Reporter(server, repositories)
    if server.following is not None:
        server.following.report = reporter.flows_taken
    receiver = Receiver(server, repositories, reporter)
    polling = Polling(server, repositories, receiver)
    app.state.hooks = Hooks(server.store, repositories, Keeper(server.store))
    app.state.calls = Calls(server, repositories)
    app.state.receiver = receiver
    app.state.limiter = Limiter()
    server.workers += [reporter, receiver, polling, Clock(server, receiver)]
    app.include_router(routes_hooks.router)
