"""How a route reaches the server that its request came to."""

from __future__ import annotations

from fastapi import Request
from rflow.server.core import Server


def of(request: Request) -> Server:
    """The server that a request came to."""
    server = request.app.state.server
    assert isinstance(server, Server)
    return server


__all__ = ["of"]
