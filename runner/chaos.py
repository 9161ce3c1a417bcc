"""Chaos: a test again and again, each time with the runner dying at another moment.

A run must come to the same end wherever its runner dies. This module owns what "the same end"
means: the statuses of the run and of each node, what the world holds, what was undone, and that no
change which must not be repeated was made twice. How long a run took is not compared: an attempt
that was cut off and begins again takes its time again.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from rflow.runner.expectations import Filters, Unmet, judge, name_of
from rflow.runner.node_state import Impossible
from rflow.runner.rehearsal_run import Theatre, Unplayable
from rflow.runner.rehearse import Fall, Rehearsed, play


class Difference(Struct, frozen=True):
    """What was different with a crash: where the runner died, and what came of it."""

    fall: Fall
    message: str
    rehearsed: Rehearsed | None = None
    unmet: tuple[Unmet, ...] = ()


def differences(theatre: Theatre, calm: Rehearsed, filters: Filters) -> Iterator[Difference]:
    """Play the test with a crash at each transaction, before and after it is on disk."""
    expects = not judge(calm, filters)
    for at in range(1, calm.transactions + 1):
        for written in (False, True):
            fall = Fall(at, written)
            try:
                crashed = play(theatre, calm.test, fall)
            except (Unplayable, Impossible, AssertionError) as error:
                yield Difference(fall, str(error) or type(error).__name__)
                continue
            message = _difference(calm, crashed)
            unmet = tuple(judge(crashed, filters, timed=False)) if expects else ()
            if message or unmet:
                yield Difference(fall, message or unmet[0].message, crashed, unmet)


def where(calm: Rehearsed, fall: Fall) -> str:
    """Where the runner died, in words."""
    when = "after" if fall.written else "before"
    return f"a crash {when} write {fall.at} of {calm.transactions} was on disk"


def _difference(calm: Rehearsed, crashed: Rehearsed) -> str:
    """What is different, "" if nothing is."""
    one, other = calm.state, crashed.state
    if one.outcome != other.outcome:
        return f"the run ended {other.outcome} instead of {one.outcome}"
    for before, after in zip(one.nodes, other.nodes, strict=True):
        if before.status != after.status:
            return f"{after.id} ended {after.status} instead of {before.status}"
        if before.failures != after.failures:
            return f"{after.id} failed {after.failures} times instead of {before.failures}"
    for id, keys in calm.world.keys.items():
        if len(keys) != len(crashed.world.keys.get(id, ())):
            count = len(crashed.world.keys.get(id, ()))
            return f"{name_of(id)} had {count} attempts of its own instead of {len(keys)}"
    if sorted(set(calm.world.undone)) != sorted(set(crashed.world.undone)):
        return f"undone were {_listed(crashed.world.undone)}, not {_listed(calm.world.undone)}"
    if crashed.world.twice:
        return f"{crashed.world.twice[0]} made its change twice"
    if calm.world.values != crashed.world.values:
        names = {*calm.world.values, *crashed.world.values}
        wrong = sorted(n for n in names if calm.world.values.get(n) != crashed.world.values.get(n))
        return f"{wrong[0]} is {crashed.world.values.get(wrong[0])!r} at the end"
    return ""


def _listed(ids: list[str]) -> str:
    return ", ".join(sorted(set(ids))) or "none"
