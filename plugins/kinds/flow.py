"""`flow.run`: a run of its own, with its own gates and its own undo."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Annotated, Any

from rflow.plugins import Context, Doc, Node, NodeError, RetrySpec, Trusted

_LONGEST_S = 60.0


@dataclass(frozen=True)
class Run(Node, kind="flow.run", repeatable=True, retry=RetrySpec(1, "none")):
    """Start a run of another flow of the same file, and wait until it ends.

    No worker is held while it goes on. The node fails if the run does not end well.
    """

    flow: Annotated[str, Trusted, Doc("The flow.")]
    args: Annotated[dict[str, Any], Doc("Its arguments.")] = field(default_factory=dict)
    wait: Annotated[bool, Doc("Whether to wait for its end.")] = True

    @dataclass(frozen=True)
    class Outputs:
        run: Annotated[str, Doc("The id of the run.")]
        status: Annotated[str, Doc("Its status: `success` if it was waited for.")]

    async def run(self, ctx: Context) -> Outputs:
        import asyncio

        # The same key gives the same run, so that going through here again starts no second one.
        run_id = await asyncio.to_thread(ctx.start_run, self.flow, self.args, ctx.key)
        for number in count():
            status = await asyncio.to_thread(ctx.run_status, run_id)
            if status in ("failed", "cancelled"):
                raise NodeError(f"the run {run_id} of `{self.flow}` ended as {status}")
            if status == "success" or not self.wait:
                return self.Outputs(run_id, status)
            await ctx.wait_for(f"look {number}", delay_s=min(1.5**number, _LONGEST_S))
        raise AssertionError("it counts for ever")
