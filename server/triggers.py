"""The triggers of the flows that are served, as values: what they listen to, what they put out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from rflow.compiler.expr import evaluate
from rflow.compiler.plan import Json, Plan
from rflow.plugins.host import Host
from rflow.runner.prepare import CreationScope
from rflow.server.catalog import Served
from rflow.server.events import GitEvent
from rflow.server.matching import Verdict, look

SHOWN = {"branch": "branch", "sha": "sha", "pull_request": "pullRequestId", "repo_url": "repoUrl"}
"""What a webhook's caller writes for the fields of a git trigger."""


class Listening(Struct, frozen=True):
    """A trigger of a flow. `inputs` are its values; `directory` is where relative paths begin."""

    flow: str
    name: str
    kind: str
    inputs: dict[str, Json]
    directory: Path
    served: Served | None = None

    def asked(self, event: GitEvent, *, passed: bool = False) -> Verdict:
        """What it says of an event."""
        return look(self.inputs, event, self.directory, passed=passed)


def triggers_of(plan: Plan, host: Host, directory: Path) -> Iterator[Listening]:
    """The triggers of a plan, in their order."""
    scope = CreationScope(plan, host.filters())
    specs = host.specs().triggers
    for trigger in plan.triggers:
        spec = specs.get(trigger.kind)
        if spec is None:
            continue
        inputs: dict[str, Json] = {
            field.name: field.default for field in spec.inputs if not field.required
        }
        for name, expr in trigger.inputs.items():
            inputs[name] = evaluate(expr, scope, scope.filters)
        yield Listening(plan.flow, trigger.name, trigger.kind, inputs, directory)


def listening(
    flows: Iterable[Served], host: Host, kind: str, flow: str | None = None
) -> Iterator[Listening]:
    """The triggers of a kind of the flows that are served."""
    for served in flows:
        if flow is not None and served.flow != flow:
            continue
        for found in triggers_of(served.plan, host, served.directory):
            if found.kind == kind:
                yield Listening(found.flow, found.name, kind, found.inputs, found.directory, served)


def values_of(event: GitEvent) -> dict[str, Json]:
    """What a git trigger puts out for an event."""
    values: dict[str, Json] = {
        "sha": event.sha,
        "message": event.head.message if event.head is not None else "",
        "author": event.head.author if event.head is not None else "",
    }
    if event.branch:
        values["branch"] = event.branch
    if event.tag:
        values["tag"] = event.tag
    if event.pull_request is not None:
        values["pull_request"] = event.pull_request.number
    return values


def secrets_of(plan: Plan, saved: Mapping[str, Json]) -> tuple[str, ...]:
    """The names of all secrets that a run of the plan would get."""
    named = [secret.name for secret in plan.secrets]
    named += [arg.name for arg in plan.args if arg.secret and arg.name in saved]
    return tuple(sorted(named))
