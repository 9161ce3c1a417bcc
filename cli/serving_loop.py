"""Running the server's application until somebody ends it: the socket, the signals, the words."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from msgspec import structs
from rflow.cli.command import note, say
from rflow.cli.failure import Failure
from rflow.cli.target import person
from rflow.server.app import create_app
from rflow.server.core import Server
from rflow.server.listening import remember
from rflow.server.logging import Form, install
from rflow.server.tokens import any_stands, sign_in_code
from uvicorn.protocols.http.h11_impl import H11Protocol

KEEP_ALIVE_S = 20
HEAD_S = 20.0
"""So long may it take until a request's head is there."""
GRACE_S = 5


def serve(server: Server, log_form: Form = "text") -> int:
    """Serve until Ctrl-C or SIGTERM; the exit code."""
    config = server.config
    try:
        family = socket.AF_INET6 if ":" in config.listen else socket.AF_INET
        listening = socket.create_server((config.listen, config.port), family=family, backlog=1024)
    except OSError as error:
        server.close()
        raise Failure(
            f"nothing can listen on {config.listen}, port {config.port}: {error.strerror}",
            help="take another port with `--port`",
        ) from None
    # The event loop does not set it where it is given the socket, and an answer in two parts then
    # waits for 40 ms; those that are accepted inherit it.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = listening.getsockname()[1]
    server.config = config = structs.replace(config, port=port)
    remember(server.services.here().journal, config.url)
    flows = server.catalog.flows()
    say(f"rflow serves {len(flows)} flow{'' if len(flows) == 1 else 's'} at {config.url}")
    if not flows and server.following is None:
        note(f"  no file `*.rflow` lies under {server.catalog.root} that can be served; one that")
        note("  is put there is, at once")
    if config.is_exposed:
        note("warning: other machines reach this server over plain HTTP, where tokens can be read")
        note("  put a proxy with TLS in front of it (docs/how-to/serve.md has examples), and give")
        note("  `--public-url https://…`")
    note(f"  state: {server.state.root}")
    if not any_stands(server.store):
        code = sign_in_code(server.store, person(None))
        note("  no token was made yet; sign in as admin, once, within 15 minutes:")
        note(f"  {config.url}/sign-in?code={code}")
    undo = install(log_form)
    for one in config.repositories:  # one that has no value is better told of now than at a push
        server.repositories.secret(one.webhook_secret)
        server.repositories.secret(one.token)
    try:
        with listening:
            Loop(server).run([listening])
    finally:
        undo()
    return 0


class Connection(H11Protocol):
    """A connection that is closed where the head of a request does not come in time. Uvicorn alone
    would keep one that says nothing, or too little, for ever."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_S, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._in_time()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class Loop(uvicorn.Server):
    """The event loop with the server's application; who listens is let go before it ends."""

    def __init__(self, server: Server) -> None:
        self._app, config = create_app(server), server.config
        super().__init__(
            uvicorn.Config(
                self._app,
                http=Connection,
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                proxy_headers=bool(config.trusted_proxies),
                forwarded_allow_ips=list(config.trusted_proxies),
                h11_max_incomplete_event_size=64 * 1024,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: no stream holds it up."""
        self._app.state.news.end()
        await super().shutdown(sockets)
