"""The shop of the demo without its flow: each version's own tests, and the supervisor."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[2] / "examples/shop"
WAIT_S = 20.0


def git(folder: Path, *arguments: str) -> None:
    person = ("-c", "user.name=dev", "-c", "user.email=dev@example.com")
    subprocess.run(["git", *person, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(params=[1, 2, 3])
def version(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[int, Path]:
    """A version of the shop, as the demo makes it: the first, and the changes to it."""
    folder = tmp_path / "shop"
    shutil.copytree(SHOP / "app", folder, ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=first")
    changes = sorted((SHOP / "changes").glob("*.patch"))[: request.param - 1]
    if changes:
        git(folder, "am", *map(str, changes))
    return request.param, folder


def test_each_version_passes_its_own_tests(version: tuple[int, Path]) -> None:
    number, folder = version
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "discover", "-s", "tests", "-t", "."],
        cwd=folder,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert (folder / "VERSION").read_text(encoding="utf-8").strip() == str(number)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Path]:
    """A supervisor of `site`, whose server writes the folder it runs in to `seen`."""
    site = tmp_path / "site"
    script = f'pwd >> "{tmp_path}/seen"; : > "$READY_FILE"; exec sleep 600'
    with subprocess.Popen(
        [SHOP / "supervisor", "run", site, "/bin/sh", "-c", script], start_new_session=True
    ) as process:
        try:
            until(site.with_suffix(".serving").exists)
            yield site
        finally:
            process.terminate()
            assert process.wait(WAIT_S) == 0


def restart(site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SHOP / "supervisor", "restart", site], capture_output=True, text=True, check=False
    )


def test_a_restart_serves_what_current_points_to(supervisor: Path) -> None:
    for name in ("one", "two"):
        (supervisor / "releases" / name).mkdir(parents=True)
        (supervisor / "current").unlink(missing_ok=True)
        (supervisor / "current").symlink_to(Path("releases") / name)
        assert restart(supervisor).stdout == f"restarted: serving {name}\n"
        assert (supervisor.parent / "seen").read_text("utf-8").endswith(f"/{name}\n")


def test_a_restart_of_a_server_that_ends_at_once_fails(tmp_path: Path) -> None:
    site = tmp_path / "site"
    with subprocess.Popen(
        [SHOP / "supervisor", "run", site, "/bin/sh", "-c", "exit 7"], start_new_session=True
    ) as process:
        until(site.with_suffix(".serving").exists)
        (site / "current").mkdir(parents=True)
        done = restart(site)
        process.terminate()

    assert (done.returncode, done.stderr) == (1, "supervisor: the server of current ended with 7\n")


def test_a_restart_without_a_supervisor_fails(tmp_path: Path) -> None:
    done = restart(tmp_path / "site")

    assert done.returncode == 1
    assert "none runs" in done.stderr


def test_the_server_ends_with_its_supervisor(tmp_path: Path) -> None:
    """The listening socket is gone, so the server is."""
    site = tmp_path / "site"
    (site / "current").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    serve = (
        "import os, signal, socket\n"
        f"listening = socket.create_server(('127.0.0.1', {port}))\n"
        "open(os.environ['READY_FILE'], 'w').close()\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [SHOP / "supervisor", "run", site, sys.executable, "-c", serve], start_new_session=True
    ) as process:
        until(site.with_suffix(".serving").exists)
        assert listens(port)
        os.kill(process.pid, signal.SIGTERM)
        process.wait(WAIT_S)

    assert not listens(port)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
