"""`promote` and `promote.value`: what is deployed on the stage before, for this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from rflow.plugins import (
    Artifact,
    Context,
    Deployed,
    Doc,
    Json,
    Node,
    NodeError,
    Trusted,
    Untrusted,
)

Service = Annotated[
    str, Trusted, Doc("The name of what is deployed there: the node's, or what it says it is.")
]
Run = Annotated[str, Doc("The run that put it there.")]


@dataclass(frozen=True)
class Promote(Node, kind="promote", repeatable=True, stage_before=True):
    """Take the artifact that is deployed of a service on the stage before this one in the pipeline.

    It changes nothing: a node behind it deploys the artifact, which is the same by its digest and
    never built again. Only what a run put there that has ended well is taken. Let it stand before
    the `approve`: what it found is then a part of what people decide on, and the gate asks again
    if that becomes another. Behind the gate it would find whatever is there by then.
    """

    service: Service

    @dataclass(frozen=True)
    class Outputs:
        artifact: Annotated[Artifact, Doc("What is deployed there.")]
        version: Annotated[
            str,
            Untrusted,
            Doc(
                "What the run called it: its output `version`, else its commit, else the first 12 "
                "characters of the digest."
            ),
        ]
        run: Run

    def run(self, ctx: Context) -> Outputs:
        found = ctx.deployed(self.service)
        digest = _released(found)
        if not isinstance(digest, str) or not digest.startswith("sha256:"):
            other = "; `promote.value` takes it" if isinstance(digest, str) else ""
            raise NodeError(
                f"what is deployed of `{found.resource}` is no artifact but {digest!r}{other}",
                retry=False,
            )
        ctx.artifacts.path(digest)  # that it is kept is told here, not half-way through a release
        version = found.version or digest.removeprefix("sha256:")[:12]
        ctx.log(f"{found.resource} is {version} ({digest}), by run {found.run}")
        return self.Outputs(digest, version, found.run)


@dataclass(frozen=True)
class PromoteValue(Node, kind="promote.value", repeatable=True, stage_before=True):
    """Take what `deploy.command` deployed of a service on the stage before this one.

    As `promote` does, but for what is no artifact of rflow's: the name of an image, the version of
    a chart. What it puts out is the value that is recorded as deployed there, to be deployed here
    by a `deploy.command`. A name that can be moved to other contents (a tag such as `latest`)
    promises nothing of what is behind it: deploy images by their digest.
    """

    service: Service

    @dataclass(frozen=True)
    class Outputs:
        value: Annotated[str, Untrusted, Doc("What is deployed there.")]
        version: Annotated[
            str,
            Untrusted,
            Doc("What the run called it: its output `version`, else its commit, else the value."),
        ]
        run: Run

    def run(self, ctx: Context) -> Outputs:
        found = ctx.deployed(self.service)
        value = _released(found)
        if not isinstance(value, str):
            raise NodeError(
                f"what is deployed of `{found.resource}` is no text but {value!r}", retry=False
            )
        ctx.log(f"{found.resource} is {value}, by run {found.run}")
        return self.Outputs(value, found.version or value, found.run)


def _released(found: Deployed) -> Json:
    """What is deployed, if it is certain and a release put it there."""
    if found.doubt:
        raise NodeError(
            f"what is deployed of `{found.resource}` is in doubt: run {found.run} was changing it "
            f"and is not known to have come to an end (`rflow show {found.run}`)",
            retry=found.status in ("running", "waiting"),
        )
    if found.value is None:
        raise NodeError(f"nothing is deployed of `{found.resource}`", retry=False)
    if not found.run:
        raise NodeError(
            f"what is deployed of `{found.resource}` is from before rflow's first run there",
            retry=False,
        )
    if found.status != "success":
        going = found.status in ("running", "waiting")
        how = "has not ended" if going else f"ended as `{found.status}`"
        raise NodeError(
            f"`{found.resource}` was deployed by run {found.run}, which {how}: only what a run "
            "that ended well has deployed is promoted",
            retry=going,
        )
    return found.value
