"""What a watcher sees of a run: the board kept up by records, the tree made of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rflow.cli.board import Board, GroupRow, Row
from rflow.cli.cells import cells
from rflow.cli.terminal import Pen
from rflow.cli.tree import Look, group_status, summary, tree
from rflow.runner import events as ev
from rflow.runner.events import Record

T0 = 1_700_000_000.0


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def shop() -> Board:
    rows = [
        Row("source"),
        Row("go_live", kind="approve", needed=2),
        Row("backup", group="database"),
        Row("migrate", group="database", attempts_max=3),
        Row("web[eu]"),
        Row("web[us]"),
        Row("check.ping", group="check"),
        Row("tell", section="finally"),
    ]
    groups = [GroupRow("database", None, "sequence"), GroupRow("check", None, "use")]
    return Board("7k2m", "release", "v1.4", rows, groups)


def feed(board: Board, *events: ev.Event, at: float = T0) -> None:
    for number, event in enumerate(events, 1):
        board.apply(Record(number, at + number, event))


HALFWAY: list[ev.Event] = [
    ev.RunStarted("g"),
    ev.AttemptStarted("source", 1, "k"),
    ev.AttemptSucceeded("source", 1),
    ev.ApprovalAsked("go_live", 1, "s", {}, 0.0),
    ev.Decided("go_live", 1, "lead@example.com", "approve"),
    ev.AttemptSucceeded("go_live", 0),
    ev.AttemptStarted("backup", 1, "k"),
    ev.AttemptSucceeded("backup", 1),
    ev.AttemptStarted("migrate", 1, "k"),
    ev.AttemptFailed("migrate", 1, {"message": "database is locked", "retry": True}),
    ev.RetryScheduled("migrate", 2, 0.0),
]


def shown(board: Board, width: int, height: int | None = None) -> str:
    lines = tree(board, Look(Pen(False), width, T0 + 20), height)
    assert all(cells(line) <= width for line in lines)
    return "\n".join(lines)


def test_halfway_at_80_columns() -> None:
    board = shop()
    feed(board, *HALFWAY)
    assert (
        shown(board, 80)
        == """\
✓ source        success 1.0s
✓ go_live       success 2.0s
↻ database      sequence
  ✓ backup      success 1.0s
  ↻ migrate     retrying attempt 1 of 3 · 11s · again at 00:00:00 · database is…
· web[eu]       pending
· web[us]       pending
· check         use
  · check.ping  pending
finally
  · tell        pending"""
    )


def test_halfway_at_40_columns() -> None:
    board = shop()
    feed(board, *HALFWAY)
    assert (
        shown(board, 40)
        == """\
✓ source        success 1.0s
✓ go_live       success 2.0s
↻ database      sequence
  ✓ backup      success 1.0s
  ↻ migrate     retrying attempt 1 of 3…
· web[eu]       pending
· web[us]       pending
· check         use
  · check.ping  pending
finally
  · tell        pending"""
    )


def test_a_gate_says_how_to_answer_it() -> None:
    board = shop()
    feed(board, *HALFWAY[:5])
    assert shown(board, 80).splitlines()[1:3] == [
        "◔ go_live       waiting 16s · 1 of 2 approved · waits for approval",
        "    rflow approve 7k2m go_live --as NAME",
    ]


def test_what_moves_comes_first_where_space_is_short() -> None:
    board = shop()
    feed(board, *HALFWAY)
    assert (
        shown(board, 80, 4)
        == """\
↻ database   sequence
  ↻ migrate  retrying attempt 1 of 3 · 11s · again at 00:00:00 · database is lo…
  … 7 more: 1 retrying, 3 success, 4 pending"""
    )


def test_a_large_run_stays_within_its_lines() -> None:
    board = Board("r", "f", "r", [Row(f"n{i}") for i in range(5000)])
    feed(board, *(ev.AttemptStarted(f"n{i}", 1, "k") for i in range(100)))
    assert len(shown(board, 40, 10).splitlines()) == 10


def test_undo_has_a_section_of_its_own() -> None:
    board = shop()
    feed(board, *HALFWAY, ev.NodeFailed("migrate", ev.NO_REASON), ev.PhaseStarted("undo"))
    feed(board, ev.AttemptStarted("undo:backup", 1, "k"), at=T0 + 12)
    assert shown(board, 60).splitlines()[-4:] == [
        "undo",
        "  ● undo:backup  running 7.0s",
        "finally",
        "  · tell         pending",
    ]
    assert board.phase == "undo"


def test_counts_follow_every_record() -> None:
    board = shop()
    feed(board, *HALFWAY)
    assert summary(board) == "1 retrying, 3 success, 4 pending"
    assert sum(board.counts.values()) == len(board.rows)
    feed(board, ev.RetryRequested("me", ("migrate",)), ev.RunEnded("failed"))
    assert board.status == "failed"


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (["success", "running", "failed"], "running"),
        (["success", "failed", "pending"], "failed"),
        (["skipped", "skipped"], "skipped"),
        (["skipped", "success"], "success"),
        ([], "skipped"),
    ],
)
def test_the_status_of_a_group(statuses: list[str], status: str) -> None:
    assert group_status(statuses) == status


FLOW = """\
rflow 1
flow release {
  arg sites: list(string) = ["eu", "us"]
  node first: sh { script = "true"  pure }
  node web: sh after first { each site in $<args.sites>  script = "true"  keep "text" }
  node never: sh after first { when $<args.sites> == []  script = "true"  pure }
  sequence last after web {
    node fails: sh { script = "exit 1"  retry 2 every 1ms  pure }
    node behind: sh { script = "true"  pure }
  }
  on failure rollback
  finally { node tell: sh { script = "true"  pure } }
}
"""


def test_the_board_ends_as_the_runner_says(tmp_path: Path) -> None:
    from rflow.cli.flows import flows_of
    from rflow.cli.picture import board_of
    from rflow.runner.service import Service

    path = tmp_path / "release.rflow"
    path.write_text(FLOW)
    flows = flows_of(str(path))
    service = Service.open(tmp_path / ".rflow", flows.kinds.host)
    run = service.create(
        service.prepare(flows.plan("release"), directory=tmp_path, args={}, by="a@example.com")
    )
    watched = board_of(service, run)
    service.drive(run, observe=watched.apply)
    known = board_of(service, run)
    service.close()

    def facts(board: Board) -> dict[str, object]:
        return {
            row.id: (row.status, row.attempt, row.section, row.group)
            for row in board.rows.values()
            if row.section != "undo" or row.status != "pending"
        }

    assert facts(watched) == facts(known)
    assert (watched.status, watched.warnings) == (known.status, known.warnings)
    assert watched.rows["fails"].attempt == 2
    assert watched.status == "failed"
