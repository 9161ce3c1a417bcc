"""What people and programs do to runs through the server: each thing as one function.

The API and the pages call these and nothing below them. Each is logged (`audit`), done through the
runner under the name of who does it, and wakes whoever goes on with the run. Whether somebody may
is settled before, by the route. Refusals are the runner's own `StateError`s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

from msgspec import Struct
from rflow.compiler.plan import Json
from rflow.runner import events as ev
from rflow.runner.children import id_of
from rflow.runner.journal import Stale
from rflow.runner.problems import StateError
from rflow.runner.retry import RetryPreview
from rflow.server import audit
from rflow.server.catalog import Served
from rflow.server.commits import with_commits
from rflow.server.core import Server
from rflow.server.driving import adopt
from rflow.server.refusals import NO_FLOW, OTHER_REQUEST, STALE_LOOK
from rflow.server.tokens import Principal

Overrides = Mapping[str, Mapping[str, Json]]


class Started(Struct, frozen=True):
    """A run that was started. `again`: it was found by its key, nothing was started now."""

    run: str
    again: bool = False


def served(server: Server, flow: str) -> Served:
    """A flow that is served. StateError if there is none of that name."""
    found = server.catalog.flow(flow)
    if found is None:
        names = ", ".join(f"`{one.flow}`" for one in server.catalog.flows()) or "none"
        raise StateError(NO_FLOW, f"no flow `{flow}` is served", f"there are: {names}")
    return found


def start_run(
    server: Server,
    who: Principal,
    flow: str,
    *,
    args: Mapping[str, Json] | None = None,
    overrides: Overrides | None = None,
    triggers: Overrides | None = None,
    name: str = "",
    description: str = "",
    key: str = "",
    via: str = "api",
) -> Started:
    """Start a run of a served flow. With a `key`, the same request starts it once only."""
    detail: dict[str, Json] = {"args": [*sorted(args or {})], "name": name}
    if overrides:
        detail["overrides"] = [f"{node}.{one}" for node, of in overrides.items() for one in of]
    with audit.change(server.store, who, "run.start", flow, detail) as logged:
        found, service = served(server, flow), server.services.here()
        trigger: dict[str, Json] = {"kind": via}
        run = None
        if key:
            body = [flow, args or {}, overrides or {}, triggers or {}, name, description]
            trigger |= {"key": _digest(who.name, key), "request": _digest(json.dumps(body))}
            run, known = _keyed(server, trigger)
            if known:
                logged.detail["run"] = run
                return Started(run, again=True)
        prepared = service.prepare(
            found.plan,
            directory=found.directory,
            args=args or {},
            overrides=overrides,
            triggers=with_commits(server, found, triggers or {}),
            name=name,
            description=description,
            by=who.name,
            trigger=trigger,
        )
        try:
            run = service.create(prepared, run=run, also=lambda new: adopt(service.journal, new))
        except Stale:  # the same request, sent twice at one time
            run, known = _keyed(server, trigger)
            if not known:
                raise
            logged.detail["run"] = run
            return Started(run, again=True)
        logged.detail["run"] = run
    server.drivers.wake()
    return Started(run)


def _keyed(server: Server, trigger: Mapping[str, Json]) -> tuple[str, bool]:
    """The id of the run that a key names, and whether there is that run. The id follows from the
    key, so that run and key are written as one; another run that has the id is passed over."""
    service = server.services.here()
    for turn in range(1000):
        run = id_of(f"key {trigger['key']} {turn}")
        if service.journal.summary(run) is None:
            return run, False
        created = service.records(run)[0].event
        assert isinstance(created, ev.RunCreated)
        if created.trigger.get("key") != trigger["key"]:
            continue
        if created.trigger.get("request") != trigger["request"]:
            raise StateError(
                OTHER_REQUEST, f"the key was used to start run {run}", "send another key"
            )
        return run, True
    raise AssertionError("a thousand runs cannot have the ids of one key")


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


# -- a run that goes on --------------------------------------------------------------------------


def decide(
    server: Server,
    who: Principal,
    run: str,
    node: str | None,
    decision: Literal["approve", "reject"],
    *,
    comment: str = "",
    round: int | None = None,
) -> str:
    """Approve or reject a gate that waits; the gate. `round` is the one that was looked at: where
    what stands behind the gate was asked again since, the decision is refused."""
    detail: dict[str, Json] = {"node": node, "comment": comment}
    with audit.change(server.store, who, f"run.{decision}", run, detail) as logged:
        service = server.services.here()
        if round is not None and node is not None:
            state = service.fold(run)
            if node in service.waiting_gates(state) and state.node(node).round != round:
                raise StateError(
                    STALE_LOOK,
                    f"what stands behind `{node}` has changed since it was shown",
                    "look again, then decide",
                )
        gate = service.decide(run, node, by=who.name, decision=decision, comment=comment)
        logged.detail["node"] = gate
    _go_on(server, run)
    return gate


def cancel(
    server: Server, who: Principal, run: str, *, rollback: bool = False, reason: str = ""
) -> None:
    """Cancel a run that has not ended."""
    detail: dict[str, Json] = {"rollback": rollback, "reason": reason}
    with audit.change(server.store, who, "run.cancel", run, detail):
        server.services.here().cancel(run, by=who.name, rollback=rollback, reason=reason)
    _go_on(server, run)


def answer(
    server: Server, who: Principal, run: str, node: str, said: Literal["redo", "done", "fail"]
) -> None:
    """Say what an attempt that was cut off did."""
    with audit.change(server.store, who, "run.answer", run, {"node": node, "answer": said}):
        server.services.here().answer(run, node, said, who.name)
    _go_on(server, run)


def let_pass(server: Server, who: Principal, run: str, node: str, *, reason: str) -> None:
    """Let a node through that a freeze or a closed window holds."""
    with audit.change(server.store, who, "run.pass", run, {"node": node, "reason": reason}):
        server.services.here().let_pass(run, node, by=who.name, reason=reason)
    _go_on(server, run)


def rename(
    server: Server,
    who: Principal,
    run: str,
    *,
    name: str | None = None,
    description: str | None = None,
) -> None:
    """Edit a run's name or description."""
    detail: dict[str, Json] = {"name": name, "description": description}
    with audit.change(server.store, who, "run.rename", run, detail):
        service = server.services.here()
        service.rename(run, name=name, description=description, by=who.name)
    server.drivers.wake()


def resume(server: Server, who: Principal, run: str) -> None:
    """Let the server go on with a run that nobody drives."""
    with audit.change(server.store, who, "run.resume", run):
        service = server.services.here()
        if service.summary(run).concluded:
            service.cancel(run, by=who.name)  # refuses, and says what can be done instead
        server.drivers.adopt(run)


def _go_on(server: Server, run: str) -> None:
    """See that somebody takes up what was asked: the server itself if nobody drives the run."""
    if server.services.here().journal.claimed(run) is None:
        server.drivers.adopt(run)
    server.drivers.wake()


# -- again ---------------------------------------------------------------------------------------


def retry_preview(
    server: Server, run: str, node: str | None = None, overrides: Overrides | None = None
) -> RetryPreview:
    """What a retry would run again, and what it would reuse. Changes nothing."""
    return server.services.here().retry_preview(run, node, overrides)


def retry(
    server: Server,
    who: Principal,
    run: str,
    node: str | None = None,
    overrides: Overrides | None = None,
) -> None:
    """Let an ended run go on from the nodes that failed, or from one."""
    detail: dict[str, Json] = {"from": node, "overrides": [*sorted(overrides or {})]}
    with audit.change(server.store, who, "run.retry", run, detail):
        service = server.services.here()
        with service.journal.admit():
            service.retry(run, node, overrides, by=who.name)
            adopt(service.journal, run)
    server.drivers.adopt(run)


def undo(server: Server, who: Principal, run: str) -> None:
    """Let a run that did not end well go on with undoing what it has left."""
    with audit.change(server.store, who, "run.undo", run):
        service = server.services.here()
        with service.journal.admit():
            service.undo_again(run, by=who.name)
            adopt(service.journal, run)
    server.drivers.adopt(run)


def rerun(server: Server, who: Principal, run: str) -> str:
    """Start a run with the plan and the arguments of another; its id."""
    with audit.change(server.store, who, "run.rerun", run) as logged:
        service = server.services.here()
        new = service.rerun(run, who.name, also=lambda new: adopt(service.journal, new))
        logged.detail["run"] = new
    server.drivers.wake()
    return new
