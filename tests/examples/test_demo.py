"""The demo, from end to end: real processes, a real repository, a real server."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples/shop/demo"
WAIT_S = 240.0

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "HOME": str(folder), "XDG_CACHE_HOME": str(folder)}


def processes_in(folder: Path) -> list[str]:
    """The commands of the processes whose working folder or command lies in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = process.joinpath("cmdline").read_text("utf-8").replace("\0", " ")
            if str(folder) in f"{os.readlink(process / 'cwd')} {command}":
                found.append(command)
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demo that has run, and what it printed."""
    folder = tmp_path_factory.mktemp("shop") / "demo"
    done = subprocess.run(
        [sys.executable, DEMO, folder],
        env=environment(folder.parent),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_two_releases_go_live_and_the_third_is_undone(shown: tuple[Path, str]) -> None:
    folder, text = shown
    answers = [json.loads(line) for line in text.splitlines() if line.startswith('{"version"')]

    assert [(answer["version"], answer["schema"]) for answer in answers] == [
        ("1", 1),
        ("2", 2),
        ("2", 3),
    ]
    assert '{"text":"release v3: failed"}' in text
    assert (folder / "server/site/current/VERSION").read_text("utf-8") == "2\n"


def test_the_backup_of_the_last_release_is_from_before_its_migration(
    shown: tuple[Path, str],
) -> None:
    folder, _ = shown
    newest = max((folder / "server/backups").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    with closing(sqlite3.connect(newest)) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (2,)


def test_the_address_of_the_chat_is_nowhere(shown: tuple[Path, str]) -> None:
    """It is a secret of the flow."""
    folder, text = shown
    secret = b"9b1c5e"

    assert secret.decode() not in text
    for path in (folder / ".rflow").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path


def test_nothing_is_left_running(shown: tuple[Path, str]) -> None:
    assert processes_in(shown[0]) == []


@pytest.fixture
def serving(shown: tuple[Path, str]) -> Iterator[subprocess.Popen[str]]:
    folder, _ = shown
    with subprocess.Popen(
        [sys.executable, DEMO, "--serve", folder],
        env=environment(folder.parent),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_the_shop_can_be_kept_up_afterwards(
    shown: tuple[Path, str], serving: subprocess.Popen[str]
) -> None:
    folder, _ = shown
    assert serving.stdout is not None
    assert "until Ctrl-C" in serving.stdout.readline()
    assert any("shop.serve" in command for command in processes_in(folder))
    serving.send_signal(signal.SIGINT)

    assert serving.wait(WAIT_S) == 130
    end = time.monotonic() + WAIT_S
    while processes_in(folder) and time.monotonic() < end:
        time.sleep(0.02)
    assert processes_in(folder) == []


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, DEMO, tmp_path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "holds something else" in done.stdout
    assert (tmp_path / "mine.txt").exists()
