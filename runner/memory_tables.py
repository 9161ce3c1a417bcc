"""What the journal in memory keeps, and how each thing in it changes; see `runner.memory`."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field, structs
from rflow.plugins.types import Json
from rflow.runner.events import Event, Record, decode, encode
from rflow.runner.journal import (
    Change,
    ChangeState,
    Fact,
    Lock,
    Move,
    RunSummary,
    TwiceDecided,
    outcomes,
    summary_changes,
)


class Tables(Struct):
    """All of it; `snapshot` and putting one back are how a transaction is undone."""

    plans: dict[str, bytes] = field(default_factory=dict)
    runs: dict[str, RunSummary] = field(default_factory=dict)
    events: dict[str, list[Record]] = field(default_factory=dict)
    outcomes: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    facts_posted: int = 0
    locks: dict[str, Lock] = field(default_factory=dict)
    settings: dict[tuple[str, str], Json] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    notes: dict[tuple[str, str], dict[str, Json]] = field(default_factory=dict)

    def snapshot(self) -> Tables:
        """A copy that later changes of this one do not reach."""
        return Tables(
            dict(self.plans),
            dict(self.runs),
            {run: list(records) for run, records in self.events.items()},
            {run: set(pairs) for run, pairs in self.outcomes.items()},
            list(self.facts),
            self.facts_posted,
            dict(self.locks),
            dict(self.settings),
            list(self.changes),
            dict(self.ends),
            dict(self.notes),
        )


def records_of(expected: int, events: Sequence[Event], at: float) -> list[Record]:
    """The records of these events, which go through their JSON form."""
    return [
        Record(number, at, decode(type(event).__name__, encode(event)))
        for number, event in enumerate(events, expected + 1)
    ]


def check_outcomes(tables: Tables, run: str, records: list[Record]) -> None:
    """TwiceDecided if one of these is a second outcome of an attempt."""
    decided = set(tables.outcomes.get(run, ()))
    for node, attempt in outcomes(record.event for record in records):
        if (node, attempt) in decided:
            raise TwiceDecided(run, node, attempt)
        decided.add((node, attempt))


def append(tables: Tables, run: str, records: list[Record]) -> None:
    """Add records to a run."""
    tables.outcomes.setdefault(run, set()).update(outcomes(record.event for record in records))
    tables.events.setdefault(run, []).extend(records)


def summarise(
    tables: Tables, run: str, events: Sequence[Event], at: float, status: str | None
) -> None:
    """Bring a run's summary up to date."""
    summary = tables.runs[run]
    changes = summary_changes(events, at, status)
    if summary.started_at is not None:
        changes.pop("started_at", None)
    changes["length"] = len(tables.events[run])
    tables.runs[run] = structs.replace(summary, **changes)


def apply_move(tables: Tables, run: str, move: Move, at: float) -> None:
    """Change the ledger."""
    if move.kind == "ended":
        tables.ends[run] = len(tables.changes)
        return
    if move.kind == "intended":
        for number, known in enumerate(tables.changes):
            same = (known.run, known.node, known.resource) == (run, move.node, move.resource)
            if same and known.state == "open" and not move.anew:
                tables.changes[number] = structs.replace(known, after=move.after, at=at)
                return
        seq, stage = len(tables.changes) + 1, tables.runs[run].stage
        made = (seq, stage, move.resource, run, move.node, move.before, move.after)
        tables.changes.append(Change(*made, "open", at))
        return
    state: ChangeState = "open" if move.kind == "undoing" else move.kind
    for number, known in enumerate(tables.changes):
        changes = known.state == "open" or (move.kind != "done" and known.state == "done")
        if (known.run, known.node) == (run, move.node) and changes:
            tables.changes[number] = structs.replace(known, state=state)
