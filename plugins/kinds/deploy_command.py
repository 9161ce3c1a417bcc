"""`deploy.command`: any tool as a deployment, by scripts that change and ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from rflow.plugins import (
    Context,
    Doc,
    Duration,
    Json,
    Node,
    NodeError,
    Program,
    TakesSecret,
    Trusted,
)
from rflow.plugins.kinds.places import DeployedName, pause, resource_of, value_before
from rflow.plugins.kinds.sh import SHELL, run_script


@dataclass(frozen=True)
class Command(Node, kind="deploy.command", effect="deployment", repeatable=True):
    """Deploy with any tool: kubectl, helm, a vendor's own.

    `status` prints what is deployed, one line, nothing if nothing is. `apply` deploys `value`,
    which `status` must print then; `undo` deploys what was there before. Both find the value that
    is to be deployed in `$RFLOW_VALUE` (empty: nothing) and the one that is in `$RFLOW_CURRENT`.
    """

    value: Annotated[str, Doc("What is to be deployed, as `status` prints it.")]
    status: Annotated[
        str, Program, TakesSecret, Trusted, Doc("The script that prints what is deployed.")
    ]
    apply: Annotated[str, Program, TakesSecret, Trusted, Doc("The script that deploys.")]
    undo_: Annotated[
        str, Program, TakesSecret, Trusted, Doc("The script that deploys a former value.")
    ]
    name: DeployedName = None
    within: Annotated[
        Duration, Doc("How long `status` may take to print the value once it is deployed.")
    ] = 0.0
    shell: Annotated[
        list[str], Trusted, Doc("The program that runs the scripts, with its options.")
    ] = field(default_factory=lambda: list(SHELL))
    cwd: Annotated[
        str | None, Trusted, Doc("The folder they run in; the flow file's unless said otherwise.")
    ] = None
    env: Annotated[
        dict[str, str], TakesSecret, Doc("Variables of their environment, beside the usual few.")
    ] = field(default_factory=dict)

    @dataclass(frozen=True)
    class Outputs:
        value: Annotated[str, Doc("What is deployed.")]
        former: Annotated[str | None, Doc("What was deployed before.")]

    def run(self, ctx: Context) -> Outputs:
        wanted = self.value.strip()
        if not wanted:
            raise NodeError("`value` is empty: it says what is to be deployed", retry=False)
        now = self._ask(ctx)
        resource = resource_of(ctx, self.name)
        before = value_before(ctx, resource, now)
        ctx.intend(resource, before, wanted)
        self._run(ctx, "apply", self.apply, wanted, now)
        self._wait(ctx, wanted)
        return self.Outputs(wanted, before if isinstance(before, str) else None)

    def recover(self, ctx: Context) -> Outputs | None:
        if not ctx.effects or self._ask(ctx) != ctx.effects[-1].after:
            return None
        before = ctx.effects[-1].before
        return self.Outputs(self.value.strip(), before if isinstance(before, str) else None)

    def undo(self, ctx: Context, done: Outputs | None) -> None:
        if not ctx.effects:
            return
        effect = ctx.effects[-1]
        # An attempt that was cut off may have left anything; one that ended left its value.
        if done is not None and (now := self._ask(ctx)) not in (effect.after, effect.before):
            raise NodeError(
                f"`{effect.resource}` is `{now or ''}` now, which this run did not deploy; it is "
                "left as it is",
                retry=False,
            )
        self.restore(ctx, effect.resource, effect.before)

    def restore(self, ctx: Context, resource: str, value: Json) -> None:
        """Makes the deployment what it was when it had this value."""
        if value is not None and not isinstance(value, str):
            raise NodeError(f"{value!r} is no value of `{resource}`", retry=False)
        now = self._ask(ctx)
        if now == value and not ctx.effects:
            return
        self._run(ctx, "undo", self.undo_, value, now)
        self._wait(ctx, value)

    def _run(
        self, ctx: Context, name: str, script: str, value: str | None, now: str | None
    ) -> None:
        env = {**self.env, "RFLOW_VALUE": value or "", "RFLOW_CURRENT": now or ""}
        run_script(ctx, script, self.shell, self.cwd, env, name=name)

    def _ask(self, ctx: Context) -> str | None:
        """What is deployed, as `status` prints it."""
        said = run_script(
            ctx, self.status, self.shell, self.cwd, self.env, name="status", capture=True
        ).strip()
        if "\n" in said or len(said) > 10_000:
            raise NodeError("`status` printed more than one line", retry=False)
        return said or None

    def _wait(self, ctx: Context, value: str | None) -> None:
        """Asks until the value is the one that is to be, or the time for it is over."""
        import time

        end, delay = time.monotonic() + self.within, 0.2
        while (now := self._ask(ctx)) != value:
            if time.monotonic() + delay > end:
                shown = f"`{now}`" if now else "nothing"
                raise NodeError(f"`status` prints {shown}, not `{value or ''}`")
            pause(ctx, delay)
            delay = min(delay * 2, 5.0)
