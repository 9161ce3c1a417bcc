"""`sh`: where it runs, what it sees, what it puts out, how it fails."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from pathlib import Path

import pytest
from rflow.plugins import NodeError
from rflow.plugins.derive import build
from rflow.plugins.kinds.sh import Sh
from rflow.plugins.local_context import LocalContext, run_node


def test_it_runs_in_the_flow_files_folder_and_logs(ctx: LocalContext) -> None:
    assert run_node(Sh("pwd; echo two >&2"), ctx) == {}
    assert sorted(ctx.lines) == sorted([str(ctx.directory), "two"])


def test_a_folder_and_variables_of_its_own(ctx: LocalContext) -> None:
    (ctx.directory / "inner").mkdir()
    run_node(Sh('pwd; echo "$NAME"', cwd="inner", env={"NAME": "a b"}), ctx)
    assert ctx.lines == [str(ctx.directory / "inner"), "a b"]


def test_nothing_else_of_the_environment_reaches_it(
    ctx: LocalContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_RUNNER", "x")
    run_node(Sh("env"), ctx)
    assert not any("TOKEN_OF_THE_RUNNER" in line for line in ctx.lines)


def test_references_are_variables(ctx: LocalContext) -> None:
    ctx.variables["RFLOW_REF_1"] = "$(touch x) 'y'"
    run_node(Sh('printf "%s\\n" "$RFLOW_REF_1"'), ctx)
    assert ctx.lines == ["$(touch x) 'y'"]


def test_outputs_by_lines(tmp_path: Path) -> None:
    ctx = LocalContext(tmp_path, declared={"version": "string", "size": "int"})
    script = 'echo version=3.10=x >> "$RFLOW_OUTPUT"; echo "size=4" >> "$RFLOW_OUTPUT"'
    assert run_node(Sh(script), ctx) == {"version": "3.10=x", "size": 4}


def test_outputs_by_json(tmp_path: Path) -> None:
    ctx = LocalContext(tmp_path, declared={"sites": "list(string)"})
    script = """printf '{"sites": ["eu", "us"]}' > "$RFLOW_OUTPUT" """
    assert run_node(Sh(script), ctx) == {"sites": ["eu", "us"]}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "the script ended with status 3"),
        ("kill -9 $$", "ended by the signal 9"),
        ("false; true", "ended with status 1"),
        ("echo $NOT_THERE", "ended with status 2"),
        ('echo nothing >> "$RFLOW_OUTPUT"', "has no `=`"),
        ('echo other=1 >> "$RFLOW_OUTPUT"', "no output `other`"),
        ('echo version=x >> "$RFLOW_OUTPUT"', "is no int"),
        ('echo "{" >> "$RFLOW_OUTPUT"', "is no JSON"),
        ("printf '\\377' >> \"$RFLOW_OUTPUT\"", "not text in UTF-8"),
        ('mkdir "$RFLOW_OUTPUT"', "cannot be read"),
    ],
)
def test_failures(tmp_path: Path, script: str, message: str) -> None:
    ctx = LocalContext(tmp_path, declared={"version": "int"})
    with pytest.raises(NodeError, match=message):
        run_node(Sh(script), ctx)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"shell": []}, "`shell` is empty"),
        ({"cwd": "nowhere"}, "no folder `/.*/nowhere`"),
        ({"env": {"A=B": "x"}}, "cannot be a variable"),
        ({"shell": ["/no/such/shell"]}, "cannot start"),
    ],
)
def test_wrong_inputs(ctx: LocalContext, inputs: dict[str, object], message: str) -> None:
    with pytest.raises(NodeError, match=message) as caught:
        run_node(build(Sh, {"script": "true", **inputs}), ctx)  # type: ignore[dict-item]
    assert not caught.value.retry


def test_a_long_script_and_another_program(ctx: LocalContext) -> None:
    run_node(Sh("# " + "x" * 200_000 + "\necho done"), ctx)
    run_node(Sh("print('by python')", shell=["python3"]), ctx)
    assert ctx.lines == ["done", "by python"]


def test_cancelling_ends_the_whole_group(ctx: LocalContext) -> None:
    script = "(sleep 600) & echo $! > pid; echo started; wait"
    failures: list[BaseException] = []

    def go() -> None:
        try:
            run_node(Sh(script), ctx)
        except NodeError as error:
            failures.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    while "started" not in ctx.lines and thread.is_alive():
        thread.join(0.01)
    ctx.cancel()
    thread.join(30)
    assert not thread.is_alive()
    assert "signal 9" in str(failures[0])
    with contextlib.suppress(ProcessLookupError):  # it is gone, and nobody has its number
        child = os.pidfd_open(int((ctx.directory / "pid").read_text()))
        with contextlib.closing(open(child)):
            assert select.select([child], [], [], 30)[0], "what the script started lives on"
