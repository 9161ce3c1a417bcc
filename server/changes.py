"""What became of changes to the served flows: current, with what it means for safety, or refused.

Owns the table `flow_changes`. A change is written when it has become current, or was refused, never
before.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping

from msgspec import Struct
from rflow.compiler.safety import FlowChanges, compare_flows
from rflow.plugins.types import Specs
from rflow.server.catalog import Catalog, Refused, Served
from rflow.server.store import Store

log = logging.getLogger("rflow.server")

_Row = tuple[str, str, str, str, str]
"""Outcome, flow, file, notes as JSON, text."""


class FlowChange(Struct, frozen=True):
    """A line of the history: what happened to `flow` or, if it was refused, to `file`.

    `outcome` is `current`, `refused`, `held` or `gone`; `revision` the commit ("" for a folder);
    `notes` are (level, message), the gravest first; `text` what `rflow check` said.
    """

    id: int
    at: float
    revision: str
    outcome: str
    flow: str
    file: str
    notes: tuple[tuple[str, str], ...]
    text: str


class Changes(Struct):
    """The history, and what writes it. `specs` are those of the plugins."""

    store: Store
    specs: Specs

    def latest(self, limit: int = 50, before: int | None = None) -> list[FlowChange]:
        """The newest first; `before` is the id of one."""
        rows = self.store.read(
            "SELECT * FROM flow_changes WHERE id < ? ORDER BY id DESC LIMIT ?",
            (before if before is not None else 2**62, limit),
        )
        return [
            FlowChange(
                row["id"],
                row["at"],
                row["revision"],
                row["outcome"],
                row["flow"],
                row["file"],
                tuple((level, message) for level, message in json.loads(row["notes"])),
                row["text"],
            )
            for row in rows
        ]

    def note(
        self, before: Mapping[str, Served], refused_before: tuple[Refused, ...], catalog: Catalog
    ) -> list[FlowChanges]:
        """Write down how the catalog came from what it was; the changes that mean something."""
        now = {served.flow: served for served in catalog.flows()}
        found = compare_flows(
            {name: served.plan for name, served in before.items()},
            {name: served.plan for name, served in now.items()},
            self.specs,
        )
        told = {changes.flow: changes for changes in found}
        rows = [*_flow_rows(before, now, told), *_refused_rows(refused_before, catalog)]
        self._write(catalog.revision, rows)
        return found

    def held(self, served: Served, old: Served) -> None:
        """Write down that a rollback brought a flow back."""
        (found,) = compare_flows({old.flow: old.plan}, {served.flow: served.plan}, self.specs) or [
            FlowChanges(served.flow, "", ())
        ]
        notes = json.dumps([(change.level, change.message) for change in found.changes])
        why = f"as in run {served.held}, until the file is pushed again"
        self._write(served.revision, [("held", served.flow, served.path, notes, why)])

    def _write(self, revision: str, rows: list[_Row]) -> None:
        at = time.time()
        if rows:
            with self.store.write() as db:
                db.executemany(
                    "INSERT INTO flow_changes (at, revision, outcome, flow, file, notes, text)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [(at, revision, *row) for row in rows],
                )
        commit = f" in {revision[:12]}" if revision else ""
        for outcome, flow, file, _, text in rows:
            match outcome:
                case "refused":
                    log.warning("%s is refused%s, what it held stays:\n%s", file, commit, text)
                case "gone":
                    log.info("the flow %s is gone%s", flow, commit)
                case "held":
                    log.info("the flow %s was brought back, %s", flow, text)
                case _:
                    log.info("the flow %s of %s is current%s", flow, file, commit)


def _flow_rows(
    before: Mapping[str, Served], now: Mapping[str, Served], told: Mapping[str, FlowChanges]
) -> Iterator[_Row]:
    for name, served in now.items():
        old = before.get(name)
        if old is not None and (old.plan == served.plan or served.held):
            continue
        changes = told[name].changes if name in told else ()
        notes = json.dumps([(change.level, change.message) for change in changes])
        yield "current", name, served.path, notes, ""
    for name in before:
        if name not in now:
            yield "gone", name, before[name].path, "[]", ""


def _refused_rows(before: tuple[Refused, ...], catalog: Catalog) -> Iterator[_Row]:
    known = {(refused.file.name, refused.text) for refused in before}
    for refused in catalog.refused():
        if (refused.file.name, refused.text) not in known:
            path = refused.file
            shown = (
                path.relative_to(catalog.root).as_posix()
                if path.is_relative_to(catalog.root)
                else path.name
            )
            yield "refused", "", shown, "[]", refused.text
