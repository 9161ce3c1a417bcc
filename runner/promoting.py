"""What is deployed on the stage before: what a promotion takes further. Reads only."""

from __future__ import annotations

from rflow.compiler.plan import Stage
from rflow.plugins.context import Deployed, NodeError
from rflow.runner.ledger import deployed
from rflow.runner.releasing import Releasing


def deployed_before(releasing: Releasing, stage: Stage | None, service: str) -> Deployed:
    """What is deployed of a service on the stage before this one; see `Context.deployed`."""
    if stage is None:
        raise NodeError("the flow has no stage, so that none is before it", retry=False)
    if stage.before is None:
        raise NodeError(
            f"`{stage.name}` is the first stage of `{stage.pipeline}`: none is before it",
            retry=False,
        )
    resource = f"{service}@{stage.before}"
    known = deployed(releasing.journal.ledger(f"{stage.pipeline}.{stage.before}"))
    held = known.get(resource)
    if held is None:
        end = f"@{stage.before}"
        names = [f"`{name.removesuffix(end)}`" for name in sorted(known) if name.endswith(end)]
        there = f"; deployed there: {', '.join(names)}" if names else ""
        raise NodeError(
            f"nothing was ever deployed of `{service}` on `{stage.pipeline}.{stage.before}`{there}",
            retry=False,
        )
    summary = releasing.journal.summary(held.run) if held.run else None
    return Deployed(
        resource,
        held.value,
        held.run,
        summary.status if summary is not None else "",
        releasing.version(held.run) if summary is not None else "",
        held.since,
        held.doubt,
    )
