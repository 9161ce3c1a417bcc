"""Compiling again from the source that a plan keeps: for a run that starts another flow."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rflow.cli.flows import Kinds
    from rflow.compiler.plan import Plan
    from rflow.dsl.diagnostics import Source


def compile_again(kinds: Kinds, plan: Plan, flow: str) -> Plan:
    """The plan of another flow of the file that `plan` was made from; nothing is read from disk.

    LookupError if there is no such flow.
    """
    from rflow.compiler.program import LoadError, check
    from rflow.dsl.diagnostics import Source

    sources = {source.path: Source(source.path, source.text) for source in plan.sources}

    def load(importer: Source, path: str) -> Source:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(importer.name), path))
        if name not in sources:
            raise LoadError(f"`{path}` is not part of the run's source")
        return sources[name]

    checked = check(sources[plan.sources[plan.file].path], kinds.specs, load)
    if flow not in checked.flows or not checked.ok:
        raise LookupError(flow)
    return checked.plan(flow, kinds.delays)
