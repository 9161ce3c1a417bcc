"""What concerns the server and not a run, done on the state of this machine or over the API.

Owns the two ways to the same tokens, audit log, pauses and saved arguments. On this machine the
server's own file is written to, whether a server runs or not; what is changed is logged there too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rflow.cli.cells import clean
from rflow.cli.client import Client, path_of
from rflow.cli.command import note
from rflow.cli.decoding import decoded
from rflow.cli.failure import Failure
from rflow.cli.target import on_server, open_stored, person
from rflow.compiler.plan import Json, Plan
from rflow.dsl.diagnostics import closest
from rflow.runner.line import PAUSE, pause_of
from rflow.runner.saved import forget_arg, save_arg, shown_args
from rflow.runner.secrets import Key
from rflow.runner.state_dir import locate
from rflow.server import audit, tokens
from rflow.server.audit import Entry
from rflow.server.store import Store
from rflow.server.tokens import Made, Principal, Token

if TYPE_CHECKING:
    from rflow.runner.service import Service


class Administration(Protocol):
    """What can be asked."""

    def make_token(self, name: str, role: str, expires_at: float | None) -> Made:
        """Make a token."""

    def tokens(self) -> list[Token]:
        """All tokens."""

    def revoke(self, id: str) -> Token:
        """End a token."""

    def rotate(self, id: str) -> Made:
        """Give a token another secret."""

    def audit(self, limit: int) -> list[Entry]:
        """Who changed what, the newest first."""

    def pause(self, flow: str, reason: str) -> None:
        """Let no trigger start a flow."""

    def unpause(self, flow: str) -> None:
        """Let triggers start it again."""

    def args(self, flow: str) -> dict[str, Json]:
        """The saved values of a flow's arguments, secret ones masked."""

    def set_arg(self, flow: str, name: str, value: str) -> None:
        """Save a value."""

    def unset_arg(self, flow: str, name: str) -> None:
        """Forget a value."""


class There:
    """On a server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def make_token(self, name: str, role: str, expires_at: float | None) -> Made:
        body = {"name": name, "role": role, "expires_at": expires_at}
        return decoded(Made, self._client.ask("POST", "/tokens", json=body))

    def tokens(self) -> list[Token]:
        return [decoded(Token, item) for item in self._client.get("/tokens")["items"]]

    def revoke(self, id: str) -> Token:
        return decoded(Token, self._client.ask("DELETE", path_of("tokens", id)))

    def rotate(self, id: str) -> Made:
        return decoded(Made, self._client.ask("POST", path_of("tokens", id, "rotate")))

    def audit(self, limit: int) -> list[Entry]:
        return [decoded(Entry, item) for item in self._client.all("/audit", limit)]

    def pause(self, flow: str, reason: str) -> None:
        self._client.ask("PUT", path_of("flows", flow, "pause"), json={"reason": reason})

    def unpause(self, flow: str) -> None:
        self._client.ask("DELETE", path_of("flows", flow, "pause"))

    def args(self, flow: str) -> dict[str, Json]:
        saved: dict[str, Json] = self._client.get(path_of("flows", flow))["saved"]
        return saved

    def set_arg(self, flow: str, name: str, value: str) -> None:
        self._client.ask("PUT", path_of("flows", flow, "args", name), json={"value": value})

    def unset_arg(self, flow: str, name: str) -> None:
        self._client.ask("DELETE", path_of("flows", flow, "args", name))


class Here:
    """On the state of this machine; `plan` is that of the flow whose arguments are meant."""

    def __init__(self, service: Service, store: Store, by: str, plan: Plan | None) -> None:
        self._service, self._store, self._plan = service, store, plan
        self._who = Principal(by, "admin", "", "command line")

    def make_token(self, name: str, role: str, expires_at: float | None) -> Made:
        detail: dict[str, Json] = {"role": role, "expires_at": expires_at}
        with audit.change(self._store, self._who, "token.create", name, detail) as logged:
            made = tokens.create(self._store, name, role, by=self._who.name, expires_at=expires_at)
            logged.detail["id"] = made.token.id
        return made

    def tokens(self) -> list[Token]:
        return tokens.listed(self._store)

    def revoke(self, id: str) -> Token:
        with audit.change(self._store, self._who, "token.revoke", id):
            return tokens.revoke(self._store, id)

    def rotate(self, id: str) -> Made:
        with audit.change(self._store, self._who, "token.rotate", id):
            return tokens.rotate(self._store, id)

    def audit(self, limit: int) -> list[Entry]:
        return audit.listed(self._store, limit=limit)

    def pause(self, flow: str, reason: str) -> None:
        with audit.change(self._store, self._who, "flow.pause", flow, {"reason": reason}):
            body: dict[str, Json] = {"by": self._who.name, "reason": reason, "at": time.time()}
            self._service.journal.put_note(PAUSE, flow, body)
        if flow not in (known := self._flows()):
            near = closest(flow, sorted(known))
            meant = f"; did you mean `{near}`?" if near else ""
            note(f"no run and no delivery of a flow `{clean(flow)}` is known here{meant}")

    def unpause(self, flow: str) -> None:
        with audit.change(self._store, self._who, "flow.unpause", flow):
            if pause_of(self._service.journal, flow) is None:
                raise Failure(f"the flow `{flow}` is not paused")
            self._service.journal.delete_note(PAUSE, flow)

    def _flows(self) -> set[str]:
        """The flows that the state knows something of; which are served is not in it."""
        told = self._store.read("SELECT DISTINCT flow FROM verdicts")
        return {row["flow"] for row in told} | {run.flow for run in self._service.runs(limit=1000)}

    def args(self, flow: str) -> dict[str, Json]:
        return shown_args(self._service.journal, self._known())

    def set_arg(self, flow: str, name: str, value: str) -> None:
        with audit.change(self._store, self._who, "args.set", self._known().flow, {"name": name}):
            key = Key(self._service.state.key)
            save_arg(self._service.journal, key, self._known(), name, value)

    def unset_arg(self, flow: str, name: str) -> None:
        with audit.change(self._store, self._who, "args.unset", self._known().flow, {"name": name}):
            forget_arg(self._service.journal, self._known(), name)

    def _known(self) -> Plan:
        assert self._plan is not None
        return self._plan


@contextmanager
def administration(
    state: str | None, by: str | None, plan: Plan | None = None, file: Path | None = None
) -> Iterator[Administration]:
    """What is asked: the server, or the state of this machine, which is made where there is
    none."""
    remote = on_server(state)
    if remote is not None:
        person(by)
        yield There(remote.client)
        return
    none: Any = object()
    beside = file or Path.cwd() / "flow.rflow"
    place = locate(beside, given=Path(state) if state is not None else None)
    fresh = not place.database.exists()
    with open_stored(state, beside, none) as (service, store):
        yield Here(service, store, person(by), plan)
    if fresh:
        note(f"`{clean(str(place.root))}` is new: a server knows of this if that is its state")
