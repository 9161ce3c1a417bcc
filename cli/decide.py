"""`rflow approve`, `rflow reject`, `rflow cancel`: what people say to a run that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click
from rflow.cli.cells import clean
from rflow.cli.command import command, note, say
from rflow.cli.complete import node_argument, run_argument
from rflow.cli.failure import Failure
from rflow.cli.question import agreed, can_ask
from rflow.cli.target import as_option, find_node, find_run, open_state, person, state_option

if TYPE_CHECKING:
    from rflow.runner.service import Service

APPROVE_EXAMPLE = """
rflow approve                                     the only run that waits
rflow approve 7k2m go_live --as oncall@example.com --reason "metrics are fine"
"""
REJECT_EXAMPLE = """
rflow reject 7k2m go_live --reason "error rate is up"
"""
CANCEL_EXAMPLE = """
rflow cancel 7k2m               end it, then run its `finally`
rflow cancel 7k2m --rollback    and undo what it did
"""

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not show it and ask first.")
reason_option = click.option("--reason", default="", help="Why; it is kept with the decision.")


@command("approve", example=APPROVE_EXAMPLE)
@run_argument
@node_argument
@as_option
@reason_option
@yes_option
@state_option
def approve(
    run: str | None,
    node: str | None,
    by: str | None,
    reason: str,
    yes: bool,
    state: str | None,
) -> int:
    """Let a run pass a gate. Without NODE, the only gate that waits.

    In a terminal it shows first what stands behind the gate, and asks.
    """
    return _decide(run, node, by, "approve", reason, state, ask=not yes and can_ask())


@command("reject", example=REJECT_EXAMPLE)
@run_argument
@node_argument
@as_option
@reason_option
@yes_option
@state_option
def reject(
    run: str | None,
    node: str | None,
    by: str | None,
    reason: str,
    yes: bool,
    state: str | None,
) -> int:
    """Refuse to let a run pass a gate. In a terminal it shows it first, and asks."""
    return _decide(run, node, by, "reject", reason, state, ask=not yes and can_ask())


def _decide(
    run: str | None,
    node: str | None,
    by: str | None,
    decision: Literal["approve", "reject"],
    reason: str,
    state: str | None,
    *,
    ask: bool,
) -> int:
    service = open_state(state)
    id_ = find_run(service, run, status="waiting")
    name = person(by)
    if node is not None:
        find_node(service, id_, node)
    if ask and not _agreed(service, id_, node, name, decision):
        note("nothing was decided")
        return 0
    gate = service.decide(id_, node, by=name, decision=decision, comment=reason)
    more = _still_needed(service, id_, gate) if decision == "approve" else ""
    done = "approved" if decision == "approve" else "rejected"
    say(f"{done} {clean(gate)} of run {id_} as {clean(name)}{more}")
    mention_driver(service, id_)
    return 0


def _still_needed(service: Service, run: str, gate: str) -> str:
    """How many more approvals the gate asks for, in words."""
    # What is posted is read before what was taken up, so that nothing is missed in between.
    posted = {
        str(fact.body.get("by"))
        for fact in service.journal.facts(run)
        if fact.kind == "decide" and fact.body.get("node") == gate
    }
    state = service.fold(run)
    approval = state.instance(gate).node.approval
    if approval is None or approval.count == 1:
        return ""
    given = len(posted | {decision.by for decision in state.node(gate).decisions})
    left = approval.count - given
    counted = f" ({min(given, approval.count)} of {approval.count}"
    return f"{counted}, {left} more needed)" if left > 0 else f"{counted})"


def _agreed(
    service: Service, run: str, node: str | None, name: str, decision: Literal["approve", "reject"]
) -> bool:
    """Show what is decided on, and ask. True where nothing can be shown: the runner says why."""
    from rflow.cli.approvals import show
    from rflow.runner.inbox import asked, may_not

    gates = service.waiting_gates(service.fold(run))
    gate = gates[0] if node is None and len(gates) == 1 else node
    if gate not in gates:
        return True
    assert gate is not None
    shown = asked(service, run, gate)
    if may_not(service, shown, name) is not None:
        return True
    show(shown)
    say()
    verb = "Approve" if decision == "approve" else "Reject"
    if not agreed(f"{verb} {clean(gate)} as {clean(name)}?"):
        return False
    state = service.fold(run)
    if gate in service.waiting_gates(state) and state.node(gate).round != shown.round:
        raise Failure(
            f"what stands behind {clean(gate)} has changed since it was shown",
            help=f"look again: `rflow {decision} {run} {gate}`",
        )
    return True


def mention_driver(service: Service, run: str) -> None:
    """What was said is taken up by the process that drives the run; there may be none."""
    if service.driver(run) is None:
        note(f"no process drives the run now; go on with it: rflow resume {run}")


@command("cancel", example=CANCEL_EXAMPLE)
@run_argument
@click.option("--rollback", is_flag=True, help="Undo what the run did.")
@as_option
@reason_option
@state_option
def cancel(run: str | None, rollback: bool, by: str | None, reason: str, state: str | None) -> int:
    """End a run: its attempts are ended, then its `finally` runs. A second time ends that too."""
    service = open_state(state)
    id_ = find_run(service, run, concluded=False)
    service.cancel(id_, by=person(by), rollback=rollback, reason=reason)
    say(f"run {id_} is being cancelled{', and what it did undone' if rollback else ''}")
    mention_driver(service, id_)
    return 0
