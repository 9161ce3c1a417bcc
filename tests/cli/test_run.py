"""Runs as a release engineer sees them: real processes, real signals, real files."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rflow.cli import entry
from rflow.cli.cells import cells

from .conftest import Rflow

FAILING = """\
rflow 1
flow release {
  node build: sh { script = "echo building"  pure }
  node test: sh after build { script = "echo broken; exit 3"  retry none  pure }
  node ship: sh after test { script = "echo never"  pure }
  finally {
    node tell: sh { script = "echo told"  pure }
  }
}
"""

GATED = """\
rflow 1
group managers { members = ["a@example.com", "b@example.com"] }
flow release {
  node build: sh { script = "echo built > built.txt"  pure }
  approve go_live after build { by managers  count 2  within 1h else reject }
  node ship: sh after go_live { script = "echo shipped > shipped.txt"  keep "a file" }
}
"""

LONG = """\
rflow 1
flow wait {
  node first: sh { script = "echo once >> first.txt"  pure }
  node long: sh after first {
    script = "echo going on; exec sleep 300"
    pure
  }
  finally {
    node tell: sh { script = "echo told > told.txt"  pure }
  }
}
"""


def last(rflow: Rflow) -> dict[str, object]:
    found = json.loads(rflow("runs", "--format", "json", "--limit", "1").stdout)
    assert isinstance(found[0], dict)
    return found[0]


def without_times(text: str, run: str) -> str:
    text = re.sub(r"sha256:[0-9a-f]{64}", "HEAD", text.replace(run, "RUN"))
    text = re.sub(r"\d\d:\d\d:\d\d", "HH:MM:SS", text)
    return re.sub(r"\b(\d+ms|\d+(\.\d)?s)\b", "T", text)


def test_a_run_that_ends_well(rflow: Rflow, hello: Path) -> None:
    result = rflow("run", "hello.rflow", "--yes", "--arg", "name=shop", "--name", "first one")
    assert result.returncode == 0, result.stderr
    run = str(last(rflow)["run"])
    assert without_times(result.stdout, run).splitlines()[-7:] == [
        "HH:MM:SS          started",
        "HH:MM:SS greet    started",
        "         greet    | Hello, shop!",
        "HH:MM:SS greet    success",
        "HH:MM:SS          ended: success",
        "first one (RUN): success in T",
        "  record: HEAD",
    ]
    assert (hello.parent / ".rflow" / "rflow.db").exists()


def test_a_run_that_fails(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "release.rflow").write_text(FAILING)
    result = rflow("run", "release.rflow", "--yes")
    assert result.returncode == entry.RUN_FAILED
    run = str(last(rflow)["run"])
    assert without_times(result.stdout, run).endswith(
        "RUN: failed in T\n"
        "  record: HEAD\n"
        "  why:   rflow why RUN test\n"
        "  log:   rflow logs RUN test\n"
        "  again: rflow retry RUN\n"
    )
    assert "| told" in result.stdout
    shown = rflow("show").stdout
    assert [line.split()[:3] for line in shown.splitlines()[-5:]] == [
        ["✓", "build", "success"],
        ["✗", "test", "failed"],
        ["⊘", "ship", "cancelled"],
        ["finally"],
        ["✓", "tell", "success"],
    ]
    assert rflow("logs", run, "test").stdout == "broken\n"
    assert "ended with status 3" in rflow("why", "last", "test").stdout
    again = rflow("retry", "--yes", "--set", "test.script=echo fine")
    assert again.returncode == 0, again.stderr
    assert "runs again: test, ship" in again.stdout
    assert "is reused: build" in again.stdout
    assert "| never" in again.stdout
    assert again.stderr == ""


def test_who_mends_the_flow_hears_that_the_run_keeps_its_own(rflow: Rflow, tmp_path: Path) -> None:
    file = tmp_path / "release.rflow"
    file.write_text(FAILING)
    run = rflow("run", "release.rflow", "--yes").stdout.rsplit("rflow retry ", 1)[1].strip()
    file.write_text(FAILING.replace("exit 3", "true"))
    told = (
        f"release.rflow: changed since {run} began, which keeps the flow it has\n"
        "  to run the new one: rflow run release.rflow\n"
    )
    for word in ("retry", "rerun"):
        again = rflow(word, run, "--yes")
        assert again.returncode == entry.RUN_FAILED
        assert again.stderr.startswith(told)


def test_events_as_json(rflow: Rflow, hello: Path) -> None:
    result = rflow("run", "hello.rflow", "--yes", "--format", "json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["number"] for event in events] == [*range(1, len(events) + 1)]
    assert (events[0]["kind"], events[-1]["kind"]) == ("RunCreated", "RunEnded")
    assert result.stderr == ""
    *before, head = [event.get("record") for event in events]
    assert set(before) == {None}
    assert "the one given" in rflow("verify", "last", "--head", head).stdout


@pytest.mark.parametrize("extra", [[], ["--format", "json"]])
def test_nobody_to_ask(rflow: Rflow, hello: Path, extra: list[str]) -> None:
    result = rflow("run", "hello.rflow", *extra, input="y\n")
    assert result.returncode == entry.USAGE
    assert "add `--yes`" in result.stderr
    assert not (hello.parent / ".rflow").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--arg", "nam=x"], "no argument `nam`"),
        (["--arg", "name"], "`--arg name` is not of the form NAME=VALUE"),
        (["--arg", "name=1", "--arg", "name=2"], "the argument `name` is given twice"),
        (["--set", "greet=1"], "`--set greet` is not of the form NODE.INPUT=VALUE"),
        (["--set", "greet.scrip=1"], "has no input `scrip`"),
        (["--set", "gret.script=1"], "there is no node `gret`"),
        (["--trigger", "main.sha=1"], "there is no trigger `main`"),
        (["--arg-file", "name=none.txt"], "there is no file `none.txt`"),
        (["helo"], "did you mean `hello`?"),
        (["--as", " "], "a decision needs a name"),
    ],
)
def test_what_is_refused(rflow: Rflow, hello: Path, argv: list[str], message: str) -> None:
    result = rflow("run", "hello.rflow", "--yes", *argv)
    assert result.returncode == entry.USAGE
    assert message in result.stderr
    assert "started" not in result.stdout


def test_an_argument_from_a_file(rflow: Rflow, hello: Path) -> None:
    result = rflow("run", "hello.rflow", "--yes", "--arg-file", "name=-", input="from a pipe\n")
    assert "| Hello, from a pipe!" in result.stdout


def test_a_flow_with_mistakes_does_not_run(rflow: Rflow, tmp_path: Path) -> None:
    (tmp_path / "bad.rflow").write_text("rflow 1\nflow a { node x: shh { } }\n")
    result = rflow("run", "bad.rflow", "--yes")
    assert result.returncode == entry.PROBLEMS
    assert result.stdout == ""
    assert "there is no kind `shh`" in result.stderr
    assert not (tmp_path / ".rflow").exists()


# -- processes that are watched while they go on -----------------------------------------------


@contextmanager
def going_on(environment: dict[str, str], folder: Path, *argv: str) -> Iterator[Started]:
    started = Started(
        subprocess.Popen(
            [sys.executable, "-m", "rflow.cli", *argv],
            cwd=folder,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    )
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()
        assert started.process.stdout is not None
        started.process.stdout.close()


class Started:
    """A process and what it has said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.text = ""

    def until(self, what: str) -> None:
        """Read on until it says this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.text += line
            if what in line:
                return
        raise AssertionError(f"{what!r} never came:\n{self.text}")

    def end(self) -> int:
        """Read the rest; the exit code."""
        assert self.process.stdout is not None
        self.text += self.process.stdout.read()
        return self.process.wait(60)


def test_a_gate_is_answered_from_another_process(
    rflow: Rflow, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "release.rflow").write_text(GATED)
    with going_on(environment, tmp_path, "run", "release.rflow", "--yes") as started:
        started.until("waits for approval")
        run = str(last(rflow)["run"])
        assert f"rflow approve {run} go_live --as NAME" in started.text
        shown = rflow("show").stdout
        assert "approval by managers (0 of 2)" in shown
        refused = rflow("approve", "--as", "c@example.com")
        assert refused.returncode == entry.USAGE
        assert refused.stderr.startswith("error[RF934]: ")
        approved = rflow("approve", "--as", "a@example.com", "--reason", "fine")
        said = f"approved go_live of run {run} as a@example.com (1 of 2, 1 more needed)\n"
        assert approved.stdout == said
        started.until("approved by a@example.com: fine")
        assert not (tmp_path / "shipped.txt").exists()
        rflow("approve", run, "go_live", "--as", "b@example.com")
        assert started.end() == 0
    assert (tmp_path / "shipped.txt").exists()
    assert rflow("approve").stderr.startswith("error: no run is waiting\n")


def test_a_run_that_is_taken_up_says_what_it_still_waits_for(
    rflow: Rflow, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "release.rflow").write_text(GATED)
    with going_on(environment, tmp_path, "run", "release.rflow", "--yes") as started:
        started.until("waits for approval")
        started.process.kill()
    assert rflow("approve", "--as", "a@example.com").returncode == 0
    with going_on(environment, tmp_path, "resume") as again:
        again.until("go_live waits for approval by managers (0 of 2)")
        again.until("approved by a@example.com")
        again.process.kill()
    assert rflow("approve", "--as", "b@example.com").returncode == 0
    done = rflow("resume")
    assert done.returncode == 0
    assert "waits" not in done.stderr + done.stdout, "nobody is asked for anything any more"


def test_a_rejected_gate(rflow: Rflow, tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "release.rflow").write_text(GATED)
    with going_on(environment, tmp_path, "run", "release.rflow", "--yes") as started:
        started.until("waits for approval")
        assert rflow("reject", "--as", "a@example.com", "--reason", "too late").returncode == 0
        assert started.end() == entry.RUN_FAILED
    assert "rejected by a@example.com: too late" in started.text


def test_ctrl_c_once_cancels(rflow: Rflow, tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "wait.rflow").write_text(LONG)
    with going_on(environment, tmp_path, "run", "wait.rflow", "--yes") as started:
        started.until("| going on")
        started.process.send_signal(signal.SIGINT)
        assert started.end() == entry.RUN_FAILED
    assert last(rflow)["status"] == "cancelled"
    assert (tmp_path / "told.txt").exists()


SLOW = LONG.replace(
    "exec sleep 300", "test -e again && exit 0; touch again; trap '' TERM; sleep 300"
)


@pytest.mark.slow
def test_ctrl_c_twice_leaves_at_once(
    rflow: Rflow, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "wait.rflow").write_text(SLOW)
    with going_on(environment, tmp_path, "run", "wait.rflow", "--yes") as started:
        started.until("| going on")
        started.process.send_signal(signal.SIGINT)
        started.until("cancelled by")
        started.process.send_signal(signal.SIGINT)
        assert started.end() == entry.INTERRUPTED
    run = str(last(rflow)["run"])
    assert f"go on with it: rflow resume {run}" in started.text
    assert last(rflow)["concluded"] is False
    assert rflow("resume").returncode == entry.RUN_FAILED
    assert last(rflow)["status"] == "cancelled"
    assert (tmp_path / "told.txt").exists()


def test_ended_from_outside_and_resumed(
    rflow: Rflow, tmp_path: Path, environment: dict[str, str]
) -> None:
    script = "test -e again && exit 0; touch again; exec sleep 300"
    (tmp_path / "wait.rflow").write_text(LONG.replace("exec sleep 300", script))
    with going_on(environment, tmp_path, "run", "wait.rflow", "--yes") as started:
        started.until("| going on")
        started.process.send_signal(signal.SIGTERM)
        assert started.end() == entry.INTERRUPTED
    assert last(rflow)["concluded"] is False
    assert rflow("resume").returncode == 0
    assert (tmp_path / "first.txt").read_text() == "once\n", "a success never runs again"


def test_detached(rflow_process: Rflow, hello: Path) -> None:
    rflow = rflow_process
    result = rflow("run", "hello.rflow", "--yes", "--detach")
    assert result.returncode == 0
    run = result.stdout.splitlines()[-1]
    followed = rflow("logs", "-f", run)
    assert followed.stdout == "greet | Hello, world!\n"
    assert last(rflow)["status"] == "success"


def test_renaming_and_finding(rflow: Rflow, hello: Path) -> None:
    for name in ("one", "two"):
        rflow("run", "hello.rflow", "--yes", "--name", name)
    two = str(last(rflow)["run"])
    assert rflow("rename", two[:5], "--name", "second", "--description", "x").returncode == 0
    assert json.loads(rflow("show", "second", "--format", "json").stdout)["run"] == two
    missing = rflow("show", "third")
    assert missing.returncode == entry.USAGE
    assert missing.stderr.startswith("error[RF930]: there is no run `third`")
    near = rflow("show", "secnod")
    assert near.stderr.endswith("  help: did you mean `second`?\n")
    assert "did you mean `greet`?" in rflow("logs", "last", "gret").stderr
    rerun = rflow("rerun", "one", "--yes")
    assert rerun.returncode == 0
    assert len(json.loads(rflow("runs", "--format", "json").stdout)) == 3


def test_a_name_goes_before_the_beginning_of_an_id(rflow: Rflow, hello: Path) -> None:
    def ran(*words: str) -> str:
        rflow("run", "hello.rflow", "--yes", *words)
        return str(last(rflow)["run"])

    def meant(text: str) -> object:
        return json.loads(rflow("show", text, "--format", "json").stdout)["run"]

    first = ran()
    named = ran("--name", first[:7])
    assert meant(first[:7]) == named
    ran("--name", first)
    assert meant(first) == first
    again = ran("--name", first[:7])
    several = rflow("show", first[:7])
    assert several.returncode == entry.USAGE
    assert f"error[RF931]: `{first[:7]}` may mean any of 2 runs: {again}, {named}" in several.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["runs"],
        ["show"],
        ["why"],
        ["why", "last", "test"],
        ["locks"],
        ["plugins"],
        ["plugins", "show", "git.checkout"],
        ["explain", "--list"],
        ["compile", "release.rflow"],
        ["check", "release.rflow"],
    ],
)
def test_small_terminals(rflow: Rflow, tmp_path: Path, argv: list[str]) -> None:
    (tmp_path / "release.rflow").write_text(FAILING)
    if argv[0] in ("runs", "show", "why", "locks"):
        rflow("run", "release.rflow", "--yes", "--name", "the first release of this spring")
    result = rflow(*argv, COLUMNS="40")
    assert result.returncode == 0
    for line in result.stdout.splitlines():
        # A word that is longer than the line is not broken, so that it can be copied.
        assert cells(line) <= 40 or " " not in line.strip(), line


def test_lets_that_grow_through_flows_end_the_run(rflow: Rflow, tmp_path: Path) -> None:
    """Each flow reads its argument twice and hands that on; the compiler sees one at a time."""
    last, text = 20, "rflow 1\n"
    for number in range(last + 1):
        inner = (
            f"use f{number + 1} as u {{ a = $<let.x> }}"
            if number < last
            else 'node n: sh { script = "echo $<let.x>"  pure }'
        )
        text += f'flow f{number} {{ arg a: string let x = "$<args.a>$<args.a>" {inner} }}\n'
    (tmp_path / "grow.rflow").write_text(text)
    result = rflow("run", "grow.rflow", "f0", "--yes", "--arg", "a=x")
    assert result.returncode == entry.RUN_FAILED
    assert "lets are read more than 100,000 times for one value" in result.stdout + result.stderr
