"""Plans that still hold: what `rflow run` begins with where nothing has changed.

Compiling is a pure function, so the plan of a flow is that of the last time while its files, the
plugins and rflow are the same. Plans lie beside the answers of `rflow check` (see `cache`) and
hold as those do. A flow with warnings is compiled each time, so that they are said each time.
Imports neither the language nor the compiler.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rflow.cli import cache

if TYPE_CHECKING:
    from rflow.cli.flows import Flows
    from rflow.compiler.plan import Plan


class Kept(NamedTuple):
    """A plan, and the folder of the file that it was made from."""

    plan: Plan
    directory: Path


def recall(file: str, flow: str | None) -> Kept | None:
    """The plan of the flow, if it still holds."""
    found = None if file == "-" else cache.recall(_question(file, flow))
    if found is None:
        return None
    from rflow.compiler import codec

    try:
        return Kept(codec.loads(found[0].encode()), Path(found[1]))
    except codec.PlanError:
        return None


def keep(file: str, flow: str | None, flows: Flows, plan: Plan) -> None:
    """Remember a plan."""
    facts = flows.project.facts
    if facts is None or flows.notes:
        return
    from rflow.compiler import codec

    text = codec.dumps(plan).decode()
    cache.keep(_question(file, flow), text, str(flows.project.directory), 0, facts)


def _question(file: str, flow: str | None) -> list[str]:
    from rflow.plugins import cache as plugins_cache

    # A policy's delays are in the plan, and come from the plugin's code, not from its spec.
    return ["run", file, flow or "", plugins_cache.stamp()]
