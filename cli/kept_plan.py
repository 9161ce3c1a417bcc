"""Plans that still hold: what `rflow run` begins with where nothing has changed.

Compiling is a pure function, so the plan of a flow, and how it is shown, are those of the last
time while its files, the plugins and rflow are the same. Plans lie beside the answers of `rflow
check` (see `cache`) and hold as those do. A flow with warnings is compiled each time, so that they
are said each time. Imports neither the language nor the compiler.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rflow.cli import cache

if TYPE_CHECKING:
    from rflow.cli.flows import Flows
    from rflow.compiler.plan import Plan


class Kept(NamedTuple):
    """A plan, its bytes, how it is shown here, and the folder of the file it was made from."""

    plan: Plan
    data: bytes
    shown: str
    directory: Path


def recall(file: str, flow: str | None, color: str = "auto") -> Kept | None:
    """The plan of the flow, if it still holds; `color` is the choice of `--color`."""
    found = None if file == "-" else cache.recall(_question(file, flow, color))
    if found is None:
        return None
    from rflow.compiler import codec

    text, shown, directory = map(str, found)
    data = text.encode()
    try:
        return Kept(codec.loads(data), data, shown, Path(directory))
    except codec.PlanError:
        return None


def keep(file: str, flow: str | None, flows: Flows, kept: Kept, color: str = "auto") -> None:
    """Remember a plan."""
    facts = flows.project.facts
    if facts is None or flows.notes:
        return
    answer = (kept.data.decode(), kept.shown, str(kept.directory))
    cache.keep(_question(file, flow, color), answer, facts)


def _question(file: str, flow: str | None, color: str) -> list[str]:
    return ["run", file, flow or "", color]
