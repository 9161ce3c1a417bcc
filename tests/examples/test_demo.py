"""The demo, from end to end: real processes, a real repository, a real server."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples/shop/demo"
WAIT_S = 240.0


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


@pytest.mark.slow
def test_the_demo(tmp_path: Path) -> None:
    """One test, since running it is what takes the time."""
    folder = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, DEMO, folder],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    two_releases_go_live_the_third_is_undone_and_the_second_taken_back(folder, done.stdout)
    the_last_backup_is_from_before_its_migration(folder)
    the_address_of_the_chat_is_nowhere(folder, done.stdout)
    assert processes_in(folder) == []
    the_shop_can_be_kept_up_afterwards(folder)


def two_releases_go_live_the_third_is_undone_and_the_second_taken_back(
    folder: Path, text: str
) -> None:
    answers = [json.loads(line) for line in text.splitlines() if line.startswith('{"version"')]
    seen = [(answer["version"], answer["schema"]) for answer in answers]

    assert seen == [("1", 1), ("2", 2), ("2", 3), ("1", 3)]
    told = [json.loads(line)["text"] for line in text.splitlines() if line.startswith('{"text"')]
    assert told == ["release v1: success", "release v2: success", "release v3: failed"]
    before, after = [part.split("\n$ ")[0] for part in text.split("$ rflow stages\n")[1:]]
    assert "(needs --acknowledge migrate)" in text
    assert "releases before work with it (acknowledged)" in text
    assert re.search(r"the record of \w+ is as it was written", text)
    assert "quarantine" not in before
    assert "quarantine of what" in after
    assert (folder / "server/site/current/VERSION").read_text("utf-8") == "1\n"


def the_last_backup_is_from_before_its_migration(folder: Path) -> None:
    newest = max((folder / "server/backups").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    with closing(sqlite3.connect(newest)) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (2,)


def the_address_of_the_chat_is_nowhere(folder: Path, text: str) -> None:
    """It is a secret of the flow."""
    secret = b"9b1c5e"

    assert secret.decode() not in text
    for path in (folder / ".rflow").rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path


def the_shop_can_be_kept_up_afterwards(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, DEMO, "--serve", folder],
        env=environment(folder.parent),
        stdout=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background lets them ignore Ctrl-C; the demo must not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as serving:
        assert serving.stdout is not None
        assert "until Ctrl-C" in serving.stdout.readline()
        assert any("shop.serve" in command for command in processes_in(folder))
        serving.send_signal(signal.SIGINT)
        assert serving.wait(WAIT_S) == 130
    assert processes_in(folder) == []


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, DEMO, tmp_path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "holds something else" in done.stdout
    assert (tmp_path / "mine.txt").exists()
