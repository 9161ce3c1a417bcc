"""The hooks: what a plugin may provide, each a function of its module with this name.

Few, prefixed and typed. They return values, except for the observer. A plugin's module marks
nothing and imports nothing of the host: a function with the name of a hook is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pluggy
from rflow.plugins.node import Filter, Node, Policy, SecretSource, Trigger
from rflow.plugins.types import Json

PROJECT = "rflow"
PREFIX = "rflow_"

_hookspec = pluggy.HookspecMarker(PROJECT)


@_hookspec
def rflow_node_types() -> Iterable[type[Node]]:
    """The kinds of nodes that the plugin provides."""
    raise NotImplementedError


@_hookspec
def rflow_trigger_types() -> Iterable[type[Trigger]]:
    """The kinds of triggers."""
    raise NotImplementedError


@_hookspec
def rflow_retry_policies() -> Iterable[type[Policy]]:
    """The retry policies, for `retry 5 using NAME { … }`."""
    raise NotImplementedError


@_hookspec
def rflow_filters() -> Iterable[Filter]:
    """The filters, for `$<args.x | NAME>`."""
    raise NotImplementedError


@_hookspec
def rflow_secret_sources() -> Iterable[type[SecretSource]]:
    """The secret sources, for `secret x from NAME "key"`."""
    raise NotImplementedError


@_hookspec
def rflow_run_event(run: str, number: int, at: float, kind: str, event: Mapping[str, Json]) -> None:
    """An event is in the journal of a run: its number there, its time in seconds since 1970, its
    kind (`AttemptSucceeded`) and its fields. What an observer raises is told to people and
    changes nothing."""


HOOKS = (
    "rflow_node_types",
    "rflow_trigger_types",
    "rflow_retry_policies",
    "rflow_filters",
    "rflow_secret_sources",
    "rflow_run_event",
)
