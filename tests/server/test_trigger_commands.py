"""The commands around triggers, as processes, beside a server that runs."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from rflow.server import deliveries
from rflow.server.core import Server

from .conftest import Place, Repository, wait_for

Rflow = Callable[..., subprocess.CompletedProcess[str]]
FLOW = """
flow release {
  trigger hook: webhook
  trigger main: git { repo = "%s"  branches = ["main"] }
  node build: sh { script = "true" pure }
}
"""


@pytest.fixture
def rflow(place: Place, tmp_path: Path) -> Rflow:
    """Runs `rflow` in the place."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "RFLOW_AS": "dev@example.com",
        "LANG": "C.UTF-8",
    }

    def call(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rflow.cli", *argv],
            cwd=place.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_push_to_a_plain_repository_is_told_by_its_hook(
    place: Place,
    listening: Callable[..., tuple[Server, str]],
    repository: Repository,
    rflow: Rflow,
    tmp_path: Path,
) -> None:
    bare = tmp_path / "shop.git"
    repository.commit("one")
    repository.git("init", "-q", "--bare", str(bare))
    own = bare / "hooks" / "post-receive"
    own.write_text(f"#!/bin/sh\ncat > {tmp_path}/seen\n")
    own.chmod(0o755)
    place.write("release.rflow", FLOW % bare)
    server, url = listening()

    installed = rflow("hook", "install", str(bare), "--url", url)
    again = rflow("hook", "install", str(bare), "--url", url)
    repository.git("push", "-q", str(bare), "main")

    assert (installed.returncode, again.returncode) == (0, 0), installed.stderr + again.stderr
    run = wait_for(lambda: server.services.here().runs())[0]
    assert server.services.here().fold(run.run).created.triggers["main"]["message"] == "one"
    assert (tmp_path / "seen").read_text().endswith(" refs/heads/main\n")
    token = bare / "hooks" / "rflow-hook-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600

    told = rflow("why", "trigger")
    assert "the branch `main` matches `main`" in told.stdout
    assert f"started: run {run.run}" in told.stdout
    listed = rflow("deliveries")
    assert f"release: run {run.run}" in listed.stdout
    (found,) = json.loads(rflow("deliveries", "--format", "json").stdout)
    assert found["verdicts"][0]["run"] == run.run


@pytest.mark.slow
def test_a_hook_whose_server_is_away_lets_the_push_through_and_says_so(
    place: Place, repository: Repository, rflow: Rflow, tmp_path: Path
) -> None:
    bare = tmp_path / "shop.git"
    repository.commit("one")
    repository.git("init", "-q", "--bare", str(bare))
    installed = rflow("hook", "install", str(bare), "--url", "http://127.0.0.1:9")
    hook = bare / "hooks" / "post-receive"
    hook.write_text(hook.read_text().replace("--retry 3 --retry-connrefused", ""))

    done = subprocess.run(
        ["git", "-C", str(repository.folder), "push", str(bare), "main"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert installed.returncode == 0
    assert done.returncode == 0
    assert "rflow: the server could not be told of this push" in done.stderr


@pytest.mark.slow
def test_a_webhook_is_made_called_rotated_and_ended(
    place: Place,
    listening: Callable[..., tuple[Server, str]],
    repository: Repository,
    rflow: Rflow,
) -> None:
    repository.commit("one")
    place.write("release.rflow", FLOW % repository.folder)
    server, url = listening()

    made = rflow("webhook", "create", "release.rflow", "--url", url)
    address = made.stdout.strip()
    assert httpx.get(address, timeout=30).status_code == 201

    (listed,) = json.loads(rflow("webhook", "list", "--format", "json").stdout)
    assert (listed["target"], listed["signing"]) == ("release", False)
    assert address.rpartition("/")[2] not in rflow("webhook", "list").stdout
    rotated = rflow("webhook", "rotate", listed["id"], "--url", url).stdout.strip()
    assert httpx.get(address, timeout=30).status_code == 404
    assert httpx.get(rotated, timeout=30).status_code == 201
    assert rflow("webhook", "revoke", listed["id"]).returncode == 0
    assert httpx.get(rotated, timeout=30).status_code == 404

    id = deliveries.latest(server.store)[0].id
    refused = rflow("deliveries", "replay", id)
    assert refused.returncode == 2
    assert "RF981" in refused.stderr
    unknown = rflow("why", "trigger", "zzzz")
    assert "there is no delivery `zzzz`" in unknown.stderr


def test_a_flow_without_a_webhook_trigger_has_no_webhook(place: Place, rflow: Rflow) -> None:
    place.write("other.rflow", 'flow other { node a: sh { script = "true" pure } }')

    done = rflow("webhook", "create", "other.rflow")

    assert done.returncode == 2
    assert "declares no webhook trigger" in done.stderr
