"""`rflow verify` as a process: what it prints of a real run, and what it ends with."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., subprocess.CompletedProcess[str]]

FLOW = """\
rflow 1
flow release {
  node source: sh { output text: string  script = "echo text=one >> $RFLOW_OUTPUT"  pure }
  node say: sh { script = "echo $<refs.source.text>"  keep "said is said" }
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flows")


@pytest.fixture(scope="module")
def call(folder: Path) -> Call:
    def of(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rflow.cli", *argv],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "LANG": "C.UTF-8",
                "RFLOW_AS": "dev@example.com",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return of


@pytest.fixture(scope="module")
def head(folder: Path, call: Call) -> str:
    """The head that a run gave at its end."""
    (folder / "release.rflow").write_text(FLOW)
    done = call("run", "release.rflow", "--yes")
    assert done.returncode == 0, done.stderr
    (found,) = re.findall(r"^  record: (sha256:[0-9a-f]{64})$", done.stdout, re.MULTILINE)
    return str(found)


def test_a_run_that_ended(head: str, call: Call) -> None:
    done = call("verify")

    assert done.returncode == 0
    assert "as it was written" in done.stdout.splitlines()[0]
    assert head in done.stdout
    assert "the one noted at its end" in done.stdout


def test_the_head_that_was_given(head: str, call: Call) -> None:
    done = call("verify", "last", "--head", head, "--format", "json")
    found = json.loads(done.stdout)

    assert (done.returncode, found["ok"], found["source"]) == (0, True, "given")
    assert found["at"] == found["events"]


def test_show_has_the_head_too(head: str, call: Call) -> None:
    assert head in call("show").stdout
    assert json.loads(call("show", "--format", "json").stdout)["head"] == head


def test_another_head(head: str, call: Call) -> None:
    done = call("verify", "--head", "sha256:" + "0" * 64)

    assert done.returncode == 1
    assert "no event of the run has the head" in " ".join(done.stdout.split())


def test_what_is_no_head(head: str, call: Call) -> None:
    done = call("verify", "--head", head[:20])

    assert done.returncode == 2
    assert "is no head" in done.stderr


def test_a_record_that_was_changed(head: str, call: Call, folder: Path) -> None:
    db = sqlite3.connect(folder / ".rflow" / "rflow.db")
    db.execute("UPDATE events SET body = replace(body, 'one', 'two') WHERE number = 4")
    db.commit()
    try:
        done = call("verify")
        assert done.returncode == 1
        assert "not as it was written" in done.stdout.splitlines()[0]
        assert "event 4 (AttemptSucceeded of source)" in done.stdout
        found = json.loads(call("verify", "--format", "json").stdout)
        assert [f["record"].split(" (")[0] for f in found["findings"]] == ["event 4"]
    finally:
        db.execute("UPDATE events SET body = replace(body, 'two', 'one') WHERE number = 4")
        db.commit()
        db.close()
