"""A record with one of everything, made by the journal itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rflow.compiler import codec
from rflow.compiler.plan import Contract, Node, Place, Plan, SourceFile, Stage
from rflow.runner import events as ev
from rflow.runner.artifacts import ArtifactStore
from rflow.runner.heads import note_head
from rflow.runner.journal import RunSummary
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir

RUN = "7k2mabcd"
_PLACE = Place(0, 0, 4)


@dataclass
class Recorded:
    """A run that has ended: its state folder, its journal, its artifact and its long output."""

    state: StateDir
    journal: SqliteJournal
    artifact: str
    value: str

    @property
    def store(self) -> Path:
        return self.state.artifacts

    def file(self, digest: str) -> Path:
        digits = digest.removeprefix("sha256:")
        return self.store / digits[:2] / digits


def plan() -> Plan:
    return Plan(
        flow="release",
        doc="",
        stage=Stage("shop", "production"),
        concurrency="queue",
        timeout_s=None,
        args=(),
        secrets=(),
        triggers=(),
        values={},
        loops=(),
        groups=(),
        nodes=(
            Node("image", "build.archive", "main", (), _PLACE, outputs={"artifact": "artifact"}),
            Node("notes", "sh", "main", ("image",), _PLACE, outputs={"text": "string"}),
            Node(
                "web",
                "deploy.directory",
                "main",
                ("notes",),
                _PLACE,
                contract=Contract("self"),
                effect="deployment",
            ),
        ),
        outputs=(),
        rollback_on_failure=True,
        kinds={"build.archive": "rflow 0.1.0", "deploy.directory": "rflow 0.1.0"},
        sources=(SourceFile("release.rflow", "flow release {}"),),
    )


def record(state: StateDir) -> Recorded:
    journal = SqliteJournal(state)
    artifact = ArtifactStore(state.artifacts).put_bytes(b"the image")
    data = codec.dumps(plan())
    digest = codec.digest(data)
    state.make_run(RUN)
    journal.put_plan(digest, data)
    created = ev.RunCreated(
        RUN,
        digest,
        "release",
        "shop.production",
        "release",
        RUN,
        "the first",
        "dev@example.com",
        {"kind": "manual"},
        {},
        {"replicas": 2, "note": "größer\nals"},
        {},
        {},
        {},
        7,
    )
    summary = RunSummary(
        run=RUN,
        flow="release",
        stage="shop.production",
        kind="release",
        name=RUN,
        description="the first",
        status="pending",
        concluded=False,
        created_at=1000.0,
        started_at=None,
        ended_at=None,
        by="dev@example.com",
        plan=digest,
        length=0,
        queue="flow release",
        policy="queue",
    )
    journal.create(summary, [created], 1000.0)
    steps: list[list[ev.Event]] = [
        [ev.RunStarted("guard"), ev.AttemptStarted("image", 1, "k1", {"name": "shop"})],
        [
            ev.AttemptSucceeded("image", 1, {"artifact": artifact}),
            ev.AttemptStarted("notes", 1, "k2"),
        ],
        [ev.AttemptSucceeded("notes", 1, {"text": "long " * 10_000})],
        [ev.ApprovalAsked("go_live", 1, "sha256:" + "1" * 64, {"nodes": {}}, 2000.0)],
        [ev.Decided("go_live", 1, "lead@example.com", "approve", "fine")],
        [ev.AttemptStarted("web", 1, "k3", {"artifact": artifact})],
        [ev.Intended("web", 1, "deployment web", None, artifact)],
        [ev.AttemptSucceeded("web", 1, {})],
        [ev.RunRenamed("v1.0", "the first", "dev@example.com"), ev.RunEnded("success")],
    ]
    number = 1
    for at, step in enumerate(steps, 1001):
        journal.transact(RUN, number, step, at + 0.25)
        number += len(step)
    note_head(journal, state, RUN)
    (value,) = (kept.digest for kept in ArtifactStore(state.artifacts).list() if kept.size > 1000)
    return Recorded(state, journal, artifact, value)
