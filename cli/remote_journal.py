"""The reading half of a journal that lies on a server; see `runner.journal.Journal`.

What is folded, shown and explained here is what the server would fold, show and explain: it is the
same code on the same events. Nothing can be written through it.
"""

from __future__ import annotations

import json
import time
from typing import Any, NoReturn

from rflow.cli.client import Client, path_of
from rflow.cli.decoding import decoded
from rflow.cli.failure import Failure
from rflow.plugins.types import Json
from rflow.runner import events as ev
from rflow.runner.events import Event, Record
from rflow.runner.journal import Fact, FactKind, Lock, RunSummary
from rflow.runner.problems import StateError

FRESH_S = 1.0
"""What a list has just said of who drives a run is not asked for again."""


class RemoteJournal:
    """A journal, read over the API."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._drivers: dict[str, tuple[int | None, float]] = {}
        self._said: list[Fact] = []
        self.seen: dict[str, int] = {}
        """How much of each run has been read."""

    def plan(self, digest: str) -> bytes:
        return self._client.data(path_of("plans", digest))

    def read(self, run: str, after: int = 0) -> list[Record]:
        records: list[Record] = []
        more: str | None = str(after)
        try:
            while more is not None:
                found = self._client.get(path_of("runs", run, "records"), after=more, limit=10_000)
                records += [record_of(item) for item in found["items"]]
                more = found["next"]
        except StateError as error:
            if error.code != "RF930":
                raise
        if records:
            self.seen[run] = max(self.seen.get(run, 0), records[-1].number)
        return records

    def latest(self, run: str, kind: type[Event]) -> Event | None:
        found = (record.event for record in reversed(self.read(run)))
        return next((event for event in found if isinstance(event, kind)), None)

    def head(self, run: str) -> str:
        return str(self._run(run)["head"])

    def summary(self, run: str) -> RunSummary | None:
        try:
            return decoded(RunSummary, self._run(run))
        except StateError as error:
            if error.code == "RF930":
                return None
            raise

    def runs(self, *, limit: int = 50, before: str | None = None, **given: Any) -> list[RunSummary]:
        assert before is None  # the client pages by cursors
        return self._listed(self._client.all("/runs", limit, **given))

    def find(self, text: str) -> list[RunSummary]:
        return self._listed(self._client.get("/runs", named=text, limit=500)["items"])

    def stages(self) -> list[str]:
        return [str(view["stage"]) for view in self._client.get("/stages")["items"]]

    def locks(self) -> list[Lock]:
        return [decoded(Lock, item) for item in self._client.get("/locks")["items"]]

    def claimed(self, run: str) -> int | None:
        known = self._drivers.pop(run, None)
        if known is not None and time.monotonic() - known[1] < FRESH_S:
            return known[0]
        driver: int | None = self._run(run)["driver"]
        return driver

    def facts(self, run: str) -> list[Fact]:
        return [fact for fact in self._said if fact.run == run]

    def said(self, run: str, kind: FactKind, body: dict[str, Json]) -> None:
        """What was just asked of a run through the API counts as posted."""
        self._said.append(Fact(0, run, kind, body, time.time()))

    def close(self) -> None:
        self._client.close()

    def _run(self, run: str) -> Any:
        return self._client.get(path_of("runs", run))

    def _listed(self, items: list[Any]) -> list[RunSummary]:
        now = time.monotonic()
        self._drivers = {item["run"]: (item["driver"], now) for item in items}
        return [decoded(RunSummary, item) for item in items]

    def __getattr__(self, name: str) -> NoReturn:
        raise Failure(
            "that cannot be done over a server",
            help="do it on the machine where the state lies, without `--server`",
        )


def record_of(item: Any) -> Record:
    """A record as the API has it."""
    return Record(item["number"], item["at"], ev.decode(item["kind"], json.dumps(item["event"])))
