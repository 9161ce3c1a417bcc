"""The chain of a run's events: each has a head, a digest over it and all that came before.

The head of an event is the SHA-256 of

    the event's header, a line break, the event's body as it is stored

in hexadecimal. The header is the JSON array, with `, ` between its items and all but ASCII
escaped, of: the head before ("" for the first), the run, the number of the event, its time, kind
and version, and the node and attempt that it is the outcome of (or null). JSON holds no line
break, so no two events have the same bytes. The first event holds the digest of the plan, the
plan the sources and the versions of the plugins; outputs that are too long for the journal stand
in it as digests. So the last head stands for the whole run.

This module owns the form of the chain and of heads; it must never read a journal.
"""

from __future__ import annotations

import hashlib
import re

from msgspec import Struct
from rflow.runner.json_writer import writer

START = ""
"""What stands for the head before the first event."""

_written = writer(ensure_ascii=True, separators=(", ", ": "))
_HEAD = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class Stored(Struct, frozen=True):
    """An event as it is stored, whatever it holds. `trouble` says why it could not be read."""

    number: int
    at: object = None
    kind: str = ""
    version: object = None
    node: str | None = None
    attempt: object = None
    body: bytes = b""
    head: str = ""
    trouble: str = ""


def link(
    before: str,
    run: str,
    number: int,
    at: object,
    kind: str,
    version: object,
    node: str | None,
    attempt: object,
    body: bytes,
) -> str:
    """The head of an event."""
    header = _written([before, run, number, at, kind, version, node, attempt])
    return hashlib.sha256(b"%b\n%b" % (header.encode(), body)).hexdigest()


def head_of(before: str, run: str, event: Stored) -> str:
    """The head of a stored event."""
    return link(
        before,
        run,
        event.number,
        event.at,
        event.kind,
        event.version,
        event.node,
        event.attempt,
        event.body,
    )


def shown(head: str) -> str:
    """The head as people are given it: `sha256:…`; "" for none."""
    return f"sha256:{head}" if head else ""


def read_head(text: str) -> str:
    """A head that somebody was given; ValueError if it is none."""
    match = _HEAD.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"`{text}` is no head: `sha256:` and 64 hexadecimal digits")
    return match[1]


__all__ = ["START", "Stored", "head_of", "link", "read_head", "shown"]
