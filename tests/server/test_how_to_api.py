"""The examples of how to use the API, run as they stand in the page, against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .api import Api
from .conftest import Place, serving

PAGE = Path(__file__).parents[2] / "docs/how-to/api.md"
BLOCKS = re.findall(r"^```(\w+)([^\n]*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    folder = tmp_path / "flows"
    folder.mkdir()
    for language, marks, text in BLOCKS:
        if language == "rflow":
            (folder / marks.partition("file=")[2]).write_text(text)
    with serving(Place(folder)) as (server, url):
        found = Api(server, url)
        yield found
        found.close()


def run(api: Api, folder: Path, *argv: str) -> str:
    environment = {
        **os.environ,
        "RFLOW_URL": api.url,
        "RFLOW_TOKEN": api.secrets["run"],
    }
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_with_curl(api: Api, tmp_path: Path) -> None:
    script = "\n".join(text for language, _, text in BLOCKS if language == "sh")
    for _ in range(2):  # the second time it is the same run
        run(api, tmp_path, "sh", "-eu", "-c", script)
    (found,) = api("view").get("/runs").json()["items"]
    assert (found["name"], found["status"]) == ("build 4711", "success")


def test_with_python(api: Api, tmp_path: Path) -> None:
    (text,) = [text for language, _, text in BLOCKS if language == "python"]
    out = run(api, tmp_path, sys.executable, "-c", text)
    (found,) = api("view").get("/runs").json()["items"]
    assert out.splitlines() == ["hello Python", f"{found['run']} success"]
