"""Looking at runs: lists, states, records, reasons, logs.

Nothing here writes. What is looked at is the journal, folded; the graph of a run is kept, since it
never changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rflow.compiler import codec
from rflow.compiler.plan import Plan
from rflow.plugins.host import Host
from rflow.runner import events as ev
from rflow.runner import refusals
from rflow.runner.events import Record
from rflow.runner.expand import RunGraph, expand
from rflow.runner.journal import Journal, Lock, RunSummary
from rflow.runner.logs import Line, Logs
from rflow.runner.pause import no_garbage
from rflow.runner.problems import StateError
from rflow.runner.state import RunState
from rflow.runner.state_dir import StateDir

if TYPE_CHECKING:
    from rflow.runner.verdict import Verdict
    from rflow.runner.view import NodeRecord, RunView
    from rflow.runner.why import Because

GRAPHS_MAX = 64
"""So many graphs of runs are kept to be looked at again."""


class Looking:
    """Runs in one state folder, to be looked at. For one thread."""

    def __init__(self, state: StateDir, journal: Journal, host: Host) -> None:
        self.state, self.journal, self.host = state, journal, host
        self._graphs: dict[tuple[str, str], RunGraph] = {}

    def resolve(self, text: str) -> str:
        """The id of the run that is meant: an id, a name, the beginning of an id, or `last`. What
        comes first goes first: no run's id can get in the way of a name."""
        if text == "last":
            runs = self.journal.runs(limit=1)
            if not runs:
                raise StateError(refusals.NO_RUN, "there is no run yet", "start one: `rflow run`")
            return runs[0].run
        fitting = self.journal.find(text)
        found = [r for r in fitting if r.run == text]
        found = found or [r for r in fitting if r.name == text] or fitting
        if len(found) == 1:
            return found[0].run
        if not found:
            raise StateError(
                refusals.NO_RUN, f"there is no run `{text}`", "`rflow runs` lists those there are"
            )
        several = ", ".join(r.run for r in found[:6])
        message = f"`{text}` may mean any of {len(found)} runs: {several}"
        raise StateError(refusals.AMBIGUOUS_RUN, message, "give more of the id")

    def summary(self, run: str) -> RunSummary:
        """The run's line in the list of runs."""
        found = self.journal.summary(run)
        if found is None:
            raise StateError(
                refusals.NO_RUN, f"there is no run `{run}`", "`rflow runs` lists those there are"
            )
        return found

    def runs(self, **filters: Any) -> list[RunSummary]:
        """Runs, the newest first; the filters are those of `Journal.runs`."""
        return self.journal.runs(**filters)

    def records(self, run: str, after: int = 0) -> list[Record]:
        """The events of a run."""
        return self.journal.read(run, after)

    def fold(self, run: str, records: list[Record] | None = None) -> RunState:
        """The state of a run."""
        with no_garbage():
            return self._fold(run, records)

    def _fold(self, run: str, records: list[Record] | None) -> RunState:
        records = self.journal.read(run) if records is None else records
        if not records or not isinstance(created := records[0].event, ev.RunCreated):
            raise StateError(
                refusals.NO_RUN, f"there is no run `{run}`", "`rflow runs` lists those there are"
            )
        state = RunState(self._graph(created), created, records[0].at)
        for record in records[1:]:
            state.apply(record)
        return state

    def _graph(self, created: ev.RunCreated, plan: Plan | None = None) -> RunGraph:
        """The graph of a run: runs of one plan whose loops have the same elements share it. The
        plan is read where it is not at hand."""
        key = created.plan, json.dumps(created.loops) if created.loops else ""
        graph = self._graphs.get(key)
        if graph is None:
            if len(self._graphs) >= GRAPHS_MAX:
                self._graphs.clear()
            plan = plan or codec.loads(self.journal.plan(created.plan))
            graph = self._graphs[key] = expand(plan, created.loops)
        return graph

    def view(self, run: str) -> RunView:
        """The run and its nodes, as people look at it."""
        from rflow.runner.view import view

        records = self.journal.read(run)
        return view(self.fold(run, records), records)

    def node(self, run: str, node: str) -> NodeRecord:
        """A node's record. StateError if there is no such node."""
        from rflow.runner.view import node_record

        records = self.journal.read(run)
        state = self.fold(run, records)
        return node_record(state, records, self._known(state, node))

    def why(self, run: str, node: str | None = None) -> list[Because]:
        """The recorded reasons of a node, or of the run."""
        from rflow.runner.why import why

        records = self.journal.read(run)
        state = self.fold(run, records)
        known = None if node is None else self._known(state, node)
        return why(state, records, self.host.filters(), known)

    def _known(self, state: RunState, node: str) -> str:
        try:
            return state.node(node).id
        except KeyError:
            ids = [instance.id for instance in state.graph.instances if not instance.hidden]
            near = [id for id in ids if id.split("[")[0] == node] or ids
            shown = ", ".join(f"`{id}`" for id in near[:12])
            message = f"there is no node `{node}` in run {state.created.run}"
            raise StateError(refusals.NO_NODE, message, f"there are: {shown}") from None

    def log(
        self, run: str, node: str | None = None, attempt: int | None = None
    ) -> Iterator[tuple[str, int, Line]]:
        """The lines of a node's log, or of all nodes', with their node and attempt, in the order
        in which the attempts began."""
        for record in self.journal.read(run):
            event = record.event
            if not isinstance(event, ev.AttemptStarted):
                continue
            if node not in (None, event.node) or attempt not in (None, event.attempt):
                continue
            offset, lines = 0, [Line(0.0, "note", "")]
            while lines:
                lines, offset = self.read_log(run, event.node, event.attempt, offset)
                yield from ((event.node, event.attempt, line) for line in lines)

    def read_log(
        self, run: str, node: str, attempt: int, offset: int = 0
    ) -> tuple[list[Line], int]:
        """The lines of an attempt's log from an offset on, and the offset to read on from."""
        return Logs(self.state).read(run, node, attempt, offset)

    def verify(self, run: str, head: str = "") -> Verdict:
        """Verify the record of a run, against a head if one is given."""
        from rflow.runner.verify import verify

        return verify(self.journal, self.state, run, head)

    def locks(self) -> list[Lock]:
        """The locks that are held."""
        return self.journal.locks()
