"""What verifying a run's record finds: values only.

This module owns the shape of a verdict and the reading of an event as far as it can be read; it
must never fail on what it reads, since anything may have been done to it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct, field
from rflow.runner.chain import Stored

Code = Literal[
    "changed",  # a record, a plan or an artifact has other bytes than its digest is of
    "head-changed",  # the stored head of a record was changed, not the record
    "missing",  # a record or a plan is not there
    "unreadable",  # it is there and cannot be read
    "unchained",  # the record has no heads
    "rewritten",  # the chain is whole, and ends in another head
    "cut",  # events that were there are not
    "line",  # the list of runs or the ledger says something else than the events
]


class Finding(Struct, frozen=True):
    """Something that is not as it was written. `record` names it: `event 7`, `plan sha256:…`."""

    code: Code
    record: str
    message: str


class Verdict(Struct):
    """What was found of a run's record.

    `head` is the last head of the chain, as it comes out now. `against` is the head it was
    compared with, `source` where that came from; `at` the number of the event whose head that
    is, None if none has it. `missing` are artifacts that are not in the store any more, which
    takes nothing from the record.
    """

    run: str
    events: int = 0
    head: str = ""
    against: str = ""
    source: Literal["given", "noted", ""] = ""
    at: int | None = None
    plan: str = ""
    artifacts: int = 0
    missing: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all is as it was written."""
        return not self.findings


class Body(Struct, frozen=True):
    """What an event says, as far as it can be read."""

    number: int
    kind: str
    at: object
    says: dict[str, Any]

    @property
    def name(self) -> str:
        """`event 7 (AttemptSucceeded of web)`."""
        node = self.says.get("node")
        of = f" of {node}" if isinstance(node, str) else ""
        return f"event {self.number} ({self.kind}{of})" if self.kind else f"event {self.number}"


def bodies_of(events: list[Stored]) -> Iterator[Body]:
    for event in events:
        says: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            says = json.loads(event.body)
        kind = event.kind if event.kind.isidentifier() else ""
        yield Body(event.number, kind, event.at, says if isinstance(says, dict) else {})
