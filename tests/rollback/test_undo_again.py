"""An undo that failed is finished later; a run that is retried can be undone again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rflow.cli.flows import flows_of
from rflow.plugins.host import Host
from rflow.runner import events as ev
from rflow.runner.service import Service

FLOW = """
rflow 1

flow f {
  node first: file.write { path = "first"  content = "new" }
  node second: sh after first {
    script = "touch second"
    undo sh { script = "test -e allowed && rm second" }
  }
  node third: file.write after second { path = "third"  content = "new" }
  node fails: sh after third { script = "test -e good"  retry none  pure }
  on failure rollback
  finally { node told: sh { script = "echo told >> told"  pure } }
}
"""


class Made:
    """A run of the flow that failed, and whose second node could not be undone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        flow = folder / "f.rflow"
        flow.write_text(FLOW)
        (folder / "first").write_text("old")
        self.service = Service.open(folder / ".rflow", Host.load())
        prepared = self.service.prepare(
            flows_of(str(flow)).plan("f"), directory=folder, args={}, by="dev@example.com"
        )
        self.run = self.service.create(prepared)

    def files(self) -> dict[str, str]:
        names = ("first", "second", "third")
        return {n: (self.folder / n).read_text() for n in names if (self.folder / n).exists()}

    def rflow(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rflow.cli", *words],
            cwd=self.folder,
            env={**os.environ, "RFLOW_AS": "lead@example.com"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def test_an_undo_that_failed_is_finished_later(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.service.drive(made.run)
    assert made.files() == {"first": "new", "second": ""}, "it stops at what cannot be undone"
    assert made.service.undo_left(made.run) == ["first", "second"]
    again = made.rflow("rollback", made.run, "--resume", "--yes")
    assert again.returncode == 3
    assert "not undone: first, second" in again.stderr
    (tmp_path / "allowed").touch()
    done = made.rflow("rollback", made.run, "--resume", "--yes")
    assert done.returncode == 0, done.stderr
    assert made.files() == {"first": "old"}
    assert made.service.summary(made.run).status == "failed"
    assert made.service.undo_left(made.run) == []
    assert (tmp_path / "told").read_text() == "told\n", "`finally` is not run again"
    attempts = [
        (record.event.node, record.event.attempt)
        for record in made.service.records(made.run)
        if isinstance(record.event, ev.AttemptStarted)
    ]
    assert len(attempts) == len(set(attempts)), "attempts go on counting"
    assert made.rflow("verify", made.run).returncode == 0


def test_a_run_that_is_retried_can_be_undone_again(tmp_path: Path) -> None:
    made = Made(tmp_path)
    (tmp_path / "allowed").touch()
    made.service.drive(made.run)
    assert made.files() == {"first": "old"}
    made.service.retry(made.run, by="dev@example.com")
    made.service.drive(made.run)
    assert made.files() == {"first": "old"}, "undone a second time"
    (tmp_path / "good").touch()
    made.service.retry(made.run, by="dev@example.com")
    assert made.service.drive(made.run).status == "success"
    assert made.files() == {"first": "new", "second": "", "third": "new"}


def test_what_was_undone_runs_again_wherever_the_run_goes_on(tmp_path: Path) -> None:
    made = Made(tmp_path)
    (tmp_path / "allowed").touch()
    made.service.drive(made.run)
    assert made.files() == {"first": "old"}
    (tmp_path / "good").touch()
    preview = made.service.retry_preview(made.run, "fails")
    assert preview.again == ["first", "second", "third", "fails"], "what it relies on is gone"
    made.service.retry(made.run, "fails", by="dev@example.com")
    assert made.service.drive(made.run).status == "success"
    assert made.files() == {"first": "new", "second": "", "third": "new"}
