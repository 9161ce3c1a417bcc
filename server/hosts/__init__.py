"""The git hosts whose messages are understood, each in a module of its own.

A module owns one host: how it signs, what it calls a delivery, what its messages mean. It must
never trust a message before `verified` has said yes, and never act.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from rflow.server.events import GitEvent, Ignored
from rflow.server.hosts import bitbucket, gitea, github, gitlab, plain
from rflow.server.hosts.reading import Headers


class Host(Protocol):
    """What each module offers; see there."""

    def verified(self, secret: bytes, headers: Headers, body: bytes) -> bool: ...

    def delivery(self, headers: Headers, body: bytes) -> str: ...

    def event_name(self, headers: Headers, payload: dict[str, Any]) -> str: ...

    def recognises(self, payload: dict[str, Any]) -> bool: ...

    def read(self, headers: Headers, payload: dict[str, Any]) -> tuple[GitEvent, ...] | Ignored: ...

    def repos(self, payload: dict[str, Any]) -> tuple[str, ...]: ...


HOSTS: dict[str, Host] = {
    "github": cast(Host, github),
    "gitlab": cast(Host, gitlab),
    "gitea": cast(Host, gitea),
    "bitbucket": cast(Host, bitbucket),
    "plain": cast(Host, plain),
}


def recognised(payload: dict[str, Any]) -> str | None:
    """The host that a message without headers looks to be from."""
    for name in ("plain", "gitlab", "bitbucket", "gitea", "github"):
        if HOSTS[name].recognises(payload):
            return name
    return None
