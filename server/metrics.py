"""What is measured, for Prometheus: a registry of its own, without globals.

What is counted comes from the journal's records as they are read (`tailing`), so that runs which
other processes drive count as well; counters begin with the server. What is shown as it is now is
asked when somebody scrapes, and never costs more than the runs that go on. Labels are names of
flows, stages, kinds and routes alone, of which there are few, never ids or what requests hold.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from rflow.compiler.codec import loads
from rflow.runner import events as ev
from rflow.runner.events import Record
from rflow.runner.journal import RunSummary
from rflow.runner.problems import StateError
from rflow.server.core import Server

TIMES_S = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)
REQUESTS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TURN = re.compile(r"\[[^\[\]]*\]")
_FAMILIES = (
    ("rflow_runs", "Runs that have not ended.", ("flow", "stage", "status")),
    ("rflow_approvals_waiting", "Gates that wait for people.", ("flow", "stage")),
    ("rflow_locks_held", "Locks that nodes hold.", ()),
    ("rflow_flows", "Flows that are served, and files that are refused.", ("state",)),
    ("rflow_subscription_messages", "Messages to subscribers that wait.", ()),
    ("rflow_subscriptions", "Subscriptions.", ("state",)),
    ("rflow_deliveries_kept", "Messages that came in and were not worked off.", ()),
)


class Metrics:
    """The registry of a server."""

    def __init__(self, server: Server) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self._server = server
        self._started: dict[tuple[str, str], float] = {}
        self._runs_ended = self._counter("runs_ended", "Runs that ended.", "flow stage status")
        self._run_s = self._histogram(
            "run_duration_seconds", "How long runs took.", "flow status", TIMES_S
        )
        self._attempts = self._counter("node_attempts", "Attempts.", "flow kind outcome")
        self._attempt_s = self._histogram(
            "node_duration_seconds", "How long attempts took.", "flow kind", TIMES_S
        )
        self._decisions = self._counter("approval_decisions", "Decisions.", "flow decision")
        self._messages = self._counter(
            "subscription_attempts", "Attempts to send to subscribers.", "outcome"
        )
        self._requests = self._counter("http_requests", "Requests.", "method route status")
        self._request_s = self._histogram(
            "http_request_duration_seconds", "How long answers took.", "method route", REQUESTS_S
        )
        self._kinds = lru_cache(maxsize=64)(self._read_kinds)
        self.registry.register(_Now(server))

    def _counter(self, name: str, doc: str, labels: str) -> Counter:
        return Counter(f"rflow_{name}", doc, labels.split(), registry=self.registry)

    def _histogram(self, name: str, doc: str, labels: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(
            f"rflow_{name}", doc, labels.split(), buckets=buckets, registry=self.registry
        )

    def text(self) -> bytes:
        """All of it, in the form that Prometheus reads."""
        return generate_latest(self.registry)

    # -- what is counted -------------------------------------------------------------------------

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_s.labels(method, route).observe(seconds)

    def sent(self, taken: bool) -> None:
        """An attempt to send to a subscriber is over."""
        self._messages.labels("delivered" if taken else "failed").inc()

    def take(self, summary: RunSummary, records: list[Record]) -> None:
        """Records of a run, in order; for the thread that reads them."""
        for record in records:
            self._take(summary, record)

    def _take(self, summary: RunSummary, record: Record) -> None:
        flow, event = summary.flow, record.event
        match event:
            case ev.AttemptStarted():
                self._started[summary.run, event.node] = record.at
            case ev.AttemptSucceeded():
                self._attempt(summary, event.node, "success", record.at)
            case ev.AttemptFailed():
                self._attempt(summary, event.node, "failed", record.at)
            case ev.AttemptLost():
                self._attempt(summary, event.node, "lost", None)
            case ev.Decided():
                self._decisions.labels(flow, event.decision).inc()
            case ev.RunEnded():
                self._runs_ended.labels(flow, summary.stage or "", event.status).inc()
                if summary.started_at is not None:
                    took = max(0.0, record.at - summary.started_at)
                    self._run_s.labels(flow, event.status).observe(took)
                for key in [key for key in self._started if key[0] == summary.run]:
                    del self._started[key]
            case _:
                pass

    def _attempt(self, summary: RunSummary, node: str, outcome: str, at: float | None) -> None:
        kind = self._kind(summary.plan, node)
        self._attempts.labels(summary.flow, kind, outcome).inc()
        began = self._started.pop((summary.run, node), None)
        if began is not None and at is not None:
            self._attempt_s.labels(summary.flow, kind).observe(max(0.0, at - began))

    def _kind(self, plan: str, node: str) -> str:
        if node.startswith("undo:"):
            return "undo"
        return self._kinds(plan).get(_TURN.sub("", node), "")

    def _read_kinds(self, digest: str) -> dict[str, str]:
        try:
            plan = loads(self._server.services.here().journal.plan(digest))
        except (KeyError, ValueError, StateError):
            return {}
        return {node.id: node.kind for node in plan.nodes}


class _Now(Collector):
    """What is as it is when it is asked for."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._gates: dict[str, tuple[int, int]] = {}
        self._verdicts: Tally[tuple[str, str]] = Tally()
        self._counted = server.store.read(_NEWEST)[0][0]
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """The gauges; where the state cannot be read they are left out, and `rflow_up` is 0."""
        families = {
            name: GaugeMetricFamily(name, doc, labels=labels) for name, doc, labels in _FAMILIES
        }
        verdicts = CounterMetricFamily(
            "rflow_deliveries",
            "What triggers said of messages that came in.",
            labels=["host", "outcome"],
        )
        up = 1
        try:
            with self._lock:
                for said, count in self._said().items():
                    verdicts.add_metric(said, count)
                for name, labels, value in self._values():
                    families[name].add_metric(labels, value)
        except (StateError, sqlite3.Error):
            up = 0
        told = GaugeMetricFamily("rflow_up", "Whether the state can be read.", value=up)
        version = GaugeMetricFamily("rflow_info", "The version.", labels=["version"])
        version.add_metric([metadata.version("rflow")], 1)
        return [told, version, *((verdicts, *families.values()) if up else ())]

    def _values(self) -> Iterator[tuple[str, list[str], float]]:
        server = self._server
        service = server.services.here()
        going = service.runs(concluded=False, limit=100_000)
        runs = Tally((run.flow, run.stage or "", run.status) for run in going)
        for labels, count in runs.items():
            yield "rflow_runs", list(labels), count
        gates: Tally[tuple[str, str]] = Tally()
        for run in going:
            gates[run.flow, run.stage or ""] += self._waiting(service, run)
        self._gates = {run.run: self._gates[run.run] for run in going if run.run in self._gates}
        for gate, count in gates.items():
            yield "rflow_approvals_waiting", list(gate), count
        yield "rflow_locks_held", [], len(service.journal.locks())
        yield "rflow_flows", ["served"], len(server.catalog.flows())
        yield "rflow_flows", ["refused"], len(server.catalog.refused())
        for name, sql in _COUNTS:
            for counted, value in _rows(server.store.read(sql)):
                yield name, counted, value

    def _said(self) -> Tally[tuple[str, str]]:
        """What was said since the server began. Deliveries that are done are counted once."""
        ((newest, open_),) = self._server.store.read(_SETTLED, (self._counted,))
        settled = newest if open_ is None else open_ - 1
        if settled > self._counted:
            self._verdicts += self._count(self._counted, settled)
            self._counted = settled
        return self._verdicts + self._count(settled, newest)

    def _count(self, after: int, until: int) -> Tally[tuple[str, str]]:
        rows = self._server.store.read(_SAID, (after, until))
        return Tally({(host, outcome): count for host, outcome, count in rows})

    def _waiting(self, service: Any, run: RunSummary) -> int:
        """The gates of a run that wait; it is folded only if it has changed since last time."""
        if run.started_at is None or run.status != "waiting":
            return 0
        known = self._gates.get(run.run)
        if known is None or known[0] != run.length:
            found = len(service.waiting_gates(service.fold(run.run)))
            self._gates[run.run] = known = (run.length, found)
        return known[1]


_NEWEST = "SELECT coalesce(max(seq), 0) FROM deliveries"
_SETTLED = (
    "SELECT coalesce(max(seq), 0), min(CASE WHEN state <> 'done' THEN seq END) FROM deliveries "
    "WHERE seq > ?"
)
_SAID = (
    "SELECT d.host, v.outcome, count(*) FROM deliveries AS d JOIN verdicts AS v "
    "ON v.delivery = d.id WHERE d.seq > ? AND d.seq <= ? GROUP BY d.host, v.outcome"
)
_COUNTS = (
    (
        "rflow_subscription_messages",
        "SELECT count(*) FROM subscription_messages WHERE state = 'waiting'",
    ),
    (
        "rflow_subscriptions",
        "SELECT CASE WHEN disabled <> '' THEN 'disabled' WHEN failing_since IS NOT NULL "
        "THEN 'failing' ELSE 'well' END AS state, count(*) FROM subscriptions GROUP BY state",
    ),
    ("rflow_deliveries_kept", "SELECT count(*) FROM deliveries WHERE state <> 'done'"),
)


def _rows(rows: list[sqlite3.Row]) -> Iterator[tuple[list[str], float]]:
    for row in rows:
        *labels, count = tuple(row)
        yield labels, count
