"""`rflow run` in a real terminal: the plan, the question, the live tree, Ctrl-C."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from rflow.cli import entry

from .terminal_emulator import in_terminal

FLOW = """\
rflow 1
flow release {
  sequence ready {
    node build: sh { script = "echo building"  pure }
    node test: sh { script = "echo testing"  pure }
  }
  node ship: sh after ready { script = "echo shipping"  keep "text" }
  output note = "done"
}
"""

LONG = """\
rflow 1
flow wait {
  node long: sh { script = "echo going on; exec sleep 60"  pure }
  finally { node tell: sh { script = "echo told"  pure } }
}
"""


def run(
    folder: Path,
    environment: dict[str, str],
    flow: str,
    answers: list[tuple[str, str]],
    columns: int = 80,
) -> tuple[int, str]:
    (folder / "release.rflow").write_text(flow)
    argv = [sys.executable, "-m", "rflow.cli", "run", "release.rflow", "--name", "v1"]
    code, screen = in_terminal(
        argv, columns, 30, answers=answers, cwd=folder, env={**environment, "NO_COLOR": "1"}
    )
    text = re.sub(r"sha256:[0-9a-f\n]{64,}", "HEAD", screen.text)
    text = re.sub(r"\b\d+ms|\b\d+\.\ds", "T", text)
    return code, re.sub(r"\(\w{8}\)", "(RUN)", text)


@pytest.mark.parametrize("columns", [40, 80])
def test_asked_and_started(tmp_path: Path, environment: dict[str, str], columns: int) -> None:
    answers = [("Start a run of release? [y/N] ", "y\r")]
    code, text = run(tmp_path, environment, FLOW, answers, columns)
    assert code == 0
    _, after = text.split("[y/N] y\n")
    assert "ship | shipping" in after
    assert after.splitlines()[-7:] == [
        "✓ ready    sequence",
        "  ✓ build  success T",
        "  ✓ test   success T",
        "✓ ship     success T",
        "v1 (RUN): success in T",
        "  note = done",
        "  record: HEAD",
    ]


def test_no_is_the_default(tmp_path: Path, environment: dict[str, str]) -> None:
    code, text = run(tmp_path, environment, FLOW, [("[y/N] ", "\r")])
    assert code == 0
    assert text.endswith("nothing was started")


def test_ctrl_c_is_polite(tmp_path: Path, environment: dict[str, str]) -> None:
    code, text = run(tmp_path, environment, LONG, [("[y/N] ", "y\r"), ("| going on", "\x03")])
    assert code == entry.RUN_FAILED
    assert "tell | told" in text
    assert "v1 (RUN): cancelled in T" in text
