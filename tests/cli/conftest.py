"""A real `rflow` process, with nothing of the caller's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Rflow = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of one process share, so that plugins are read once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environment(tmp_path: Path, cache_home: Path) -> dict[str, str]:
    """The environment of an `rflow` process."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(cache_home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "xterm",
        "RFLOW_AS": "dev@example.com",
    }


@pytest.fixture
def rflow(tmp_path: Path, environment: dict[str, str]) -> Rflow:
    """Runs `rflow` in the test's folder."""

    def call(*argv: str, input: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rflow.cli", *argv],
            cwd=tmp_path,
            env={**environment, **extra},
            input=input,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


HELLO = """\
rflow 1

flow hello {
  arg name: string = "world"
  node greet: sh { script = "echo Hello, $<args.name>!"  pure }
}
"""


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """A flow of one node."""
    path = tmp_path / "hello.rflow"
    path.write_text(HELLO)
    return path
