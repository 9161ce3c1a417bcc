"""What is shown where not every character can be; names that runs cannot have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FLOW = 'rflow 1\nflow f { node a: sh { script = "true"  pure } }\n'


def rflow(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "rflow.cli", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_an_ellipsis_is_dots_in_an_ascii_locale(tmp_path: Path) -> None:
    (tmp_path / "f.rflow").write_text(FLOW.replace("flow f {", "flow f {\n  arg x: string"))
    ascii_only = {
        "PYTHONIOENCODING": "",
        "PYTHONUTF8": "0",
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
    }
    done = rflow(tmp_path, "run", "f.rflow", "--yes", **ascii_only)
    assert b"--arg x=..." in done.stderr
    assert b"\\u2026" not in done.stderr


def test_nothing_is_cut_where_no_terminal_shows_it(tmp_path: Path) -> None:
    node, name = "a" * 50, "the release of " + "spring " * 20 + "at last"
    (tmp_path / "f.rflow").write_text(FLOW.replace("node a", f"node {node}"))
    environment = {**os.environ, "COLUMNS": ""}
    assert rflow(tmp_path, "run", "f.rflow", "--yes", "--name", name, **environment).returncode == 0
    listed = rflow(tmp_path, "runs", **environment).stdout.decode()
    assert name in listed
    assert "took" in listed
    assert node in rflow(tmp_path, "show", "last", **environment).stdout.decode()
    narrow = rflow(tmp_path, "runs", **{**environment, "COLUMNS": "60"}).stdout.decode()
    assert max(map(len, narrow.splitlines())) <= 60


def test_no_run_is_called_last(tmp_path: Path) -> None:
    (tmp_path / "f.rflow").write_text(FLOW)
    refused = rflow(tmp_path, "run", "f.rflow", "--yes", "--name", "last")
    assert refused.returncode == 2
    assert b"RF953" in refused.stderr
    assert rflow(tmp_path, "run", "f.rflow", "--yes", "--name", "first").returncode == 0
    assert b"RF953" in rflow(tmp_path, "rename", "first", "--name", "last").stderr
