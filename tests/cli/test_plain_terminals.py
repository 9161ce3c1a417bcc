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


def test_no_run_is_called_last(tmp_path: Path) -> None:
    (tmp_path / "f.rflow").write_text(FLOW)
    refused = rflow(tmp_path, "run", "f.rflow", "--yes", "--name", "last")
    assert refused.returncode == 2
    assert b"RF953" in refused.stderr
    assert rflow(tmp_path, "run", "f.rflow", "--yes", "--name", "first").returncode == 0
    assert b"RF953" in rflow(tmp_path, "rename", "first", "--name", "last").stderr
