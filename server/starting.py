"""Starting a run because a trigger fired: once for each delivery, however often it is tried.

The run's id follows from the delivery, the event in it, the flow and the trigger. Tried again after
a crash, the run is found and no second one is started. Who asks is told what became of it; only
what may be otherwise later is raised.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from rflow.compiler.plan import Json
from rflow.runner import refusals
from rflow.runner.children import id_of
from rflow.runner.line import pause_of
from rflow.runner.problems import PROBLEMS, StateError
from rflow.runner.refusals import Refused
from rflow.server.catalog import Served
from rflow.server.core import Server
from rflow.server.deliveries import Outcome
from rflow.server.driving import adopt
from rflow.server.triggers import secrets_of


class Fired(Struct, frozen=True):
    """A trigger that fired. `values` is what it puts out; `others` are fields of other triggers;
    `fork`: the run is to get no secrets."""

    served: Served
    trigger: str
    kind: str
    delivery: str
    event: int
    values: Mapping[str, Json]
    by: str
    about: Mapping[str, Json] = field(default_factory=dict)
    args: Mapping[str, Json] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    name: str = ""
    description: str = ""
    fork: bool = False

    @property
    def run(self) -> str:
        """The id of the run that it starts."""
        return id_of(f"delivery {self.delivery} {self.event} {self.served.flow} {self.trigger}")


class Became(Struct, frozen=True):
    """What became of it: the run, or why there is none."""

    outcome: Outcome
    why: str
    run: str = ""
    error: StateError | None = None


def start(server: Server, fired: Fired) -> Became:
    """Start the run, or find the one that was. StateError if the state cannot be used now."""
    service = server.services.here()
    plan, run = fired.served.plan, fired.run
    if service.journal.summary(run) is not None:
        return Became("started", "all rules said yes", run)
    pause = pause_of(service.journal, plan.flow)
    if pause is not None:
        reason = f": {pause['reason']}" if pause.get("reason") else ""
        return Became("paused", f"the flow is paused by {pause.get('by', '?')}{reason}")
    if fired.fork and (names := secrets_of(plan, service.journal.settings(plan.flow))):
        listed = ", ".join(f"`{name}`" for name in names)
        return Became("refused", f"a run of a fork gets no secrets, and the flow has {listed}")
    trigger: dict[str, Json] = {
        "kind": fired.kind,
        "name": fired.trigger,
        "delivery": fired.delivery,
        **fired.about,
    }
    try:
        prepared = service.prepare(
            plan,
            directory=fired.served.directory,
            args=fired.args,
            triggers={**fired.others, fired.trigger: fired.values},
            name=fired.name,
            description=fired.description,
            by=fired.by or f"trigger {fired.trigger}",
            trigger=trigger,
        )
        service.create(prepared, run=run, also=lambda run: adopt(service.journal, run))
    except StateError as error:
        if error.problem in PROBLEMS:
            raise
        return Became("refused", _why(error), error=error)
    server.drivers.wake()
    return Became("started", "all rules said yes", run)


def _why(error: StateError) -> str:
    if isinstance(error, Refused):
        return "; ".join(problem.message for problem in error.problems)
    if error.problem in (refusals.FORBIDDEN, refusals.QUARANTINED):
        return f"{error.message} ({error.help})" if error.help else error.message
    return error.message
