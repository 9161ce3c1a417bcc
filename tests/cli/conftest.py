"""A real `rflow` process, with nothing of the caller's environment."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rflow.cli import entry

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
def rflow_process(tmp_path: Path, environment: dict[str, str]) -> Rflow:
    """Runs `rflow` in the test's folder, as a process."""

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


@pytest.fixture
def rflow(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Rflow:
    """The same within this process, which is quicker."""
    for name in os.environ:
        if name not in environment and not name.startswith("PYTEST"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def call(*argv: str, input: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        source = io.TextIOWrapper(io.BytesIO(input.encode()), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in extra.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["rflow", *argv])
            patch.setattr(sys, "stdin", source)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = entry.main()
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return subprocess.CompletedProcess([*argv], code, *texts)

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
