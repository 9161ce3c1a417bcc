"""What people do to stages through the server: roll back, freeze, thaw, lift a quarantine.

As `actions`: logged, done through the runner, under the name of who does it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from rflow.compiler.plan import Json
from rflow.runner.problems import StateError
from rflow.runner.rollback import Rollback
from rflow.server import audit
from rflow.server.core import Server
from rflow.server.driving import adopt
from rflow.server.refusals import BAD_END, NOT_CONFIRMED
from rflow.server.restoring import WITH_FLOW, restore_flow
from rflow.server.tokens import Principal


def rollback_plan(server: Server, run: str, only: Iterable[str] = ()) -> Rollback:
    """What going back to a release takes. Changes nothing."""
    return server.services.here().rollback_preview(run, only)


def rollback(
    server: Server,
    who: Principal,
    run: str,
    *,
    reason: str = "",
    only: Iterable[str] = (),
    acknowledge: Iterable[str] = (),
    cancel_running: bool = False,
    with_flow: bool = False,
    confirm: str = "",
) -> str | None:
    """Start the run that goes back to a release; its id, None where there is nothing to do.

    `with_flow`: once it has ended well, the flow of that release becomes the current one.
    """
    chosen, known = tuple(only), tuple(acknowledge)
    detail: dict[str, Json] = {
        "reason": reason,
        "only": [*chosen],
        "acknowledge": [*known],
        "cancel_running": cancel_running,
        "with_flow": with_flow,
    }
    with audit.change(server.store, who, "rollback.start", run, detail) as logged:
        service = server.services.here()
        stage = service.fold(run).graph.plan.stage
        if stage is not None and stage.protected and not stage.rollback_by and confirm != who.name:
            raise StateError(
                NOT_CONFIRMED,
                f"{stage.pipeline}.{stage.name} is protected",
                f"confirm it with the name `{who.name}`",
            )

        def written(new: str) -> None:
            adopt(service.journal, new)
            if with_flow:
                service.journal.put_note(WITH_FLOW, new, {"to": run, "by": who.name})

        new = service.rollback(
            run,
            by=who.name,
            reason=reason,
            only=chosen,
            acknowledge=known,
            cancel_running=cancel_running,
            also=written,
        )
        logged.detail["run"] = new
        if new is None and with_flow:
            restore_flow(server, run, who.name)
    server.drivers.wake()
    return new


def freeze(server: Server, who: Principal, stage: str, *, until: float, reason: str) -> None:
    """Let no effect begin on a stage until a time."""
    with audit.change(server.store, who, "stage.freeze", stage, {"until": until, "reason": reason}):
        service = server.services.here()
        name = service.find_stage(stage)
        if until <= time.time():
            raise StateError(BAD_END, "its end is past", "give a time to come")
        service.freeze(name, until=until, reason=reason, by=who.name)
    server.drivers.wake()


def thaw(server: Server, who: Principal, stage: str) -> None:
    """End the freeze of a stage."""
    with audit.change(server.store, who, "stage.thaw", stage):
        service = server.services.here()
        service.thaw(service.find_stage(stage))
    server.drivers.wake()


def lift(server: Server, who: Principal, run: str, *, reason: str) -> None:
    """Let what a rollback took away come back to its stage."""
    with audit.change(server.store, who, "release.lift", run, {"reason": reason}):
        server.services.here().lift(run, by=who.name, reason=reason)
