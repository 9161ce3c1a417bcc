"""The audit log of what is done on this machine: the server's own file, whether one runs or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from rflow.cli.target import on_server

if TYPE_CHECKING:
    from rflow.compiler.plan import Json
    from rflow.runner.service import Service


@contextmanager
def logged(
    service: Service, state: str | None, by: str, action: str, object: str, **detail: Json
) -> Iterator[None]:
    """Log what is done within to the state of this machine; a server logs by itself."""
    if on_server(state) is not None:
        yield
        return
    from rflow.server import audit
    from rflow.server.store import Store
    from rflow.server.tokens import Principal

    who = Principal(by, "admin", "", "command line")
    with (
        closing(Store.beside(service.state)) as store,
        audit.change(store, who, action, object, detail),
    ):
        yield
