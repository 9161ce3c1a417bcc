"""The journal in memory: for simulations and tests, with the same answers as `runner.sqlite`.

A `MemoryStore` stands for the file, a `MemoryJournal` for one process's connection to it. Events
go through their JSON form, so that what the file could not hold is refused here too. It must
never be more lenient than the file.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import threading
from collections.abc import Iterator, Sequence

from msgspec import structs
from rflow.plugins.types import Json
from rflow.runner.chain import START, Stored, link
from rflow.runner.events import EVENT_VERSION, Event, Record, encode
from rflow.runner.journal import (
    Change,
    Fact,
    FactKind,
    Lock,
    LockBusy,
    RunSummary,
    Stale,
    moves,
    outcome_of,
)
from rflow.runner.memory_tables import (
    Tables,
    append,
    apply_move,
    check_outcomes,
    records_of,
    summarise,
)


class MemoryStore:
    """What several journals share, as processes share a file."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.claims: dict[str, MemoryClaim] = {}
        self.commits = 0
        self.mutex = threading.RLock()


class MemoryClaim:
    """A claim that is held."""

    def __init__(self, store: MemoryStore, run: str) -> None:
        self._store = store
        self._run = run

    def release(self) -> None:
        """Give it up. Doing so twice does nothing."""
        with self._store.mutex:
            if self._store.claims.get(self._run) is self:
                del self._store.claims[self._run]

    def __enter__(self) -> MemoryClaim:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


class MemoryJournal:
    """See `runner.journal.Journal`."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = MemoryStore() if store is None else store
        self._own = 0
        self._admitting = False
        self._claims: list[MemoryClaim] = []

    def crash(self) -> MemoryJournal:
        """What a new process finds after this one died: the same store, its claims gone."""
        for held in self._claims:
            held.release()
        self._claims.clear()
        return MemoryJournal(self.store)

    # -- writing -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _write(self) -> Iterator[Tables]:
        with self.store.mutex:
            yield self.store.tables
            if not self._admitting:
                self.store.commits += 1
                self._own += 1

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        if self._admitting:
            raise RuntimeError("admit cannot be nested")
        with self.store.mutex:
            before = self.store.tables.snapshot()
            self._admitting = True
            try:
                yield
            except BaseException:
                self.store.tables = before
                raise
            finally:
                self._admitting = False
            self.store.commits += 1
            self._own += 1

    def put_plan(self, digest: str, data: bytes) -> None:
        with self._write() as tables:
            tables.plans.setdefault(digest, bytes(data))

    def create(self, summary: RunSummary, events: Sequence[Event], at: float) -> list[Record]:
        records = records_of(0, events, at)
        with self._write() as tables:
            run = summary.run
            if run in tables.runs:
                raise Stale(run, 0, tables.runs[run].length)
            check_outcomes(tables, run, records)
            append(tables, run, records)
            tables.runs[run] = structs.replace(summary, length=len(records))
            summarise(tables, run, events, at, None)
        return records

    def transact(
        self,
        run: str,
        expected: int,
        events: Sequence[Event],
        at: float,
        *,
        status: str | None = None,
        facts: Sequence[int] = (),
        take: Sequence[tuple[str, str]] = (),
        free: Sequence[tuple[str, str]] = (),
    ) -> list[Record]:
        records = records_of(expected, events, at)
        with self._write() as tables:
            if run not in tables.runs:
                raise KeyError(run)
            if (actual := len(tables.events[run])) != expected:
                raise Stale(run, expected, actual)
            check_outcomes(tables, run, records)
            locks = dict(tables.locks)
            for name, node in free:
                if (held := locks.get(name)) and (held.run, held.node) == (run, node):
                    del locks[name]
            for name, node in take:
                held = locks.setdefault(name, Lock(name, run, node, at))
                if (held.run, held.node) != (run, node):
                    raise LockBusy(name, held.run, held.node)
            append(tables, run, records)
            for move in moves(events):
                apply_move(tables, run, move, at)
            tables.locks = locks
            tables.facts = [f for f in tables.facts if f.run != run or f.id not in facts]
            summarise(tables, run, events, at, status)
        return records

    def post(self, run: str, kind: FactKind, body: dict[str, Json], at: float) -> Fact:
        own = json.loads(json.dumps(body, allow_nan=False))
        with self._write() as tables:
            if run not in tables.runs:
                raise KeyError(run)
            tables.facts_posted += 1
            fact = Fact(tables.facts_posted, run, kind, own, at)
            tables.facts.append(fact)
        self._own -= 1
        return fact

    def set_setting(self, flow: str, name: str, value: Json) -> None:
        own: Json = json.loads(json.dumps(value, allow_nan=False))
        with self._write() as tables:
            tables.settings[flow, name] = own

    def delete_setting(self, flow: str, name: str) -> bool:
        with self._write() as tables:
            known = (flow, name) in tables.settings
            tables.settings.pop((flow, name), None)
        return known

    # -- reading -------------------------------------------------------------------------------

    def plan(self, digest: str) -> bytes:
        return self.store.tables.plans[digest]

    def read(self, run: str, after: int = 0) -> list[Record]:
        with self.store.mutex:
            return self.store.tables.events.get(run, [])[after:]

    def latest(self, run: str, kind: type[Event]) -> Event | None:
        events = (record.event for record in reversed(self.read(run)))
        return next((event for event in events if type(event) is kind), None)

    def head(self, run: str) -> str:
        events = self.stored(run)
        return events[-1].head if events else START

    def stored(self, run: str) -> list[Stored]:
        found: list[Stored] = []
        head = START
        for record in self.read(run):
            node, attempt = outcome_of(record.event)
            kind, body = type(record.event).__name__, encode(record.event).encode()
            at, version = float(record.at), EVENT_VERSION
            head = link(head, run, record.number, at, kind, version, node, attempt, body)
            found.append(Stored(record.number, at, kind, version, node, attempt, body, head))
        return found

    def summary(self, run: str) -> RunSummary | None:
        return self.store.tables.runs.get(run)

    def runs(
        self,
        *,
        flow: str | None = None,
        stage: str | None = None,
        status: str | None = None,
        concluded: bool | None = None,
        kind: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[RunSummary]:
        with self.store.mutex:
            known = list(self.store.tables.runs.values())
        if before is not None:
            at = next((i for i, run in enumerate(known) if run.run == before), 0)
            known = known[:at]
        wanted = [
            run
            for run in reversed(known)
            if (flow is None or run.flow == flow)
            and (stage is None or run.stage == stage)
            and (status is None or run.status == status)
            and (concluded is None or run.concluded == concluded)
            and (kind is None or run.kind == kind)
        ]
        return wanted[:limit]

    def find(self, text: str) -> list[RunSummary]:
        with self.store.mutex:
            known = list(self.store.tables.runs.values())
        return [run for run in reversed(known) if run.run.startswith(text) or run.name == text]

    def active(self, key: str) -> list[RunSummary]:
        with self.store.mutex:
            known = list(self.store.tables.runs.values())
        return [run for run in known if not run.concluded and run.queue == key]

    def facts(self, run: str) -> list[Fact]:
        with self.store.mutex:
            return [copy.deepcopy(fact) for fact in self.store.tables.facts if fact.run == run]

    def asked(self) -> set[str]:
        with self.store.mutex:
            return {fact.run for fact in self.store.tables.facts}

    def stages(self) -> list[str]:
        return sorted({run.stage for run in self.store.tables.runs.values() if run.stage})

    def changed_since(self, run: str, resource: str) -> str | None:
        other: str | None = None
        for change in self.store.tables.changes:
            if change.resource == resource and change.run == run:
                other = None
            elif change.resource == resource and change.state != "undone":
                other = change.run
        return other

    def ledger(self, stage: str, after: int = 0, upto: int | None = None) -> list[Change]:
        changes = self.store.tables.changes[after:upto]  # the first has `seq` 1
        return [change for change in changes if change.stage == stage]

    def last_changes(
        self, stage: str, upto: int | None = None, *, sure: bool = False
    ) -> list[Change]:
        found: dict[str, Change] = {}
        for change in self.ledger(stage):
            if (upto is not None and change.seq > upto) or (sure and change.state == "open"):
                continue
            if change.state != "undone" or change.resource not in found:
                found[change.resource] = change
        return sorted(found.values(), key=lambda change: change.seq)

    def ended_at_change(self, run: str) -> int | None:
        return self.store.tables.ends.get(run)

    def put_note(self, kind: str, key: str, body: dict[str, Json]) -> None:
        with self._write() as tables:
            tables.notes[kind, key] = json.loads(json.dumps(body, allow_nan=False))
        self._own -= 1

    def notes(self, kind: str) -> dict[str, dict[str, Json]]:
        found = sorted(self.store.tables.notes.items())
        return {key: dict(body) for (of, key), body in found if of == kind}

    def delete_note(self, kind: str, key: str) -> bool:
        with self._write() as tables:
            there = tables.notes.pop((kind, key), None) is not None
        self._own -= 1
        return there

    def locks(self) -> list[Lock]:
        with self.store.mutex:
            held = self.store.tables.locks
            return [held[name] for name in sorted(held)]

    def version(self) -> int:
        return self.store.commits - self._own

    def settings(self, flow: str) -> dict[str, Json]:
        with self.store.mutex:
            known = sorted(self.store.tables.settings.items(), key=lambda item: item[0])
        return {name: copy.deepcopy(value) for (of, name), value in known if of == flow}

    # -- whose run it is -----------------------------------------------------------------------

    def claim(self, run: str) -> MemoryClaim | None:
        with self.store.mutex:
            if run in self.store.claims:
                return None
            held = self.store.claims[run] = MemoryClaim(self.store, run)
            self._claims.append(held)
            return held

    def claimed(self, run: str) -> int | None:
        return os.getpid() if run in self.store.claims else None

    def close(self) -> None:
        """Nothing to close."""
