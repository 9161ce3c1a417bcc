"""What the author of a plugin imports; the page on plugins says how the pieces fit together.

The names are imported when they are first used: the compiler imports `plugins.types`, and with it
this module, at every start, and needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rflow.plugins.context import (
        Artifacts,
        Completed,
        Context,
        Deployed,
        Effect,
        NodeError,
        Parked,
    )
    from rflow.plugins.markers import (
        Artifact,
        Doc,
        Duration,
        Program,
        Secret,
        TakesSecret,
        Trusted,
        Untrusted,
    )
    from rflow.plugins.node import (
        Filter,
        Node,
        PluginError,
        Policy,
        SecretSource,
        Trigger,
        define_filter,
    )
    from rflow.plugins.signing import SigningError, message_id, signed
    from rflow.plugins.types import CONTRACT_VERSION, Json, RetrySpec

_HOMES = {
    "context": (
        "Artifacts",
        "Completed",
        "Context",
        "Deployed",
        "Effect",
        "NodeError",
        "Parked",
    ),
    "markers": (
        "Artifact",
        "Doc",
        "Duration",
        "Program",
        "Secret",
        "TakesSecret",
        "Trusted",
        "Untrusted",
    ),
    "node": (
        "Filter",
        "Node",
        "PluginError",
        "Policy",
        "SecretSource",
        "Trigger",
        "define_filter",
    ),
    "signing": ("SigningError", "message_id", "signed"),
    "types": ("CONTRACT_VERSION", "Json", "RetrySpec"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CONTRACT_VERSION",
    "Artifact",
    "Artifacts",
    "Completed",
    "Context",
    "Deployed",
    "Doc",
    "Duration",
    "Effect",
    "Filter",
    "Json",
    "Node",
    "NodeError",
    "Parked",
    "PluginError",
    "Policy",
    "Program",
    "RetrySpec",
    "Secret",
    "SecretSource",
    "SigningError",
    "TakesSecret",
    "Trigger",
    "Trusted",
    "Untrusted",
    "define_filter",
    "message_id",
    "signed",
]


def __getattr__(name: str) -> object:
    if (home := _HOME.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
