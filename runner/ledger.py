"""What is on a stage: a fold over the ledger of effects. Pure.

A stage's state is never guessed from its last run: each resource has the value that the last
change which was not undone gave it. None as a value means that the resource is absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from rflow.plugins.types import Json
from rflow.runner.journal import Change


class Held(Struct, frozen=True):
    """A resource's value, since when, and the run and node that gave it ("" where it is from
    before anything that is known of). `doubt`: the change was cut off and is not known to be
    complete."""

    resource: str
    value: Json
    run: str
    node: str
    since: float
    seq: int
    doubt: bool = False


def deployed(
    changes: Iterable[Change], upto: int | None = None, before: Mapping[str, Held] | None = None
) -> dict[str, Held]:
    """The resources of a stage by name, after the change `upto` (None: now); `before` is what they
    were before these changes."""
    found: dict[str, Held] = dict(before or {})
    for change in changes:
        if upto is not None and change.seq > upto:
            break
        if change.state == "undone":
            if change.resource not in found:
                found[change.resource] = Held(
                    change.resource, change.before, "", "", change.at, change.seq
                )
            continue
        found[change.resource] = Held(
            change.resource,
            change.after,
            change.run,
            change.node,
            change.at,
            change.seq,
            change.state == "open",
        )
    return found


def deployed_at(changes: Iterable[Change], end: int | None) -> dict[str, Held]:
    """What a stage goes back to: its resources after the change `end`, without those that were
    in doubt and stayed so. What was cut off may never have been there."""
    return deployed((change for change in changes if change.state != "open"), end)


def first_change(changes: Iterable[Change], resource: str) -> Change:
    """The first change of a resource."""
    return next(change for change in changes if change.resource == resource)


def digests_in(value: Json) -> Iterator[str]:
    """The digests of artifacts in a resource's value, wherever in it they stand."""
    match value:
        case str() if value.startswith("sha256:"):
            yield value
        case list():
            for item in value:
                yield from digests_in(item)
        case dict():
            for item in value.values():
                yield from digests_in(item)
        case _:
            pass
