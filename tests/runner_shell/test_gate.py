"""Attempts that are got ready before they may act: nothing of them is seen until the gate opens,
and their scripts mean the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rflow.plugins import Context
from rflow.plugins.kinds.sh import Sh
from rflow.runner import gate
from rflow.runner.bench import Bench
from rflow.runner.command import Command, Failed, Intends, Succeeded
from rflow.runner.gate import Gate, held
from rflow.runner.guard import Guard
from rflow.runner.pool import Pool
from rflow.runner.process import run_program
from rflow.runner.spawn import base_environment
from rflow.runner.stop import Stop, Stopping

from .conftest import WAIT_S, Early, command_of, needs_dash, plan_node, until

SH = ["/bin/sh", "-eu", "-c"]


def sleeping_shells() -> Iterator[tuple[int, int, bytes]]:
    """Number, parent and script of the shells that sleep. One that is to begin with reading a line
    from its gate can sleep there only."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it is gone
        if words[0] == b"/bin/sh" and state == "S":
            yield int(folder.name), int(parent), words[-2]


def waiting_shell(word: str) -> int | None:
    """The shell that has the word in its script and waits at its gate."""
    found = (number for number, _, script in sleeping_shells() if word.encode() in script)
    return next(found, None)


def is_over(number: int) -> bool:
    """Whether a process has ended."""
    try:
        return ") Z" in Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return True


class Held:
    """A script that is run in a thread, behind a gate."""

    def __init__(self, mark: str, folder: Path, script: str, shell: list[str]) -> None:
        self.gate, self.stop = Gate(), Stop()
        self.written = b""
        self.ended: Any = None
        self._environment = {**base_environment(os.environ), "RFLOW_GUARD": mark}
        self._folder, self._argv = folder, [*shell, script]
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.ended = run_program(
                self._argv,
                cwd=self._folder,
                env=self._environment,
                stop=self.stop,
                output=self._take,
                gate=self.gate,
                grace_s=5.0,
            ).returncode
        except Stopping:
            self.ended = "stopped"
        finally:
            self.gate.close()
            self.stop.close()

    def _take(self, stream: str, data: bytes) -> None:
        self.written += data

    def begin(self) -> Held:
        self._thread.start()
        return self

    def open(self) -> Held:
        self.gate.open()
        return self

    def end(self) -> tuple[Any, bytes]:
        """How it ended and what it wrote, numbers of processes aside."""
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        return self.ended, re.sub(rb"\d{3,}", b"NUMBER", self.written)


@pytest.fixture
def script(guard: Guard, tmp_path: Path) -> Callable[..., Held]:
    mark = guard.enter(guard.mark())
    return lambda text, shell=SH: Held(mark, tmp_path, text, shell)


def word(tmp_path: Path) -> str:
    """What stands in no other test's script."""
    return str(tmp_path / "seen")


@needs_dash
def test_a_loaded_shell_does_nothing_before_its_gate_opens(
    script: Callable[..., Held], tmp_path: Path
) -> None:
    one = script(f"echo one >> {word(tmp_path)}").begin()
    until(lambda: waiting_shell(word(tmp_path)))
    assert not os.path.exists(word(tmp_path))
    assert one.open().end() == (0, b"")
    assert Path(word(tmp_path)).read_text() == "one\n"


@needs_dash
def test_a_loaded_shell_is_stopped_and_has_done_nothing(
    script: Callable[..., Held], tmp_path: Path
) -> None:
    one = script(f"trap 'touch {word(tmp_path)}' EXIT TERM; touch {word(tmp_path)}").begin()
    until(lambda: waiting_shell(word(tmp_path)))
    one.stop.request("lost")
    assert one.end() == ("stopped", b"")
    assert not os.path.exists(word(tmp_path))


@needs_dash
def test_a_loaded_shell_ends_with_its_runner(tmp_path: Path) -> None:
    code = f"""
from rflow.runner.gate import Gate
from rflow.runner.process import run_program
from rflow.runner.stop import Stop
run_program(
    {[*SH, f"touch {word(tmp_path)}"]!r}, cwd="/", env={{}}, stop=Stop(), output=print, gate=Gate()
)
"""
    runner = subprocess.Popen([sys.executable, "-c", code])
    shell = until(lambda: waiting_shell(word(tmp_path)))
    runner.send_signal(signal.SIGKILL)
    runner.wait(WAIT_S)
    until(lambda: is_over(shell))
    assert not os.path.exists(word(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# only a comment",
        "#!/bin/sh\necho told; exit 4",
        "echo $0 $# $-; echo $LINENO\necho $LINENO",
        "cat <<'END'\n$HOME\nEND",
        "cat <<END; echo behind\nbody\nEND",
        "false\necho not reached",
        "echo $unset",
        "if",
        "echo fine\nif",
        "; echo",
        "nonsense-that-is-no-command",
        "\nnonsense-that-is-no-command",
        "cat <&3",
        "exec 3<&1; echo three >&1; (exit 5)",
        "kill -9 $$",
        'read -r line; echo "$?$line"',
        "a=1; f() { echo $a; }; f",
        "alias x='echo y'\nx",
        "umask; ulimit -c; pwd",
        "set; export -p",
        "echo $_",
        "(sleep 0.01; echo late) & wait",
    ],
)
@pytest.mark.parametrize("shell", [SH, ["/bin/sh", "-c"]])
def test_a_script_means_the_same_behind_a_gate(
    script: Callable[..., Held], text: str, shell: list[str]
) -> None:
    plain = script(text, shell).open().begin().end()
    assert script(text, shell).begin().open().end() == plain
    if held([*shell, text], {}) is not None and text not in ("if", "; echo"):
        one = script(text, shell).begin()
        until(lambda: waiting_child(text))
        assert one.open().end() == plain


def waiting_child(text: str) -> bool:
    """Whether a shell of this process's own waits at its gate with this script."""
    script = (gate._READ + text).encode()
    return any((parent, found) == (os.getpid(), script) for _, parent, found in sleeping_shells())


def test_which_shells_wait_by_themselves() -> None:
    assert held(["/bin/bash", "-c", "true"], {}) is None
    assert held(["sh", "-c", "true"], {}) is None
    assert held(["/usr/bin/python3", "-c", "print()"], {}) is None
    for options in (["-x"], ["-ex"], ["-i"], ["-s"], ["-eu", "file"], ["-o", "errexit"]):
        assert held(["/bin/sh", *options, "-c", "true"], {}) is None
    assert held(["/bin/sh", "file"], {}) is None
    assert held(["/bin/sh"], {}) is None
    path: Any = Path("/bin/sh")
    assert (held([path, "-c", "true"], {}) is None) == (held(["/bin/sh", "-c", "true"], {}) is None)
    assert held([*SH, "true"], {"ENV": "/etc/hosts"}) is None
    assert held([*SH, "true"], {"BASH_ENV": "/etc/hosts"}) is None
    assert held([*SH, "true"], {"RFLOW_GATE": "mine"}) is None


# -- in the pool -------------------------------------------------------------------------------


NODES = [
    *(plan_node(f"s{number}", "sh") for number in range(3)),
    *(plan_node(f"e{number}", "test.early") for number in range(3)),
]


@pytest.fixture
def pool(bench: Callable[..., Bench]) -> Iterator[Pool]:
    kinds = {"sh": Sh, "test.early": Early}
    found = Pool(bench(kinds, *NODES, early=frozenset(kinds)))
    yield found
    found.close()


def sh(number: int, text: str, **parts: Any) -> Command:
    inputs: dict[str, Any] = {"script": text, "shell": ["/bin/sh", "-eu"], "cwd": None, "env": {}}
    return command_of(f"s{number}", "sh", inputs=inputs, **parts)


def heard(pool: Pool) -> Any:
    message = pool.next(WAIT_S)
    assert message is not None
    return message.body


def test_what_is_got_ready_runs_once_when_it_is_submitted(pool: Pool, tmp_path: Path) -> None:
    command = sh(0, f"echo one >> {word(tmp_path)}")
    pool.prepare(command)
    assert pool.next(0.05) is None
    assert not os.path.exists(word(tmp_path))
    pool.submit(command)
    assert heard(pool) == Succeeded({}, {})
    assert Path(word(tmp_path)).read_text() == "one\n"


def test_what_is_got_ready_and_not_submitted_never_runs(pool: Pool, tmp_path: Path) -> None:
    pool.prepare(sh(0, f"touch {word(tmp_path)}"))
    time.sleep(0.05)
    pool.close()
    assert not os.path.exists(word(tmp_path))


@needs_dash
def test_time_counts_from_the_submission(pool: Pool, tmp_path: Path) -> None:
    command = sh(0, f"echo begun >> {word(tmp_path)}; sleep 600", timeout_s=2.0)
    pool.prepare(command)
    until(lambda: waiting_shell(word(tmp_path)))
    stop = pool._going["s0"].stop
    assert stop.deadline is None
    submitted_at = time.monotonic()
    pool.submit(command)
    assert stop.deadline is not None
    assert stop.deadline >= submitted_at + 2.0
    failed = Failed("it took longer than 2 s and was ended", code="timeout")
    assert heard(pool) == failed
    assert Path(word(tmp_path)).read_text() == "begun\n"


def test_a_kind_waits_where_it_would_be_seen(pool: Pool, tmp_path: Path) -> None:
    reached: list[str] = []

    def process(ctx: Context) -> None:
        reached.append("process")
        ctx.process(["touch", word(tmp_path)])

    def intend(ctx: Context) -> None:
        reached.append("intend")
        ctx.intend("web@production", None, "a")

    one = command_of("e0", "test.early", inputs={"do": process})
    pool.prepare(one)
    until(lambda: reached == ["process"])
    assert pool.next(0.05) is None
    assert not os.path.exists(word(tmp_path))
    pool.submit(one)
    assert heard(pool) == Succeeded({}, {})
    assert os.path.exists(word(tmp_path))

    two = command_of("e1", "test.early", inputs={"do": intend})
    pool.prepare(two)
    until(lambda: reached == ["process", "intend"])
    assert pool.next(0.05) is None
    pool.submit(two)
    asked = heard(pool)
    assert isinstance(asked, Intends)
    asked.reply.done()
    assert heard(pool) == Succeeded({}, {})


def test_undoing_is_not_got_ready(pool: Pool) -> None:
    pool.prepare(command_of("e0", "test.early", mode="undo"))
    assert pool.next(0.05) is None  # there is no `undo`, which an attempt would say


@pytest.mark.parametrize(
    "touch", [lambda path: [*SH, f"touch {path}"], lambda path: ["touch", path]]
)
def test_two_programs_of_one_attempt_wait(
    pool: Pool, tmp_path: Path, touch: Callable[[str], list[str]]
) -> None:
    def both(ctx: Context) -> None:
        second = threading.Thread(target=ctx.process, args=(touch(word(tmp_path) + "-2"),))
        second.start()
        ctx.process(touch(word(tmp_path) + "-1"))
        second.join()

    command = command_of("e0", "test.early", inputs={"do": both})
    pool.prepare(command)
    assert pool.next(0.05) is None
    assert [*tmp_path.glob("seen*")] == []
    pool.submit(command)
    assert heard(pool) == Succeeded({}, {})
    assert len([*tmp_path.glob("seen*")]) == 2


def test_nothing_is_got_ready_beside_others_or_with_secrets(pool: Pool) -> None:
    reached: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def first(ctx: Context) -> None:
        begun.set()
        assert go_on.wait(WAIT_S)

    def second(ctx: Context) -> None:
        reached.append(ctx.node)

    secret = command_of("e1", "test.early", inputs={"do": second}, late_program=("TOKEN",))
    pool.prepare(secret)
    pool.submit(command_of("e0", "test.early", inputs={"do": first}))
    assert begun.wait(WAIT_S)
    beside = command_of("e2", "test.early", inputs={"do": second})
    pool.prepare(beside)
    assert pool.next(0.05) is None
    assert reached == []
    pool.submit(beside)
    assert heard(pool) == Succeeded({}, {})
    assert reached == ["e2"]
    go_on.set()
    assert heard(pool) == Succeeded({}, {})
