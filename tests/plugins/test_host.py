"""The host: what plugins provide, and what is said of broken ones."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rflow.plugins import Context, Filter, Node, NodeError, Policy, SecretSource, Trigger
from rflow.plugins.discovery import CODES, Plugin, installed
from rflow.plugins.host import Host
from rflow.plugins.specs_json import decode, encode


@dataclass(frozen=True)
class Restart(Node, kind="acme.restart"):
    """Restart it."""

    def run(self, ctx: Context) -> None: ...


@dataclass(frozen=True)
class Endless(Policy, name="endless"):
    """As many delays as it likes."""

    count: int = 1

    def delays(self, attempts: int) -> Sequence[float]:
        return [1.0] * self.count


class Vault(SecretSource, name="vault"):
    """A vault."""

    def read(self, key: str, base: Path) -> str:
        return f"{key} in {base}"


def module(name: str = "acme", **members: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(members)
    return made


def told(*modules: types.ModuleType) -> list[tuple[str, str]]:
    return [(found.code.id, found.message) for found in Host.of(*modules).problems]


def test_rflows_own_plugin_comes_first_and_is_whole() -> None:
    plugins = installed()
    assert (plugins[0].distribution, plugins[0].name) == ("rflow", "builtin")
    host = Host.load()
    assert not host.problems
    assert host.specs().nodes["sh"].plugin == "rflow"
    assert host.node("sh").__name__ == "Sh"
    listed = host.plugins()[0]
    assert "deploy.directory" in listed.names["nodes"]
    assert "rflow_filters" in listed.hooks


def test_specs_survive_json() -> None:
    specs = Host.of().specs()
    assert decode(encode(specs)) == specs


def test_what_a_plugin_provides() -> None:
    host = Host.of(
        module(
            rflow_node_types=lambda: [Restart],
            rflow_retry_policies=lambda: (Endless,),
            rflow_secret_sources=lambda: [Vault],
        )
    )
    assert not host.problems
    assert host.node("acme.restart") is Restart
    assert host.specs().nodes["acme.restart"].plugin == "acme"
    assert host.secret("vault", "k", Path("/base")) == "k in /base"
    with pytest.raises(KeyError):
        host.node("acme.nothing")


def test_delays() -> None:
    host = Host.of(module(rflow_retry_policies=lambda: [Endless]))
    assert host.delays("exponential", {}, 4) == ((1.0, 2.0, 4.0), 0.2)
    assert host.delays("exponential", {"min": 10, "max": 25}, 4)[0] == (10.0, 20.0, 25.0)
    assert host.delays("constant", {"delay": 5}, 3) == ((5.0, 5.0), 0.0)
    assert host.delays("none", {}, 1) == ((), 0.0)
    assert len(host.delays("exponential", {}, 1000)[0]) == 999
    with pytest.raises(ValueError, match="smaller than the smallest"):
        host.delays("exponential", {"min": 10, "max": 5}, 3)
    with pytest.raises(ValueError, match="one attempt"):
        host.delays("none", {}, 2)
    with pytest.raises(Exception, match="the policy `endless` gave"):
        host.delays("endless", {"count": 7}, 3)


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({"RFLOW_CONTRACT": 99}, "RF602", "acme 0 is written for version 99"),
        ({"rflow_node_type": list}, "RF603", "has `rflow_node_type`, which is no hook"),
        ({"rflow_run_event": lambda typo: None}, "RF603", "arguments that it is never given"),
        ({"rflow_node_types": lambda: 1 / 0}, "RF605", "ZeroDivisionError: division by zero"),
        ({"rflow_node_types": lambda: 3}, "RF605", "not iterable"),
        ({"rflow_node_types": lambda: [3]}, "RF605", "returned 3, not a subclass of Node"),
        ({"rflow_filters": lambda: [Vault]}, "RF605", "not a Filter"),
    ],
)
def test_what_is_wrong_with_a_plugin(members: dict[str, Any], code: str, message: str) -> None:
    found = told(module(**members))
    assert [one[0] for one in found] == [code]
    assert message in found[0][1]
    assert "acme" in found[0][1]


def test_a_misspelt_hook_has_a_suggestion() -> None:
    problem = Host.of(module(rflow_node_type=list)).problems[0]
    assert problem.suggestion == "rflow_node_types"


def test_a_name_provided_twice_names_both() -> None:
    one = module("one", rflow_node_types=lambda: [Restart])
    two = module("two", rflow_node_types=lambda: [Restart])
    assert told(one, two) == [
        ("RF604", "the kind `acme.restart` of two 0 is provided by one 0 too")
    ]


def test_a_builtin_cannot_be_replaced() -> None:
    taken = Filter("slug", "(string) -> string", str, "Mine.")
    host = Host.of(module(rflow_filters=lambda: [taken]))
    assert [found.code.id for found in host.problems] == ["RF604"]
    assert host.specs().filters["slug"].plugin == "rflow"


def test_a_kind_that_is_not_well_formed_leaves_the_others() -> None:
    @dataclass(frozen=True)
    class Undocumented(Node, kind="acme.bad"):
        def run(self, ctx: Context) -> None: ...

    host = Host.of(module(rflow_node_types=lambda: [Undocumented, Restart]))
    assert [found.code.id for found in host.problems] == ["RF605"]
    assert "acme.restart" in host.specs().nodes


def test_a_plugin_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_acme.py").write_text("import nowhere_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    host = Host([Plugin("acme", "broken_acme", "acme-kinds", "1.2")])
    problem = host.problems[0]
    assert problem.code is CODES["import"]
    assert "acme-kinds 1.2 cannot be imported: ModuleNotFoundError" in problem.message
    assert "(broken_acme.py, line 1)" in problem.message
    source = problem.primary.source
    start, end = problem.primary.span
    assert source.text[start:end] == '"broken_acme"'


@dataclass
class _Event:
    node: str


@dataclass
class _Record:
    number: int
    at: float
    event: Any


def test_observers_are_told_and_cannot_break_a_run() -> None:
    seen: list[Any] = []

    def watch(run: str, kind: str, event: Any) -> None:
        seen.append((run, kind, event))

    def fail(number: int) -> None:
        raise RuntimeError("no")

    host = Host.of(module("one", rflow_run_event=watch), module("two", rflow_run_event=fail))
    failed = host.observe(_Record(3, 1.5, _Event("web")), "run-1")
    assert seen == [("run-1", "_Event", {"node": "web"})]
    assert len(failed) == 1
    assert "an observer of two 0 failed: RuntimeError: no" in failed[0]
    assert Host.of().observe(_Record(3, 1.5, _Event("web"))) == []


def test_triggers_say_what_is_wrong_with_their_inputs() -> None:
    host = Host.of()
    assert host.trigger_mistakes("cron", {"schedule": "0 2 * * 1-5"}) == []
    assert host.trigger_mistakes("git", {"repo": "x", "branches": ["main", "release/*"]}) == []
    assert host.trigger_mistakes("webhook", {}) == []
    wrong = [
        ("cron", {"schedule": "0 2 * *"}, ("schedule", "`0 2 * *` has 4 fields, not five")),
        ("cron", {"schedule": "99 2 * * *"}, ("schedule", "`99 2 * * *` is no line of cron")),
        (
            "cron",
            {"schedule": "0 2 * * *", "timezone": "Nowhere/City"},
            ("timezone", "there is no time zone `Nowhere/City`"),
        ),
        (
            "cron",
            {"schedule": "0 2 * * *", "timezone": "../../etc/passwd"},
            ("timezone", "there is no time zone `../../etc/passwd`"),
        ),
        ("git", {"repo": "-x"}, ("repo", "it is no address or path of a repository")),
        (
            "git",
            {"repo": "x", "tags": ["a b"]},
            ("tags", "no name of git's matches the pattern 'a b'"),
        ),
        ("git", {"repo": "x", "paths": [""]}, ("paths", "the pattern '' matches nothing")),
    ]
    for kind, inputs, expected in wrong:
        assert host.trigger_mistakes(kind, inputs) == [expected]  # type: ignore[arg-type]


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host.of()
    monkeypatch.setenv("SHOP_DSN", "s3cret")
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "two").write_text("a\nb\r\n")
    assert host.secret("env", "SHOP_DSN", tmp_path) == "s3cret"
    assert host.secret("file", "token", tmp_path) == "s3cret"
    assert host.secret("file", str(tmp_path / "two"), Path("/")) == "a\nb"
    assert host.secret("command", "printf '%s\\n' 'a b'", tmp_path) == "a b"
    assert host.secret("command", "cat token", tmp_path) == "s3cret"
    assert host.secret("command", "echo $HOME;x", tmp_path) == "$HOME;x"


def test_a_command_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rflow.plugins.kinds.sources.LIMIT_S", 0.2)
    with pytest.raises(NodeError, match="`sh` did not answer within"):
        Host.of().secret("command", "sh -c 'sleep 600 & sleep 600'", tmp_path)


@pytest.mark.parametrize(
    ("source", "key", "message"),
    [
        ("env", "NOT_THERE_AT_ALL", "no variable `NOT_THERE_AT_ALL`"),
        ("env", "EMPTY", "`EMPTY` of the environment is empty"),
        ("file", "nowhere", "the file `nowhere` cannot be read: No such file"),
        ("file", ".", "cannot be read: Is a directory"),
        ("file", "a\0b", "it is no path"),
        ("file", "empty", "the file `empty` is empty"),
        ("file", "bytes", "not text in UTF-8"),
        ("command", "'", "a quote that is not closed"),
        ("command", "", "the command is empty"),
        ("command", "no-such-program-here x", "cannot be started: No such file"),
        ("command", "cat secret-file nowhere", "`cat` ended with status 1"),
        ("command", "true", "what `true` printed is empty"),
    ],
)
def test_secrets_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, key: str, message: str
) -> None:
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"s3cret\xff")
    (tmp_path / "secret-file").write_text("s3cret")
    with pytest.raises(NodeError, match=message) as caught:
        Host.of().secret(source, key, tmp_path)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_folder_of_the_path_that_cannot_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "plain").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path}/closed:{tmp_path}:/usr/bin:/bin")
    for program, why in (("no-such-program-here", "No such file"), ("plain", "Permission denied")):
        with pytest.raises(NodeError, match=f"`{program}` cannot be started: {why}"):
            Host.of().secret("command", program, tmp_path)
    assert Host.of().secret("command", "echo found", tmp_path) == "found"


def test_a_trigger_whose_check_fails_is_told_as_its_plugins_fault() -> None:
    @dataclass(frozen=True)
    class Broken(Trigger, kind="acme.broken"):
        """Never right."""

        def check(self) -> list[tuple[str, str]]:
            raise RuntimeError("no")

    host = Host.of(module("acme", rflow_trigger_types=lambda: [Broken]))
    ((input, why),) = host.trigger_mistakes("acme.broken", {})
    assert (input, why.startswith("the plugin failed: RuntimeError: no")) == ("", True)
