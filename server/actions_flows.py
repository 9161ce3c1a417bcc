"""What people do to flows and to the server itself: pause, save arguments, make tokens.

As `actions`: logged, under the name of who does it. Values of arguments are not in the log.
"""

from __future__ import annotations

import time

from rflow.compiler.plan import Json
from rflow.runner import gc, refusals
from rflow.runner.line import PAUSE, pause_of
from rflow.runner.problems import StateError
from rflow.runner.saved import forget_arg, save_arg
from rflow.runner.secrets import Key
from rflow.server import audit, tokens
from rflow.server.actions import served
from rflow.server.core import Server
from rflow.server.tokens import Made, Principal, Token


def pause(server: Server, who: Principal, flow: str, *, reason: str = "") -> None:
    """Let no trigger start a flow. People still may."""
    with audit.change(server.store, who, "flow.pause", flow, {"reason": reason}):
        body: dict[str, Json] = {"by": who.name, "reason": reason, "at": time.time()}
        server.services.here().journal.put_note(PAUSE, served(server, flow).flow, body)


def unpause(server: Server, who: Principal, flow: str) -> None:
    """Let triggers start a flow again."""
    with audit.change(server.store, who, "flow.unpause", flow):
        journal = server.services.here().journal
        if pause_of(journal, flow) is None:
            raise StateError(
                refusals.NOT_HELD, f"the flow `{flow}` is not paused", "triggers start it"
            )
        journal.delete_note(PAUSE, flow)


def set_arg(server: Server, who: Principal, flow: str, name: str, value: Json) -> None:
    """Save a value of a flow's argument, for all runs that are given none."""
    with audit.change(server.store, who, "args.set", flow, {"name": name}):
        plan = served(server, flow).plan
        save_arg(server.services.here().journal, Key(server.state.key), plan, name, value)


def unset_arg(server: Server, who: Principal, flow: str, name: str) -> None:
    """Forget a saved value."""
    with audit.change(server.store, who, "args.unset", flow, {"name": name}):
        forget_arg(server.services.here().journal, served(server, flow).plan, name)


def make_token(
    server: Server, who: Principal, name: str, role: str, *, expires_at: float | None = None
) -> Made:
    """Make a token; its secret is in the answer and nowhere else."""
    detail: dict[str, Json] = {"role": role, "expires_at": expires_at}
    with audit.change(server.store, who, "token.create", name, detail) as logged:
        made = tokens.create(server.store, name, role, by=who.name, expires_at=expires_at)
        logged.detail["id"] = made.token.id
    return made


def revoke_token(server: Server, who: Principal, id: str) -> Token:
    """End a token at once."""
    with audit.change(server.store, who, "token.revoke", id):
        return tokens.revoke(server.store, id)


def rotate_token(server: Server, who: Principal, id: str) -> Made:
    """Give a token another secret."""
    with audit.change(server.store, who, "token.rotate", id):
        return tokens.rotate(server.store, id)


def collect(server: Server, who: Principal, keep: gc.Keep) -> gc.Garbage:
    """Remove what of the state nobody needs any more; what was removed."""
    with audit.change(server.store, who, "gc", "state") as logged:
        service = server.services.here()
        found = gc.collect(service.journal, service.state, keep, time.time())
        if found.driven is None and server.following is not None:
            logged.detail["checkouts"] = [*server.following.tidy(service)]
        logged.detail |= {"artifacts": len(found.goes), "driven": found.driven}
    return found
