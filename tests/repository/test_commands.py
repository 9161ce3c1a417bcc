"""The commands that README names exist, and checking a flow loads nothing it does not need."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEVER = {"asyncio", "httpx", "lark", "networkx", "pluggy", "requests", "sqlite3", "ssl"}
"""What takes long to import and has no part in checking a flow that has no mistakes."""


def loaded(*command: str | Path, cache: Path) -> set[str]:
    """The top packages of all modules that a Python process imports. It must succeed."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        env={"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(cache), "HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.MULTILINE)
    return {name.split(".")[0] for name in names}


def test_the_commands_of_the_readme_are_targets() -> None:
    named = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = set(re.findall(r"^ +make (\w+)", listed.stdout, re.MULTILINE))

    assert {"demo", "test"} <= set(named) <= targets


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "first.rflow"
    path.write_bytes((ROOT / "examples/first.rflow").read_bytes())
    return path


def test_checking_loads_nothing_heavy_once_the_plugins_are_known(
    flow: Path, tmp_path: Path
) -> None:
    rflow = Path(sys.executable).with_name("rflow")
    first = loaded(rflow, "check", flow, cache=tmp_path)
    flow.write_text(flow.read_text("utf-8") + "# one line more\n", "utf-8")
    changed = loaded(rflow, "check", flow, cache=tmp_path)
    again = loaded(rflow, "check", flow, cache=tmp_path)

    assert "lark" not in first
    assert changed & NEVER == set()
    assert again & {*NEVER, "click", "dataclasses"} == set()
