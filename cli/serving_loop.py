"""Running the server's application until somebody ends it: the socket, the signals, the words."""

from __future__ import annotations

import dataclasses
import socket

import uvicorn
from rflow.cli.command import note, say
from rflow.cli.failure import Failure
from rflow.server.app import create_app
from rflow.server.core import Server

KEEP_ALIVE_S = 20
GRACE_S = 5


def serve(server: Server) -> int:
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
    port = listening.getsockname()[1]
    server.config = config = dataclasses.replace(config, port=port)
    flows = server.catalog.flows()
    say(f"rflow serves {len(flows)} flow{'' if len(flows) == 1 else 's'} at {config.url}")
    note(f"  state: {server.state.root}")
    running = uvicorn.Server(
        uvicorn.Config(
            create_app(server),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            proxy_headers=bool(config.trusted_proxies),
            forwarded_allow_ips=list(config.trusted_proxies),
            h11_max_incomplete_event_size=64 * 1024,
        )
    )
    with listening:
        running.run([listening])
    return 0
