"""Programs, real ones: what they write, how they end, and that nothing of them is left."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rflow.plugins.context import Completed, NodeError
from rflow.runner.guard import VARIABLE, Guard
from rflow.runner.process import run_program
from rflow.runner.spawn import base_environment
from rflow.runner.stop import Stop, Stopping


class Running:
    """Runs programs and keeps what they wrote."""

    def __init__(self, guard: Guard, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], VARIABLE: guard.enter(guard.mark())}
        self.written: list[tuple[str, bytes]] = []
        self.notes: list[str] = []
        self.came: dict[bytes, threading.Event] = {}

    def take(self, stream: str, data: bytes) -> None:
        self.written.append((stream, data))
        everything = self.text()
        for word, event in self.came.items():
            if word in everything:
                event.set()

    def wait_for(self, word: bytes) -> threading.Event:
        return self.came.setdefault(word, threading.Event())

    def text(self, stream: str = "out") -> bytes:
        return b"".join(data for name, data in self.written if name == stream)

    def sh(self, script: str, stop: Stop | None = None, **options: Any) -> Completed:
        return self.run(["/bin/sh", "-eu", "-c", script], stop, **options)

    def run(self, argv: list[str], stop: Stop | None = None, **options: Any) -> Completed:
        known: dict[str, Any] = {
            "cwd": self.folder,
            "env": self.environment,
            "output": self.take,
            "note": self.notes.append,
            "grace_s": 5.0,
        }
        own = stop or Stop()
        try:
            return run_program(argv, stop=own, **{**known, **options})
        finally:
            own.close()


@pytest.fixture
def running(guard: Guard, tmp_path: Path) -> Running:
    return Running(guard, tmp_path)


def alive(number: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def gone(number: int) -> None:
    """Wait until it is."""
    try:
        fd = os.pidfd_open(number)
    except OSError:
        return
    assert select.select([fd], [], [], 20)[0], f"process {number} lives on"
    os.close(fd)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_output_and_return_code(running: Running) -> None:
    running.sh(":")  # what is opened once stays open
    before = descriptors()
    assert running.sh("echo one; echo two >&2; echo three; exit 3") == Completed(3)
    assert running.text() == b"one\ntwo\nthree\n"
    assert running.sh("kill -9 $$").returncode == -9
    assert running.notes == []
    assert descriptors() == before


def test_capturing_and_giving(running: Running) -> None:
    big = os.urandom(300_000).hex()
    done = running.sh("cat; echo aside >&2", capture=True, input=big.encode())
    assert done == Completed(0, big)
    assert running.text("err") == b"aside\n"
    assert running.text() == b""
    assert running.sh("exec <&-; exit 0", input=b"x" * 1_000_000).returncode == 0
    assert running.sh("cat", capture=True, input=b"").stdout == ""
    assert running.sh("cat", capture=True).stdout == ""
    assert running.sh(r"printf '\377'", capture=True).stdout == "\ufffd"


def test_where_and_with_what(running: Running, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    done = running.sh("pwd; env", capture=True, cwd=tmp_path / "folder")
    folder, *variables = done.stdout.splitlines()
    assert folder == str(tmp_path / "folder")
    assert {name.partition("=")[0] for name in variables} <= {"PATH", "PWD", VARIABLE, "_", "SHLVL"}


def test_a_program_has_its_own_session_and_no_terminal(running: Running) -> None:
    code = "import os; print(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid())"
    done = running.run([sys.executable, "-c", code], capture=True)
    assert done.stdout == "True True\n"
    code = "open('/dev/tty')"
    assert running.run([sys.executable, "-c", code]).returncode == 1


def test_a_program_ignores_no_signal_that_it_should_not(running: Running) -> None:
    """Python ignores SIGPIPE; `yes | head` must end all the same."""
    assert running.sh("yes | head -n 1", capture=True) == Completed(0, "y\n")
    ignored = running.sh("grep SigIgn /proc/self/status", capture=True).stdout.split()[1]
    assert int(ignored, 16) & (1 << (signal.SIGPIPE - 1)) == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["no-such-program"], "it is not installed"),
        (["/etc/passwd"], "Permission denied"),
        (["a\0b"], "NUL character"),
        (["echo", "a\0b"], "null byte"),
        (["/bin/echo", "x" * 5_000_000], "Argument list too long"),
    ],
)
def test_what_cannot_be_started(running: Running, argv: list[str], said: str) -> None:
    before = descriptors()
    with pytest.raises(NodeError, match=said) as error:
        running.run(argv)
    assert not error.value.retry
    with pytest.raises(NodeError, match="there is no folder"):
        running.run(["true"], cwd="/no/such/folder", input=b"x", capture=True)
    assert descriptors() == before


def test_what_runs_in_the_background_keeps_nothing(running: Running, tmp_path: Path) -> None:
    running.sh("sleep 600 & echo $!")
    number = int(running.text())
    assert alive(number)
    assert len(running.notes) == 1
    os.kill(number, 9)


def test_a_service_that_was_started_lives_on(running: Running, tmp_path: Path) -> None:
    done = running.sh("setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!", capture=True)
    assert alive(int(done.stdout))
    assert running.notes == []
    os.kill(int(done.stdout), 9)


def test_what_a_failed_program_left_in_its_group_is_ended(running: Running) -> None:
    done = running.sh("sleep 600 >/dev/null 2>&1 & echo $!; exit 1", capture=True)
    gone(int(done.stdout))


TREE = """
sleep 600 & echo $!
setsid sleep 600 & echo $!
(setsid sh -c 'sleep 600 & echo $!; wait' & wait) &
echo begun
wait
"""


def numbers(running: Running) -> list[int]:
    return [int(word) for word in running.text().split() if word.isdigit()]


def test_time_over_ends_everything(running: Running) -> None:
    before = descriptors()
    with pytest.raises(NodeError, match=r"`/bin/sh` took longer than 0\.5 s"):
        running.sh(TREE, timeout_s=0.5)
    found = numbers(running)
    assert len(found) == 3
    for number in found:
        gone(number)
    assert descriptors() == before


def test_stopping_ends_everything_politely(running: Running) -> None:
    stop, begun = Stop(), running.wait_for(b"ready")
    threading.Thread(target=lambda: begun.wait() and stop.request("cancelled")).start()
    with pytest.raises(Stopping):
        running.sh("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done", stop)
    # A shell may say that the `sleep` it waited for was ended, too.
    assert running.text().startswith(b"ready\n")
    assert running.text().endswith(b"bye\n")


def test_what_does_not_listen_is_killed(running: Running) -> None:
    stop, begun = Stop(), running.wait_for(b"ready")
    threading.Thread(target=lambda: begun.wait() and stop.request("cancelled")).start()
    script = """
    trap '' TERM
    setsid sh -c 'trap "" TERM; echo $$; while :; do sleep 0.01; done' &
    while [ ! -s mark ]; do [ ! -e mark ] && echo $$ && echo x > mark; done
    echo ready
    while :; do sleep 0.01; done
    """
    with pytest.raises(Stopping):
        running.sh(script, stop, grace_s=0.2)
    found = numbers(running)
    assert len(found) == 2
    for number in found:
        gone(number)


def test_output_while_ending_is_not_lost_and_does_not_block(running: Running) -> None:
    stop, begun = Stop(), running.wait_for(b"ready")
    threading.Thread(target=lambda: begun.wait() and stop.request("cancelled")).start()
    script = (
        "trap 'head -c 500000 /dev/zero; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    )
    with pytest.raises(Stopping):
        running.sh(script, stop)
    assert running.text().count(b"\0") == 500_000


def test_stopped_before_it_began(running: Running) -> None:
    stop = Stop()
    stop.request("cancelled")
    with pytest.raises(Stopping):
        running.sh("touch begun", stop)
    assert not (running.folder / "begun").exists()


def test_the_attempts_deadline_ends_it(running: Running) -> None:
    stop = Stop(time.monotonic() + 0.2)
    with pytest.raises(Stopping):
        running.sh("sleep 600", stop)
    assert stop.why == "timeout"


def test_other_attempts_are_not_touched(running: Running, guard: Guard, tmp_path: Path) -> None:
    other = Running(guard, tmp_path)
    done = other.sh("setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!", capture=True)
    with pytest.raises(NodeError):
        running.sh("sleep 600", timeout_s=0.1)
    assert alive(int(done.stdout))
    os.kill(int(done.stdout), 9)


def test_stop_says_so_once_and_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def note(word: str) -> Callable[[], None]:
        return lambda: calls.append(word)

    stop = Stop()
    stop.call(note("before"))
    stop.request("cancelled")
    stop.request("timeout")
    stop.call(note("after"))
    assert stop.why == "cancelled"
    assert calls == ["before", "after"]
    assert os.eventfd_read(stop.fileno()) == 1
    stop.close()
    late = Stop()
    late.close()
    late.request("cancelled")
    assert late.why is None


def test_the_environment_is_a_short_list() -> None:
    given = {
        "PATH": "/bin",
        "HOME": "/home/x",
        "LC_ALL": "C",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "localhost",
        "SSL_CERT_FILE": "/certs",
        "AWS_SECRET_ACCESS_KEY": "hunter22",
        "RFLOW_GUARD": "old",
        "PYTHONPATH": "/lib",
        "LD_PRELOAD": "x.so",
    }
    kept = base_environment(given)
    assert set(kept) == {"PATH", "HOME", "LC_ALL", "HTTPS_PROXY", "no_proxy", "SSL_CERT_FILE"}
    assert base_environment({})["PATH"].startswith("/usr/local")
