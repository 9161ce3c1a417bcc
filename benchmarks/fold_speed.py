"""How fast a journal becomes the state of its run: 100,000 events from SQLite, folded.

The run has 20,000 nodes, each of which failed once and succeeded at its second attempt.
`--quick` measures less often.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from measure import folder, heading, spread
from rflow.compiler.plan import Json, Node, Place, Plan, Retry, SourceFile
from rflow.runner import events as ev
from rflow.runner.events import Record
from rflow.runner.expand import RunGraph, expand
from rflow.runner.journal import RunSummary
from rflow.runner.pause import no_garbage
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state import RunState
from rflow.runner.state_dir import StateDir

NODES = 20_000
NOWHERE = Place(0, 0, 0)
BATCH = 500


def plan() -> Plan:
    def node(number: int) -> Node:
        after = (f"n{number - 1}",) if number % 10 else ()
        return Node(f"n{number}", "sh", "main", after, NOWHERE, retry=Retry(3, (1.0, 2.0)))

    return Plan(
        flow="big",
        doc="",
        stage=None,
        concurrency="allow",
        timeout_s=None,
        args=(),
        secrets=(),
        triggers=(),
        values={},
        loops=(),
        groups=(),
        nodes=tuple(map(node, range(NODES))),
        outputs=(),
        rollback_on_failure=False,
        kinds={"sh": "rflow"},
        sources=(SourceFile("big.rflow", ""),),
    )


def events() -> Iterator[ev.Event]:
    yield ev.RunCreated(
        run="r1",
        plan="sha256:0",
        flow="big",
        stage=None,
        kind="release",
        name="r1",
        description="",
        by="dev",
        trigger={"kind": "manual"},
        triggers={},
        args={},
        sealed={},
        overrides={},
        loops={},
        seed=1,
    )
    yield ev.RunStarted("guard")
    yield ev.PhaseStarted("main")
    for number in range(NODES):
        node = f"n{number}"
        inputs: dict[str, Json] = {"script": f"./build --service {number}", "cwd": "services"}
        yield ev.AttemptStarted(node, 1, f"r1/{node}/1", inputs)
        yield ev.AttemptFailed(node, 1, {"message": "the script ended with 1", "retry": True})
        yield ev.RetryScheduled(node, 2, 1000.0 + number)
        yield ev.AttemptStarted(node, 2, f"r1/{node}/2", inputs)
        yield ev.AttemptSucceeded(node, 2, {"value": f"shop-{number}"})
    yield ev.RunEnded("success")


def write(journal: SqliteJournal) -> None:
    every = list(events())
    summary = RunSummary(
        run="r1",
        flow="big",
        stage=None,
        kind="release",
        name="r1",
        description="",
        status="running",
        concluded=False,
        created_at=0.0,
        started_at=None,
        ended_at=None,
        by="dev",
        plan="sha256:0",
        length=0,
        queue="",
        policy="allow",
    )
    journal.create(summary, every[:1], 0.0)
    for start in range(1, len(every), BATCH):
        journal.transact("r1", start, every[start : start + BATCH], float(start))


def fold(graph: RunGraph, records: list[Record]) -> RunState:
    created = records[0].event
    assert isinstance(created, ev.RunCreated)
    state = RunState(graph, created, records[0].at)
    for record in records[1:]:
        state.apply(record)
    return state


def measure(at: Path, times: int) -> None:
    journal = SqliteJournal(StateDir(at / ".rflow"))
    write(journal)
    reading, folding, both = [], [], []
    made = plan()
    for _ in range(times):
        graph = expand(made, {})
        with no_garbage():  # as `Service.fold` does
            began = time.perf_counter()
            records = journal.read("r1")
            read = time.perf_counter()
            state = fold(graph, records)
            done = time.perf_counter()
        assert state.status == "success"
        assert {node.status for node in state.nodes} == {"success"}
        length = len(records)
        del records, state  # to free them is not part of the next turn
        reading.append(read - began)
        folding.append(done - read)
        both.append(done - began)
    print(f"{length:,} events, {NODES:,} nodes")
    print(f"  read from SQLite and decode  {spread(reading)}")
    print(f"  fold                         {spread(folding)}")
    print(f"  together                     {spread(both)}   aim: < 1 s")
    journal.close()


if __name__ == "__main__":
    heading("How fast a journal is folded")
    with folder() as at:
        measure(at, 3 if "--quick" in sys.argv else 9)
