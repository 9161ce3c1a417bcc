"""Help, bad usage, exit codes: what everyone meets first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rflow.cli import entry
from rflow.cli.cells import cells
from rflow.cli.main import COMMANDS, invoke
from rflow.cli.main import rflow as group

from .conftest import Rflow


def test_the_overview_shows_an_example_and_every_command() -> None:
    result = CliRunner().invoke(group, ["--help"])
    assert result.exit_code == 0
    assert result.output.startswith("  rflow init ")
    assert all(f"\n  {name} " in result.output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(group, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"  rflow {name}")
    assert f"Usage: rflow {name}" in result.output
    assert all(cells(line) <= 80 for line in result.output.splitlines())


@pytest.mark.parametrize("name", ["run", "show"])
def test_help_fits_a_small_terminal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = CliRunner().invoke(group, [name, "--help"]).output
    body = text[text.index("Usage:") :]
    assert all(cells(line) <= 40 for line in body.splitlines())


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = invoke([*argv])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["chek"], "error: there is no command `chek`\n  help: did you mean `rflow check`?\n"),
        (["plan"], "error: there is no command `plan`\n  help: did you mean `rflow compile`?\n"),
        (["status"], "error: there is no command `status`\n  help: `rflow runs` lists the runs"),
        (
            ["release.rflow"],
            "error: there is no command `release.rflow`\n"
            "  help: to run it: `rflow run release.rflow`\n",
        ),
        (
            ["run", "x.rflow", "--paralel", "3"],
            "error: there is no option `--paralel`\n  help: did you mean `--parallel`?\n",
        ),
        (
            ["args", "list", "release", "--server", "http://127.0.0.1:1"],
            "error: there is no option `--server`\n"
            "  help: it stands before the command: `rflow --server URL args list …`\n",
        ),
        (
            ["run"],
            "error: missing argument 'FILE'\n  help: `rflow run --help` shows how it is used\n",
        ),
        (["rename", "last"], "error: what should change?\n  help: give `--name` or"),
        (["explain"], "error: which code?\n"),
        (["logs", "--attempt", "1"], "error: an attempt of which node?\n"),
    ],
)
def test_bad_usage(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = said(capsys, *argv)
    assert code == entry.USAGE
    assert err.startswith(message)


def test_check_without_a_file_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "check")[1].endswith("help: `rflow init` writes a first one\n")
    (tmp_path / "a.rflow").write_text("")
    assert said(capsys, "check")[1].endswith("help: for example `rflow check a.rflow`\n")


def test_no_state_here(rflow: Rflow) -> None:
    result = rflow("runs")
    assert result.returncode == entry.USAGE
    assert result.stderr.startswith("error: there are no runs here: `")
    assert result.stdout == ""


def test_a_token_for_no_server_is_told(rflow: Rflow, tmp_path: Path) -> None:
    first, second = (rflow("token", "create", name) for name in ("one", "two"))
    assert first.returncode == second.returncode == 0
    assert first.stderr.endswith(
        f"`{tmp_path / '.rflow'}` is new: a server knows of this if that is its state\n"
    )
    assert "is new" not in second.stderr


def test_a_crash_is_a_report_and_not_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(argv: list[str]) -> int:
        raise RuntimeError("the inside of rflow")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("rflow.cli.main.invoke", broken)
    monkeypatch.setattr(sys, "argv", ["rflow", "runs", "--arg", "password=hunter2"])
    assert entry.main() == entry.OWN_FAULT
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "RuntimeError" in err
    (report,) = (tmp_path / "rflow").iterdir()
    assert str(report) in err
    text = report.read_text()
    assert "the inside of rflow" in text
    assert "hunter2" not in text
    assert report.stat().st_mode & 0o777 == 0o600


def test_nobody_reads_the_output(environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m rflow.cli --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", str(entry.BROKEN_PIPE))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_the_output(environment: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rflow.cli", "version"],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == entry.OWN_FAULT
    assert done.stderr == "error: the output cannot be written: no space left on device\n"


def test_a_working_folder_that_is_gone(environment: dict[str, str], tmp_path: Path) -> None:
    command = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m rflow.cli runs"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.endswith("error: the folder that rflow was started in is gone\n")


def test_init_writes_a_flow_once(rflow: Rflow, tmp_path: Path) -> None:
    assert rflow("init").returncode == 0
    text = (tmp_path / "hello.rflow").read_text()
    assert text.startswith("rflow 1\n")
    assert rflow("check", "hello.rflow").returncode == 0
    assert rflow("fmt", "--check", "hello.rflow").returncode == 0
    assert "| Hello, you!" in rflow("run", "hello.rflow", "--yes", "--arg", "name=you").stdout
    again = rflow("init")
    assert again.returncode == entry.USAGE
    assert again.stderr.startswith("error: `hello.rflow` exists\n")
    assert (tmp_path / "hello.rflow").read_text() == text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(rflow: Rflow, shell: str) -> None:
    result = rflow("completion", shell)
    assert result.returncode == 0
    assert "_RFLOW_COMPLETE" in result.stdout


def test_completing_a_command(rflow_process: Rflow) -> None:
    result = rflow_process(_RFLOW_COMPLETE="bash_complete", COMP_WORDS="rflow ex", COMP_CWORD="1")
    assert result.stdout == "plain,explain\n"


def test_starting_imports_nothing_heavy(environment: dict[str, str]) -> None:
    program = (
        "import sys, rflow.cli.entry;"
        "print(*sorted({'click', 'lark', 'networkx', 'pluggy', 'json', 'dataclasses',"
        " 'asyncio', 'importlib.metadata'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"
