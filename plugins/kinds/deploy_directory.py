"""`deploy.directory`: an artifact unpacked to a folder of this machine, and switched to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from rflow.plugins import (
    Artifact,
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
from rflow.plugins.kinds.http import Probe, unless_ended
from rflow.plugins.kinds.places import (
    DeployedName,
    ended,
    note_end,
    resource_of,
    value_before,
)
from rflow.plugins.kinds.releases import Releases
from rflow.plugins.kinds.sh import SHELL, run_script


@dataclass(frozen=True)
class Directory(Node, kind="deploy.directory", effect="deployment", repeatable=True):
    """Deploy an archive to a folder: unpack it beside the releases before it, switch the link
    `current` to it in one step, restart, and check that it answers.

    The folder holds `releases/`, `shared/` and `current`. If the restart or the check fails, so
    does the node, and undoing it switches back to what was there before.
    """

    artifact: Annotated[Artifact, Doc("The archive, a tar file.")]
    target: Annotated[str, Trusted, Doc("The folder.")]
    name: DeployedName = None
    shared: Annotated[
        list[str],
        Trusted,
        Doc("Paths that outlive a release: each is a link into `shared/`, where it stays."),
    ] = field(default_factory=list)
    restart: Annotated[
        str | None,
        Program,
        TakesSecret,
        Trusted,
        Doc(
            "The script that restarts it, also after an undo: $RFLOW_ARTIFACT and $RFLOW_RELEASE "
            "are the artifact and the folder that it is to run from."
        ),
    ] = None
    stop: Annotated[
        str | None,
        Program,
        TakesSecret,
        Trusted,
        Doc("The script that stops it, for undoing its first deployment."),
    ] = None
    health: Annotated[str | None, Trusted, Doc("The address that says whether it works.")] = None
    health_expect: Annotated[int, Doc("The status it answers with then.")] = 200
    health_within: Annotated[Duration, Doc("How long it may take to do so.")] = 30.0
    keep: Annotated[
        int, Doc("How many releases stay in the folder; the current and the former always do.")
    ] = 5

    @dataclass(frozen=True)
    class Outputs:
        path: Annotated[str, Doc("The folder of the release.")]
        current: Annotated[str, Doc("The link to it.")]
        former: Annotated[Artifact | None, Doc("The artifact deployed before.")]

    def run(self, ctx: Context) -> Outputs:
        if self.keep < 1:
            raise NodeError("`keep` must be at least 1", retry=False)
        releases, resource = self._releases(ctx), resource_of(ctx, self.name)
        archive = ctx.artifacts.path(self.artifact)
        now = releases.value()
        try:
            releases.prepare()
            releases.unpack(archive, self.artifact, self.shared)
        except OSError as error:
            what = error.filename or self.target
            raise NodeError(f"`{what}` cannot be written: {error.strerror or error}") from None
        before = value_before(ctx, resource, now)
        ctx.intend(resource, before, self.artifact)
        self._make(ctx, releases, self.artifact)
        outputs = self._outputs(releases, before)
        for digest in releases.prune(self.keep, {self.artifact, outputs.former}):
            ctx.log(f"removed the release of {digest}")
        note_end(ctx, self.artifact)
        return outputs

    def recover(self, ctx: Context) -> Outputs | None:
        releases = self._releases(ctx)
        now = releases.value()
        if not ctx.effects or now != self.artifact or not ended(ctx, now):
            return None
        return self._outputs(releases, ctx.effects[-1].before)

    def undo(self, ctx: Context, done: Outputs | None) -> None:
        if not ctx.effects:
            return
        effect, now = ctx.effects[-1], self._releases(ctx).value()
        if now not in (effect.after, effect.before):
            raise NodeError(
                f"`{self.target}` is {now or 'empty'} now, which this run did not deploy; it is "
                "left as it is",
                retry=False,
            )
        self.restore(ctx, effect.resource, effect.before)

    def restore(self, ctx: Context, resource: str, value: Json) -> None:
        """Makes the deployment what it was when it had this value."""
        if value is not None and not isinstance(value, str):
            raise NodeError(f"{value!r} is no value of `{resource}`", retry=False)
        releases = self._releases(ctx)
        releases.prepare()
        if value and value.startswith("sha256:") and not releases.folder(value).is_dir():
            releases.unpack(ctx.artifacts.path(value), value, self.shared)
        self._make(ctx, releases, value)

    def _make(self, ctx: Context, releases: Releases, value: str | None) -> None:
        """Switches, restarts and waits until it answers."""
        try:
            releases.switch(value)
        except OSError as error:
            raise NodeError(
                f"`{releases.current}` cannot be switched: {error.strerror or error}"
            ) from None
        ctx.log(f"{self.target}/current is {value or 'gone'}")
        if value is None:
            if self.stop is not None:
                run_script(ctx, self.stop, SHELL, None, {}, name="stop")
            return
        if self.restart is not None:
            env = {"RFLOW_ARTIFACT": value, "RFLOW_RELEASE": str(releases.current.resolve())}
            run_script(ctx, self.restart, SHELL, None, env, name="restart")
        if self.health is not None:
            import asyncio

            answer = Probe(self.health, self.health_expect).until(self.health_within, ctx.log)
            asyncio.run(unless_ended(ctx, answer))

    def _releases(self, ctx: Context) -> Releases:
        return Releases(ctx.directory / self.target)

    def _outputs(self, releases: Releases, before: Json) -> Outputs:
        former = before if isinstance(before, str) and before.startswith("sha256:") else None
        path = str(releases.folder(self.artifact))
        return self.Outputs(path, str(releases.current), former)
