"""One attempt: what a kind returns or raises, and what becomes of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rflow.compiler.expr import Format, Get, Literal, Pipe
from rflow.compiler.plan import Contract, Stage
from rflow.plugins import Context, Effect, Node, NodeError
from rflow.plugins.host import Host
from rflow.runner.attempt import run_attempt
from rflow.runner.bench import Bench
from rflow.runner.command import Command, Failed, NotDone, Outcome, ParkedAt, Stopped, Succeeded
from rflow.runner.logs import Logs
from rflow.runner.scrub import Scrubber
from rflow.runner.secrets import open_output
from rflow.runner.stop import Stop

from .conftest import command_of, plan_node, plan_of

SECRET = "c4nary-5ecret"
Bencher = Callable[..., Bench]


@dataclass(frozen=True)
class Probe(Node, kind="test.probe", effect="probe"):
    """Does what the test says."""

    do: Any = None
    text: str = "default"

    def run(self, ctx: Context) -> Any:
        return self.do(ctx)

    def undo(self, ctx: Context, done: Any) -> Any:
        return self.do(ctx, done)

    def recover(self, ctx: Context) -> Any:
        return self.do(ctx)


class Case:
    """A bench with one node, `web`, and its attempts."""

    def __init__(self, make: Bencher) -> None:
        self.make = make
        self.intents: list[tuple[str, Any, Any]] = []
        self.stop = Stop()

    def run(self, do: Any, command: dict[str, Any] | None = None, **parts: Any) -> Outcome:
        node = plan_node("web", "test.probe", **parts.pop("node", {}))
        self.bench = self.make({"test.probe": Probe}, node, **parts)
        given = {"inputs": {"do": do}, **(command or {})}
        self.command = command_of(given.pop("node", "web"), "test.probe", **given)
        outcome = run_attempt(
            self.bench,
            self.command,
            self.stop,
            lambda resource, before, after: self.intents.append((resource, before, after)),
        )
        self.bench.scratch.tidy()
        return outcome

    def log(self) -> list[tuple[str, str]]:
        lines, _ = Logs(self.bench.state).read("r1", self.command.node, 1)
        return [(line.stream, line.text) for line in lines]


@pytest.fixture
def case(bench: Bencher) -> Case:
    return Case(bench)


def raises(error: BaseException) -> Callable[[Context], None]:
    def do(ctx: Context) -> None:
        raise error

    return do


# -- what a kind sees --------------------------------------------------------------------------


def test_the_context(case: Case, tmp_path: Path) -> None:
    seen: list[Context] = []

    def look(ctx: Context) -> None:
        seen.append(ctx)
        (ctx.scratch / "folder").mkdir()
        (ctx.scratch / "folder" / "file").write_text("")
        assert ctx.scratch.is_absolute()

    stage = Stage("shop", "production")
    plan = plan_of(plan_node("web", "test.probe"), stage=stage, flow="release")
    outcome = case.run(
        look,
        {"node": "web", "effects": (("web@production", None, "a"),), "key": "r1/web/1"},
        plan=plan,
        run_name="monday",
    )
    assert outcome == Succeeded({}, {})
    (ctx,) = seen
    assert (ctx.run_id, ctx.run_name, ctx.flow, ctx.stage) == (
        "r1",
        "monday",
        "release",
        "production",
    )
    assert (ctx.node, ctx.attempt, ctx.key) == ("web", 1, "r1/web/1")
    assert ctx.directory == tmp_path
    assert ctx.workspace.is_dir()
    assert ctx.scratch == case.bench.state.scratch("r1") / "1"
    assert not ctx.scratch.exists(), "it ends with the attempt"
    assert ctx.effects == (Effect("web@production", None, "a"),)
    assert not ctx.cancelled()


def test_inputs_and_their_defaults(case: Case) -> None:
    class Seen(Probe, kind="test.seen"):
        """Looks at itself."""

        def run(self, ctx: Context) -> Any:
            ctx.log(f"{self.text}")

    bench = case.make({"test.seen": Seen}, plan_node("web", "test.seen"))
    for inputs in ({}, {"text": "given"}):
        command = command_of("web", "test.seen", inputs=inputs)
        assert run_attempt(bench, command, Stop(), lambda *_: None) == Succeeded({}, {})
    lines, _ = Logs(bench.state).read("r1", "web", 1)
    assert [line.text for line in lines] == ["default", "given"]


def test_programs_know_where_they_are_and_what_references_mean(case: Case) -> None:
    def do(ctx: Context) -> Any:
        script = 'echo "$RFLOW_NODE $RFLOW_RUN $RFLOW_ATTEMPT $A $B [$C]"; ls -d "$RFLOW_SCRATCH"'
        return {"said": ctx.process(["sh", "-c", script], capture=True).stdout}

    program = {"A": "it's", "B": 1.5, "C": None}
    outcome = case.run(do, {"program": program}, node={"outputs": {"said": "string"}})
    assert isinstance(outcome, Succeeded)
    first, second = str(outcome.outputs["said"]).splitlines()
    assert first == "web r1 1 it's 1.5 []"
    assert second == str(case.bench.state.scratch("r1") / "1")


def test_output_of_programs_is_in_the_log(case: Case) -> None:
    def do(ctx: Context) -> None:
        ctx.log("begin")
        ctx.process(["sh", "-c", "echo out; echo err >&2; printf end"])
        ctx.process(["sh", "-c", "echo captured; echo aside >&2"], capture=True)

    assert case.run(do) == Succeeded({}, {})
    assert case.log() == [
        ("log", "begin"),
        ("out", "out"),
        ("out", "err"),
        ("out", "end"),
        ("err", "aside"),
    ]


def test_text_outputs_are_read_by_the_types_the_node_declares(case: Case) -> None:
    def do(ctx: Context) -> Any:
        return {"n": ctx.read_output("n", "3"), "version": ctx.read_output("version", "3.10")}

    declared = {"outputs": {"n": "int", "version": "string"}}
    assert case.run(do, node=declared) == Succeeded({"n": 3, "version": "3.10"}, {})
    wrong = case.run(lambda ctx: ctx.read_output("n", "three"), node=declared)
    assert isinstance(wrong, Failed)
    assert wrong.message.startswith("the output `n`: ")
    assert not wrong.retry
    unknown = case.run(lambda ctx: ctx.read_output("x", "3"), node=declared)
    assert isinstance(unknown, Failed)
    assert "`x`" in unknown.message
    assert "n, version" in unknown.message


def test_artifacts(case: Case, tmp_path: Path) -> None:
    def do(ctx: Context) -> Any:
        digest = ctx.artifacts.put_bytes(b"shop")
        (ctx.scratch / "shop").write_bytes(b"shop")
        assert ctx.artifacts.put_file(ctx.scratch / "shop") == digest
        assert ctx.artifacts.path(digest).read_bytes() == b"shop"
        for bad in ("sha256:" + "0" * 64, "../x"):
            with pytest.raises(NodeError):
                ctx.artifacts.path(bad)
        with pytest.raises(NodeError, match="cannot read"):
            ctx.artifacts.put_file(tmp_path / "none")
        return {"artifact": digest}

    outcome = case.run(do, node={"outputs": {"artifact": "artifact"}})
    assert isinstance(outcome, Succeeded)


# -- what becomes of what it does --------------------------------------------------------------


def test_failures_are_told_as_they_are(case: Case) -> None:
    assert case.run(raises(NodeError("no such host"))) == Failed("no such host")
    assert case.run(raises(NodeError("bad", retry=False))) == Failed("bad", retry=False)
    assert case.log() == []
    odd = case.run(raises(NodeError("a\0b\ud800" + "x" * 9000)))
    assert isinstance(odd, Failed)
    assert odd.message.startswith("a\ufffdb\ufffdxxx")
    assert len(odd.message) < 4100


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3), AssertionError()])
def test_anything_else_is_a_bug_of_the_plugin(case: Case, error: BaseException) -> None:
    outcome = case.run(raises(error))
    assert isinstance(outcome, Failed)
    assert outcome.code == "plugin"
    assert outcome.message.startswith(f"the plugin `test 1` failed: {type(error).__name__}")
    assert "Traceback" not in outcome.message
    assert any("Traceback" in text for _, text in case.log())


def test_async_kinds(case: Case) -> None:
    async def do(ctx: Context) -> Any:
        done = await asyncio.to_thread(ctx.process, ["echo", "hi"], capture=True)
        return {"said": done.stdout}

    assert case.run(do, node={"outputs": {"said": "string"}}) == Succeeded({"said": "hi\n"}, {})


def test_waiting(case: Case) -> None:
    async def do(ctx: Context) -> Any:
        await ctx.wait_for("first", until=1e10)
        await ctx.wait_for("second", delay_s=60)
        return {}

    first = case.run(do)
    assert isinstance(first, ParkedAt)
    assert (first.wait, first.due) == ("first", 1e10)
    second = case.run(do, {"woke": ("first",)})
    assert isinstance(second, ParkedAt)
    assert second.wait == "second"
    assert case.run(do, {"woke": ("first", "second")}) == Succeeded({}, {})


def test_intents(case: Case) -> None:
    def do(ctx: Context) -> None:
        ctx.intend("web@production", None, {"digest": "a"})

    assert case.run(do) == Succeeded({}, {})
    assert case.intents == [("web@production", None, {"digest": "a"})]

    def refused(resource: str, before: Any, after: Any) -> None:
        raise NodeError("the change was not begun: stale", retry=False)

    outcome = run_attempt(case.bench, case.command, Stop(), refused)
    assert outcome == Failed("the change was not begun: stale", retry=False)
    for bad in (object(), float("nan"), "\0", {1: 2}):
        outcome = case.run(lambda ctx, bad=bad: ctx.intend("web", None, bad))
        assert isinstance(outcome, Failed)
        assert outcome.code == "plugin"


def test_recovering(case: Case) -> None:
    assert case.run(lambda ctx: None, {"mode": "recover"}) == NotDone()
    outcome = case.run(
        lambda ctx: {"pid": 7}, {"mode": "recover"}, node={"outputs": {"pid": "int"}}
    )
    assert outcome == Succeeded({"pid": 7}, {})


def test_undoing(case: Case) -> None:
    seen: list[Any] = []

    def do(ctx: Context, done: Any) -> Any:
        seen.append(done)
        return "nobody looks at this"

    undo = {"node": "undo:web", "mode": "undo"}
    assert case.run(do, {**undo, "done": {"pid": 7}}) == Succeeded({}, {})
    assert case.run(do, undo) == Succeeded({}, {})
    assert seen == [{"pid": 7}, None]


def test_outputs_must_be_what_is_declared(case: Case) -> None:
    node = {"outputs": {"pid": "int", "names": "list(string)?"}}
    good = {"pid": 7, "names": ("a", "b")}
    assert case.run(lambda ctx: good, node=node) == Succeeded({"pid": 7, "names": ["a", "b"]}, {})
    for wrong, said in [
        ({}, "the output `pid`"),
        ({"pid": "7"}, "the output `pid`"),
        ({"pid": 7, "names": ["\0"]}, "the output `names`"),
    ]:
        outcome = case.run(lambda ctx, wrong=wrong: wrong, node=node)
        assert isinstance(outcome, Failed)
        assert outcome.message.startswith(said)
    outcome = case.run(lambda ctx: {"pid": 7, "extra": 1}, node=node)
    assert isinstance(outcome, Failed)
    assert outcome.code == "plugin"
    assert "`extra`" in outcome.message
    outcome = case.run(lambda ctx: 7, node=node)
    assert isinstance(outcome, Failed)
    assert outcome.code == "plugin"


def test_a_kind_that_nobody_provides(case: Case) -> None:
    bench = case.make({}, plan_node("web", "test.gone"))
    outcome = run_attempt(bench, command_of("web", "test.gone"), Stop(), lambda *_: None)
    assert outcome == Failed("no plugin provides the kind `test.gone`", retry=False)


# -- being ended -------------------------------------------------------------------------------


def test_stopped_within_a_program(case: Case) -> None:
    def do(ctx: Context) -> None:
        case.stop.request("cancelled")
        ctx.process(["sleep", "600"])

    assert case.run(do) == Stopped()


def test_a_kind_that_sees_the_cancel_and_raises(case: Case) -> None:
    def do(ctx: Context) -> None:
        case.stop.request("cancelled")
        if ctx.cancelled():
            raise NodeError("interrupted")

    assert case.run(do) == Stopped()


def test_an_async_kind_is_cancelled_where_it_waits(case: Case) -> None:
    async def do(ctx: Context) -> None:
        case.stop.request("cancelled")
        await asyncio.sleep(600)

    assert case.run(do) == Stopped()


def test_time_over(case: Case) -> None:
    def do(ctx: Context) -> None:
        case.stop.request("timeout")
        ctx.process(["sleep", "600"])

    outcome = case.run(do, {"timeout_s": 90.0})
    assert outcome == Failed("it took longer than 90 s and was ended", code="timeout")


def test_what_succeeded_all_the_same_has_succeeded(case: Case) -> None:
    assert case.run(lambda ctx: case.stop.request("cancelled")) == Succeeded({}, {})


def test_nothing_is_begun_after_a_stop(case: Case) -> None:
    def do(ctx: Context) -> None:
        case.stop.request("cancelled")
        ctx.intend("web", None, "a")

    assert case.run(do) == Stopped()
    assert case.intents == []
    assert case.run(lambda ctx: ctx.intend("web", None, "a")) == Stopped()


# -- secrets -----------------------------------------------------------------------------------


def secret_case(case: Case, do: Any, **parts: Any) -> Outcome:
    scrubber = Scrubber([SECRET])
    return case.run(do, scrubber=scrubber, **parts)


def test_no_message_and_no_log_holds_a_secret(case: Case) -> None:
    def do(ctx: Context) -> None:
        ctx.log(f"token {SECRET}")
        ctx.process(["echo", SECRET])
        raise ValueError(SECRET)

    outcome = secret_case(case, do)
    assert isinstance(outcome, Failed)
    assert SECRET not in outcome.message
    assert "***" in outcome.message
    kept = b"".join(p.read_bytes() for p in case.bench.state.root.rglob("*") if p.is_file())
    assert SECRET.encode() not in kept
    failed = secret_case(case, raises(NodeError(f"login {SECRET}")))
    assert failed == Failed("login ***")


@pytest.mark.parametrize("value", [SECRET, [{"a": f"x{SECRET}"}], {SECRET: 1}])
def test_an_output_that_holds_a_secret_must_be_declared(case: Case, value: Any) -> None:
    outcome = secret_case(case, lambda ctx: {"url": value}, node={"outputs": {"url": "any"}})
    assert isinstance(outcome, Failed)
    assert "`url`" in outcome.message
    assert "declared `secret`" in outcome.message
    assert SECRET not in outcome.message
    assert not outcome.retry


def test_a_wrong_value_is_not_quoted_if_it_is_secret(case: Case) -> None:
    outcome = secret_case(case, lambda ctx: {"n": SECRET}, node={"outputs": {"n": "int"}})
    assert isinstance(outcome, Failed)
    assert SECRET not in outcome.message


def test_secret_outputs_are_sealed_and_masked_from_then_on(case: Case) -> None:
    node = {"outputs": {"token": "string", "n": "int"}, "secret_outputs": ("token",)}
    outcome = case.run(lambda ctx: {"token": "new-token-1", "n": 1}, node=node)
    assert isinstance(outcome, Succeeded)
    assert outcome.outputs == {"n": 1}
    assert open_output(case.bench.key, "r1", "web", "token", outcome.sealed["token"]) == (
        "new-token-1"
    )
    assert "new-token-1" not in repr(outcome)
    assert case.bench.scrubber.mask_text("new-token-1") == "***"
    seen: list[Any] = []
    undo = {"node": "undo:web", "mode": "undo", "done": {"n": 1}, "sealed_done": outcome.sealed}
    case.run(lambda ctx, done: seen.append(done), undo, node=node)
    assert seen == [{"n": 1, "token": "new-token-1"}]
    long = case.run(lambda ctx: {"token": "x" * 40_000, "n": 1}, node=node)
    assert isinstance(long, Failed)


def test_intents_hold_no_secret(case: Case) -> None:
    outcome = secret_case(case, lambda ctx: ctx.intend("web", None, [SECRET]))
    assert isinstance(outcome, Failed)
    assert case.intents == []


TOKEN = Get("secret", ("token",))


def test_inputs_that_read_secrets_are_worked_out_late_and_masked(case: Case) -> None:
    asked: list[Any] = []

    def reveal(command: Command, root: str, path: tuple[str | int, ...]) -> Any:
        asked.append((root, path))
        return SECRET

    header = Format((Literal("Bearer "), TOKEN, Literal(" for "), Get("arg", ("name",))))
    shouted = Format((Literal("x"), Pipe(TOKEN, "upper", ())))
    plan = plan_of(
        plan_node(
            "web",
            "test.probe",
            inputs={"text": header},
            program={"script": (("RFLOW_REF_0", Get("value", ("loud",))),)},
            outputs={"said": "string"},
        ),
        values={"loud": shouted},
        kinds={"test.probe": "test 1"},
    )
    command = {
        "late": ("text",),
        "late_program": ("RFLOW_REF_0",),
        "values": (("arg", ("name",), "shop"),),
        "program": {"RFLOW_REF_0": "***"},
    }

    def do(ctx: Context) -> Any:
        return {"said": ctx.environment()["RFLOW_REF_0"]}

    options: dict[str, Any] = {
        "reveal": reveal,
        "filters": Host.of().filters(),
        "scrubber": Scrubber([SECRET]),
    }
    outcome = case.run(do, command, plan=plan, **options)
    assert isinstance(outcome, Failed)
    assert "`said` holds a secret's value" in outcome.message
    assert case.bench.scrubber.mask_text(f"x{SECRET.upper()}") == "x***"
    assert {path for _, path in asked} == {("token",)}

    class Keeps(Probe, kind="test.probe"):
        """Looks at its input."""

        def run(self, ctx: Context) -> Any:
            seen.append(self.text)

    seen: list[str] = []
    bench = case.bench
    bench.kinds = {"test.probe": Keeps}.__getitem__
    run_attempt(bench, case.command, Stop(), lambda *_: None)
    assert seen == [f"Bearer {SECRET} for shop"]


def test_inputs_of_a_contract_that_read_secrets(case: Case) -> None:
    seen: list[str] = []

    class Keeps(Probe, kind="test.probe"):
        """Looks at its input."""

        def run(self, ctx: Context) -> Any:
            seen.append(self.text)

    contract = Contract("undo", kind="test.probe", inputs=(("text", TOKEN),))
    bench = case.make(
        {"test.probe": Keeps},
        plan_node("web", "other.kind", contract=contract, outputs={"x": "int"}),
        reveal=lambda command, root, path: SECRET,
    )
    command = command_of("undo:web", "test.probe", late=("text",), from_contract=True)
    assert run_attempt(bench, command, Stop(), lambda *_: None) == Succeeded({}, {})
    assert seen == [SECRET]


def test_the_interpreters_own_environment_does_not_reach_programs(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    def do(ctx: Context) -> Any:
        code = "import os; print('AWS_SECRET_ACCESS_KEY' in os.environ)"
        return {"said": ctx.process([sys.executable, "-c", code], capture=True).stdout}

    outcome = case.run(do, node={"outputs": {"said": "string"}})
    assert outcome == Succeeded({"said": "False\n"}, {})
