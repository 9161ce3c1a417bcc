"""`rflow --server URL …`: the same commands with the same output, on a real server."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from rflow.cli.main import invoke
from rflow.runner.artifacts_shared import artifact_store
from rflow.server.core import Server
from rflow.server.tokens import Role

from .api import GATED, HELLO, Api
from .conftest import Place, wait_for
from .receiver import receiving

TWO = """
flow two {
  arg code: string
  node first: sh { script = "echo one; echo two"  pure  retry none }
  node second: sh after first {
    when $<args.code> != "skip"
    script = "echo second; exit $<args.code>"
    pure
    retry none
  }
}
"""


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class There:
    """Commands, run against a server with a role, or on its state."""

    def __init__(
        self, api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.api, self._capsys, self._environ = api, capsys, monkeypatch
        self.role: Role = "admin"

    def __call__(self, *words: str) -> Done:
        """A command on the server."""
        self._environ.setenv("RFLOW_TOKEN", self.api.secrets[self.role])
        return self._run("--server", self.api.url, *words)

    def here(self, *words: str) -> Done:
        """A command on the state itself."""
        return self._run(*words, "--state", str(self.api.server.state.root))

    def _run(self, *words: str) -> Done:
        self._capsys.readouterr()
        code = invoke([*words])
        out, err = self._capsys.readouterr()
        return Done(code, out, err)

    def hooks(self) -> list[dict[str, Any]]:
        """The webhooks of the server."""
        listed: list[dict[str, Any]] = json.loads(self("webhook", "list", "--format", "json").out)
        return listed

    def waiting(self, run: str) -> None:
        """Until a run waits."""
        service = self.api.server.services.here()
        wait_for(lambda: service.summary(run).status == "waiting" or None)


@pytest.fixture
def there(
    place: Place,
    listening: Callable[..., tuple[Server, str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[There]:
    place.write("flows.rflow", HELLO + GATED + TWO)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.folder / "config"))
    api = Api(*listening())
    yield There(api, capsys, monkeypatch)
    api.close()


def test_a_run_is_started_and_followed(there: There) -> None:
    done = there("run", "hello", "--arg", "who=you", "--yes", "--name", "greeting")
    assert done.code == 0, done
    assert "hello you" in done.out
    assert "greeting (" in done.out
    assert "success" in done.out
    run = there("runs", "--format", "json")
    (shown,) = json.loads(run.out)
    assert (shown["name"], shown["by"]) == ("greeting", "admin@example.com")


def test_a_run_that_fails_has_the_exit_code_of_one(there: There) -> None:
    done = there("run", "two", "--arg", "code=1", "--yes")
    assert done.code == 3
    assert "why:   rflow why" in done.out
    assert "second" in there("logs", "last", "second").out
    again = there("retry", "last", "--set", "second.script=echo mended", "--yes")
    assert again.code == 0, again
    assert "mended" in again.out


def test_records_are_json_lines(there: There) -> None:
    done = there("run", "hello", "--yes", "--format", "json")
    kinds = [json.loads(line)["kind"] for line in done.out.splitlines()]
    assert kinds[0] == "RunCreated"
    assert kinds[-1] == "RunEnded"
    assert len(kinds) == len({json.loads(line)["number"] for line in done.out.splitlines()})


def test_looks_are_the_same_there_and_here(there: There) -> None:
    failed = there.api.start("two", code="1")
    skipped = there.api.start("two", code="skip")
    for run in (failed, skipped):
        there.api.ended(run)
    gate = there.api.start("release")
    there.waiting(gate)
    looks = [
        ["show", failed, "--format", "json"],
        ["show", failed, "second", "--format", "json"],
        ["show", gate, "--format", "json"],
        ["show", failed],
        ["logs", failed],
        ["logs", failed, "first", "--format", "json"],
        ["why", failed],
        ["why", skipped, "second"],
        ["why", gate, "--format", "json"],
        ["runs", "--format", "json"],
        ["runs", "--flow", "two", "--status", "failed", "--format", "json"],
        ["approvals", "--as", "admin@example.com", "--format", "json"],
        ["stages", "--format", "json"],
        ["releases", "production", "--format", "json"],
        ["verify", skipped, "--format", "json"],
        ["diff", "--runs", failed, skipped],
        ["locks"],
    ]
    for words in looks:
        far, near = there(*words), there.here(*words)
        assert (far.code, far.out) == (near.code, near.out), words
    assert far.code == 0


def test_mistakes_are_the_same_there_and_here(there: There) -> None:
    run = there.api.start("two", code="skip")
    there.api.ended(run)
    for words in (
        ["show", "nothing"],
        ["show", run, "secnd"],
        ["cancel", run, "--as", "admin@example.com"],
        ["approve", run, "--as", "admin@example.com"],
        ["retry", run, "--yes", "--as", "admin@example.com"],
        ["thaw", "production"],
        ["rename", run, "--name", "last", "--as", "admin@example.com"],
    ):
        far, near = there(*words), there.here(*words)
        assert (far.code, far.out, far.err) == (near.code, near.out, near.err), words
        assert far.code == 2


def test_a_gate_is_approved_and_a_release_gone_back_to(there: There) -> None:
    runs = []
    for text in ("one", "two"):
        started = there("run", "release", "--arg", f"text={text}", "--yes", "--detach")
        assert started.code == 0, started
        run = started.out.splitlines()[-1]
        there.waiting(run)
        there.role = "approve"
        approved = there("approve", run, "--reason", "looks right")
        assert approved.code == 0, approved
        assert approved.out == f"approved go_live of run {run} as approve@example.com\n"
        assert there.api.ended(run) == "success"
        there.role = "admin"
        runs.append(run)
    planned = there("rollback", runs[0], "--plan", "--format", "json")
    assert planned.code == 0, planned
    assert planned.out == there.here("rollback", runs[0], "--plan", "--format", "json").out
    back = there("rollback", runs[0], "--yes", "--reason", "slow")
    assert back.code == 0, back
    assert (there.api.server.catalog.root / "site.txt").read_text() == "one"
    assert there("release", "lift", runs[1], "--reason", "mended").code == 0
    assert there("freeze", "production", "--until", "1h", "--reason", "night").code == 0
    assert "frozen" in there("stages").out
    assert there("thaw", "production").code == 0
    new = there("rerun", runs[0], "--yes", "--detach")
    assert new.code == 0, new


def test_a_run_is_cancelled_and_renamed(there: There) -> None:
    run = there.api.start("release")
    there.waiting(run)
    assert there("rename", run, "--name", "spring").code == 0
    assert there("cancel", "spring").code == 0
    assert there.api.ended(run) == "cancelled"


def test_the_server_says_who_may(there: There) -> None:
    there.role = "view"
    refused = there("run", "hello", "--yes")
    assert refused.code == 2
    said = "error[RF973]: this needs the role `run`; view@example.com has the role `view`"
    assert said in refused.err
    assert "ask an admin for a token with the role `run`" in refused.err
    other = there("approve", "--as", "somebody@example.com")
    assert "no run is waiting" in other.err
    wrong = there("freeze", "production", "--until", "1h", "--reason", "x", "--as", "me")
    assert wrong.code == 2


def test_another_name_than_the_tokens_is_refused(there: There) -> None:
    run = there.api.start("release")
    there.waiting(run)
    done = there("approve", run, "--as", "somebody@example.com")
    assert done.code == 2
    assert "the server knows you as admin@example.com" in done.err


def test_what_nobody_needs_is_removed_there_as_here(there: There) -> None:
    store = artifact_store(there.api.server.state)
    digest = store.put_bytes(b"nobody's")
    os.utime(store.path(digest), (0, 0))
    for run in (there.api.start("hello"), there.api.start("hello")):
        there.api.ended(run)
    for words in (
        ["--plan"],
        ["--plan", "--format", "json"],
        ["--plan", "--days", "0", "--keep-runs", "1", "--format", "json"],
        ["--plan", "--days", "0", "--keep-runs", "0"],
    ):
        far, near = there("gc", *words), there.here("gc", *words)
        assert (far.code, far.out, far.err) == (near.code, near.out, near.err), words
        assert far.code == 0
    done = there("gc", "--days", "0", "--keep-runs", "1", "--yes")
    assert "removed 1 artifact (8 B) and the folder of 1 run" in done.err
    assert digest not in [kept.digest for kept in store.list()]
    there.role = "approve"
    assert there("gc", "--plan").code == 2


def test_a_webhook_is_made_listed_rotated_and_ended_there(there: There, place: Place) -> None:
    place.write("called.rflow", "flow called {\n  trigger hook: webhook\n}\n")
    there.api.server.catalog.refresh()
    made = there("webhook", "create", "called")
    assert made.code == 0, made
    assert made.out.startswith(f"{there.api.url}/release-flows/")
    assert httpx.get(made.out.strip(), timeout=30).status_code == 201
    (listed,) = json.loads(there("webhook", "list", "--format", "json").out)
    assert (listed["target"], listed["signing"]) == ("called", False)
    near, far = there.here("webhook", "list"), there("webhook", "list")
    assert (near.code, near.out) == (far.code, far.out)
    other = there("webhook", "rotate", listed["id"], "--url", "https://rflow.example.com")
    assert other.out.startswith("https://rflow.example.com/release-flows/")
    assert httpx.get(made.out.strip(), timeout=30).status_code == 404
    (stands,) = [one for one in there.hooks() if one["revoked_at"] is None]
    there.role = "run"
    assert "RF973" in there("webhook", "revoke", stands["id"]).err
    there.role = "admin"
    assert there("webhook", "revoke", stands["id"]).code == 0
    assert all(one["revoked_at"] for one in there.hooks())


def test_a_receiver_is_told_from_there(there: There) -> None:
    with receiving() as receiver:
        added = there("subscriptions", "add", receiver.url, "--event", "run.*", "--format", "json")
        assert added.code == 0, added
        id = json.loads(added.out)["subscription"]["id"]
        for words in (["list"], ["list", "--format", "json"], ["deliveries", id]):
            near, far = there.here("subscriptions", *words), there("subscriptions", *words)
            assert (near.code, near.out) == (far.code, far.out), words
        assert there("subscriptions", "test", id).out.startswith("message 1 is sent")
        assert there("subscriptions", "resend", id, "1").code == 0
        listed = json.loads(there("subscriptions", "deliveries", id, "--format", "json").out)
        assert [one["type"] for one in listed] == ["subscription.test"]
        assert there("subscriptions", "remove", id).code == 0
    assert "nobody is subscribed" in there("subscriptions").out
    assert there.here("subscriptions", "list").out == "nobody is subscribed\n"


def test_what_needs_the_state_is_refused(there: There) -> None:
    done = there("hook", "install", ".")
    assert done.code == 2
    assert "error: " in done.err
    assert done.out == ""


def test_no_server_is_no_traceback(there: There) -> None:
    done = there._run("--server", "http://127.0.0.1:1", "runs")
    assert done.code == 2
    assert "there is no token" in done.err
    there._environ.setenv("RFLOW_TOKEN", "rflow_x")
    done = there._run("--server", "http://127.0.0.1:1", "runs")
    assert "cannot be reached" in done.err
    done = there._run("--server", "ftp://x", "runs")
    assert "is not the address of a server" in done.err


def test_a_token_is_kept_by_login(
    there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text(there.api.secrets["view"] + "\n")
    with open(token) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        done = there._run("login", there.api.url)
    assert done.code == 0, done
    assert "knows you as view@example.com (view)" in done.out
    (kept,) = tmp_path.rglob("tokens.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert there._run("--server", there.api.url, "runs").code == 0
    kept.chmod(0o644)
    assert "can be read by others" in there._run("--server", there.api.url, "runs").err


def test_tokens_pauses_and_arguments_there_and_here(there: There) -> None:
    far = there("token", "create", "ci", "--role", "run", "--format", "json")
    near = there.here("token", "create", "cd", "--role", "run", "--format", "json")
    ids = [json.loads(done.out)["id"] for done in (far, near)]
    listed = there("token", "list", "--format", "json")
    assert listed.out == there.here("token", "list", "--format", "json").out
    assert {token["name"] for token in json.loads(listed.out)} >= {"ci", "cd"}
    assert there("token", "revoke", ids[1]).code == 0
    assert there.here("token", "rotate", ids[0]).code == 0
    assert there("token", "revoke", "nothing").code == 2
    assert there("pause", "hello", "--reason", "later").code == 0
    assert there.here("unpause", "hello").code == 0
    assert there("unpause", "hello").code == 2
    started = there("run", "hello", "--arg", "who=you", "--yes")
    assert started.code == 0
    assert there.here("pause", "hello").err == "  end it: rflow unpause hello\n"
    assert "did you mean `hello`?" in there.here("pause", "helo").err
    assert there("args", "set", "hello", "who=everybody").out == "saved who = everybody\n"
    file = str(there.api.server.catalog.root / "flows.rflow")
    assert there.here("args", "list", file, "--flow", "hello").out == "who = everybody\n"
    assert "hello everybody" in there("run", "hello", "--yes").out
    unset = there.here("args", "unset", file, "who", "--flow", "hello")
    assert unset.out == "no value of who is saved any more\n"
    assert there("args", "unset", "hello", "who").code == 2
    logged = there("audit")
    assert logged.code == 0
    assert logged.out == there.here("audit").out
    actions = [line["action"] for line in json.loads(there("audit", "--format", "json").out)]
    assert actions[:3] == ["args.unset", "args.unset", "run.start"]


def test_nobody_is_sent_to_go_on_with_what_the_server_goes_on_with(
    there: There, place: Place
) -> None:
    run = place.create(there.api.server, "release")
    journal = there.api.server.services.here().journal
    there.waiting(run)
    wait_for(lambda: journal.claimed(run) is None or None)
    for done in (there("runs"), there.here("runs"), there("show", run), there.here("show", run)):
        assert (done.code, done.err) == (0, "")
    done = there.here("approve", run, "--as", "approve@example.com", "--yes")
    assert (done.code, done.err) == (0, "")
