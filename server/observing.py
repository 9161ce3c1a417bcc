"""What watches a server and what it tells others: metrics, the access log, subscriptions."""

from __future__ import annotations

from fastapi import FastAPI
from rflow.runner.secrets import Key
from rflow.server import routes_health, routes_subscriptions
from rflow.server.core import Server
from rflow.server.logging import Access
from rflow.server.metrics import Metrics
from rflow.server.sending import Sender
from rflow.server.tailing import Tail


def install(app: FastAPI, server: Server) -> None:
    """Give an application all of it; to be called after all other middleware was added."""
    metrics = Metrics(server)
    sender = Sender(server.store, Key(server.state.key), told=metrics.sent)
    tail = Tail(server.services, server.store, lambda: server.config)
    tail.queued = sender.wake
    tail.readers.append(metrics.take)
    server.workers += [sender, tail]
    app.state.metrics = metrics
    app.include_router(routes_health.router)
    app.include_router(routes_subscriptions.router)
    app.add_middleware(Access, counted=metrics.request)
