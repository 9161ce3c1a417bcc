"""The dispatcher of a run: secrets revealed where they are read, leftovers ended first."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from rflow.compiler.expr import Get, Literal
from rflow.compiler.plan import Arg, Contract, Loop, Place, Plan
from rflow.plugins import Context, Node, Secret, TakesSecret
from rflow.plugins.host import Host
from rflow.runner.command import Command, Failed, Outcome, Succeeded
from rflow.runner.events import AttemptSucceeded, RunCreated
from rflow.runner.local import LocalDispatcher
from rflow.runner.secrets import Key, seal_output
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir

from .conftest import command_of, plan_node, plan_of, summary

PLACE = Place(0, 0, 0)


@dataclass(frozen=True)
class Tell(Node, kind="test.tell"):
    """Writes what it is given to a file, for the test to see."""

    path: str
    text: Annotated[Any, TakesSecret] = None

    @dataclass(frozen=True)
    class Outputs:
        token: Annotated[str, Secret]

    def run(self, ctx: Context) -> Outputs:
        Path(self.path).write_text(repr(self.text))
        return self.Outputs(f"made-by-{ctx.node}")


class Plugin:
    """Provides the kind."""

    def rflow_node_types(self) -> list[type[Node]]:
        return [Tell]


@pytest.fixture
def host() -> Host:
    return Host.of(Plugin())


def created(**parts: Any) -> RunCreated:
    known: dict[str, Any] = {
        "run": "r1",
        "plan": "sha256:" + "0" * 64,
        "flow": "release",
        "stage": None,
        "kind": "release",
        "name": "monday",
        "description": "",
        "by": "lead@example.com",
        "trigger": {"kind": "manual"},
        "triggers": {},
        "args": {},
        "sealed": {},
        "overrides": {},
        "loops": {},
        "seed": 1,
    }
    return RunCreated(**{**known, **parts})


class Runs:
    """Runs one command at a time and says what the kind was given."""

    def __init__(self, state: StateDir, host: Host, tmp_path: Path) -> None:
        self.state, self.host, self.folder = state, host, tmp_path
        self.key = Key(state.key)
        self.open: list[LocalDispatcher] = []

    def dispatcher(self, plan: Plan, run: RunCreated, **parts: Any) -> LocalDispatcher:
        known: dict[str, Any] = {"secrets": {"dsn": "postgres://hunter22"}, "grace_s": 0.2}
        made = LocalDispatcher(
            state=self.state, host=self.host, created=run, plan=plan, **{**known, **parts}
        )
        self.open.append(made)
        return made

    def given(self, dispatcher: LocalDispatcher, command: Command) -> Any:
        body = self.outcome(dispatcher, command)
        assert isinstance(body, Succeeded), body
        return eval((self.folder / "told").read_text())

    def outcome(self, dispatcher: LocalDispatcher, command: Command) -> Outcome:
        dispatcher.submit(command)
        message = dispatcher.next(30)
        assert message is not None
        return message.body  # type: ignore[return-value]


@pytest.fixture
def runs(state: StateDir, host: Host, tmp_path: Path) -> Iterator[Runs]:
    found = Runs(state, host, tmp_path)
    yield found
    for dispatcher in found.open:
        dispatcher.close()


def tell(id: str, text: Any, **parts: Any) -> Any:
    known = {"outputs": {"token": "string"}, "secret_outputs": ("token",)}
    return plan_node(id, "test.tell", inputs={"text": text}, **{**known, **parts})


def late(runs: Runs, node: str, **parts: Any) -> Command:
    inputs = {"path": str(runs.folder / "told"), "text": "***"}
    return command_of(node, "test.tell", inputs=inputs, late=("text",), **parts)


def test_secrets_and_secret_arguments(runs: Runs) -> None:
    arg = Arg("token", "string", True, None, True, "", PLACE)
    plan = plan_of(
        tell("a", Get("secret", ("dsn",))), tell("b", Get("arg", ("token",))), args=(arg,)
    )
    run = created(sealed={"token": runs.key.seal("tok-123456", "r1 args.token")})
    dispatcher = runs.dispatcher(plan, run)
    assert runs.given(dispatcher, late(runs, "a")) == "postgres://hunter22"
    assert runs.given(dispatcher, late(runs, "b")) == "tok-123456"
    assert dispatcher.scrubber.mask_text("postgres://hunter22 tok-123456") == "*** ***"


def test_secret_outputs_of_nodes_by_the_turns_of_loops(runs: Runs) -> None:
    sites = Loop("web", "site", Literal(["eu", "us"]), None, None, PLACE)
    plan = plan_of(
        tell("web", Literal("x"), loops=("web",)),
        tell("same", Get("node", ("web", "token")), loops=("web",)),
        tell("all", Get("all", ("web", "token"))),
        tell("one", Literal("x")),
        tell("plain", Get("node", ("one", "token"))),
        loops=(sites,),
    )
    run = created(loops={"web": {"": ["eu", "us"]}})
    journal = SqliteJournal(runs.state)
    journal.create(summary(), [], 1.0)
    for number, id in enumerate(["web[eu]", "web[us]", "one"]):
        sealed = {"token": seal_output(runs.key, "r1", id, "token", f"token-of-{id}")}
        journal.transact("r1", number, [AttemptSucceeded(id, 1, {}, sealed)], 1.0)
    journal.close()
    dispatcher = runs.dispatcher(plan, run)
    same = late(runs, "same[us]", plan_node="same")
    assert runs.given(dispatcher, same) == "token-of-web[us]"
    assert runs.given(dispatcher, late(runs, "all")) == ["token-of-web[eu]", "token-of-web[us]"]
    assert runs.given(dispatcher, late(runs, "plain")) == "token-of-one"
    assert dispatcher.scrubber.mask_text("token-of-web[eu]") == "***"


def test_what_an_undo_reads_of_what_was_done(runs: Runs) -> None:
    contract = Contract("undo", kind="test.tell", inputs=(("text", Get("done", ("token",))),))
    plan = plan_of(tell("a", Literal("x"), contract=contract))
    sealed = {"token": seal_output(runs.key, "r1", "a", "token", "token-of-a")}
    command = late(runs, "undo:a", sealed_done=sealed, done={}, from_contract=True)
    assert runs.given(runs.dispatcher(plan, created()), command) == "token-of-a"


def test_what_can_be_read_of_other_runs(runs: Runs) -> None:
    dispatcher = runs.dispatcher(plan_of(tell("a", Literal("x"))), created())
    journal = SqliteJournal(runs.state)
    journal.create(summary("r2", status="running"), [], 1.0)
    journal.close()
    assert dispatcher._run_status("r2") == "running"
    with pytest.raises(Exception, match="there is no run"):
        dispatcher._run_status("r3")


def test_a_lost_key_is_told_before_anything_is_begun(runs: Runs) -> None:
    run = created(sealed={"token": runs.key.seal("tok-123456", "r1 args.token")})
    runs.state.key.unlink()
    with pytest.raises(Exception, match="RF908"):
        runs.dispatcher(plan_of(), run)
    assert not runs.state.guards.exists()


RUNNER = """
import os, subprocess, sys
from pathlib import Path
from rflow.runner.guard import Guard, VARIABLE
guard = Guard(Path(sys.argv[1]))
mark = guard.mark()
process = subprocess.Popen(
    ["sleep", "600"], env={VARIABLE: guard.enter(mark)}, stdout=subprocess.DEVNULL
)
os.kill(guard._process, 9)
print(mark, process.pid, flush=True)
sys.stdin.read()
"""


def test_what_a_dead_runner_left_is_ended_first(runs: Runs) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(runs.state.guards)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert runner.stdout is not None
    mark, number = runner.stdout.readline().split()
    left = os.pidfd_open(int(number))
    runner.send_signal(signal.SIGKILL)
    runner.communicate()
    assert not select.select([left], [], [], 0)[0]
    dispatcher = runs.dispatcher(plan_of(), created(), previous_guard=mark)
    assert select.select([left], [], [], 0)[0]
    os.close(left)
    assert dispatcher.guard != mark


def test_a_kind_that_is_gone(runs: Runs) -> None:
    dispatcher = runs.dispatcher(plan_of(plan_node("a", "test.gone")), created())
    outcome = runs.outcome(dispatcher, command_of("a", "test.gone"))
    assert isinstance(outcome, Failed)
    assert "`test.gone`" in outcome.message
