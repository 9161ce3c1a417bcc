"""`rflow diff` as a process: files, revisions of git, runs; what it prints and ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from changed_shop import SHOP, changed

Call = Callable[..., subprocess.CompletedProcess[str]]

LESS = changed(("    count 2\n", ""), ('    lock "shop-web"\n', ""))
SMALL = """\
rflow 1
flow hello {
  arg name: string = "world"
  node greet: sh { script = "echo $<args.name>"  pure }
}
"""


@pytest.fixture
def call(tmp_path: Path) -> Call:
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "RFLOW_AS": "dev@example.com",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "dev",
        "GIT_AUTHOR_EMAIL": "dev@example.com",
        "GIT_COMMITTER_NAME": "dev",
        "GIT_COMMITTER_EMAIL": "dev@example.com",
        "COLUMNS": "100",
    }

    def of(*argv: str, program: str = "rflow") -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "rflow.cli"] if program == "rflow" else [program]
        return subprocess.run(
            [*words, *argv],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return of


@pytest.fixture
def git(call: Call) -> Callable[..., str]:
    def of(*argv: str) -> str:
        done = call(*argv, program="git")
        assert done.returncode == 0, done.stderr
        return done.stdout

    return of


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "old.rflow").write_text(SHOP)
    (tmp_path / "new.rflow").write_text(LESS)
    return tmp_path


def test_risks_are_told_and_end_with_1(files: Path, call: Call) -> None:
    done = call("diff", "old.rflow", "new.rflow")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "release: 2 risks",
        "  risk     `go_live` asks for 1 approval, it was 2  new.rflow:40",
        '  risk     `web` does not take the lock "shop-web" any more  new.rflow:60',
    ]


def test_exit_zero(files: Path, call: Call) -> None:
    assert call("diff", "--exit-zero", "old.rflow", "new.rflow").returncode == 0


def test_what_is_stronger_is_no_change(files: Path, call: Call) -> None:
    done = call("diff", "new.rflow", "old.rflow")

    assert (done.returncode, done.stdout) == (0, "ok nothing that matters for safety changed\n")


def test_json(files: Path, call: Call) -> None:
    done = call("diff", "old.rflow", "new.rflow", "--format", "json")
    found = json.loads(done.stdout)

    assert done.returncode == 1
    assert found["counts"] == {"risk": 2, "caution": 0, "note": 0}
    (flow,) = found["flows"]
    assert flow["changes"][0] == {
        "level": "risk",
        "code": "gate-count",
        "subjects": ["go_live"],
        "message": "`go_live` asks for 1 approval, it was 2",
        "where": {"side": "new", "path": "new.rflow", "line": 40},
    }


def test_markdown(files: Path, call: Call) -> None:
    done = call("diff", "old.rflow", "new.rflow", "--format", "markdown")

    assert done.stdout == (
        "### What this change means for safety\n"
        "\n"
        "2 risks.\n"
        "\n"
        "#### Flow `release`\n"
        "\n"
        "- **Risk**: `go_live` asks for 1 approval, it was 2 (`new.rflow:40`)\n"
        '- **Risk**: `web` does not take the lock "shop-web" any more (`new.rflow:60`)\n'
    )


def test_markdown_of_texts_that_would_mark_up(tmp_path: Path, call: Call) -> None:
    (tmp_path / "a.rflow").write_text(SHOP)
    text = changed(('keep "a copy harms nobody"', 'keep "<b>no</b> [x](http://e) `` ** @all"'))
    (tmp_path / "b.rflow").write_text(text)
    line = call("diff", "a.rflow", "b.rflow", "--format", "markdown").stdout.splitlines()[-1]

    assert "<b>" not in line.replace("\\<b\\>", "")
    assert "[x]" not in line


def test_a_file_with_mistakes(files: Path, call: Call) -> None:
    (files / "bad.rflow").write_text("rflow 1\nflow x { node }\n")
    done = call("diff", "old.rflow", "bad.rflow")

    assert done.returncode == 1
    assert "bad.rflow:2" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("old.rflow",), "two runs or two files"),
        (("--rev", "HEAD", "old.rflow", "new.rflow"), "takes one file"),
        (("--rev", "HEAD", "old.rflow"), "no git repository"),
        (("old.rflow", "new.rflow", "--flow", "nope"), "no file holds"),
        (("a", "b"), "no runs here"),
    ],
)
def test_bad_usage(files: Path, call: Call, argv: tuple[str, ...], words: str) -> None:
    done = call("diff", *argv)

    assert done.returncode == 2
    assert words.replace("no file", "neither file") in done.stderr


# -- revisions -----------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, git: Callable[..., str]) -> Path:
    """`main` has the shop in a folder, with an import; `topic` weakens it; `main` went on."""
    folder = tmp_path / "flows"
    folder.mkdir()
    shop = folder / "shop.rflow"
    people = 'rflow 1\n\ngroup managers { members = ["lead@example.com", "oncall@example.com"] }\n'
    group = 'group managers { members = ["lead@example.com", "oncall@example.com"] }\n'
    imported = 'import "people.rflow"\n'
    (folder / "people.rflow").write_text(people)
    git("init", "-q", "-b", "main")
    shop.write_text(SHOP.replace(group, imported))
    git("add", "flows")
    git("commit", "-q", "-m", "one")
    git("checkout", "-q", "-b", "topic")
    shop.write_text(LESS.replace(group, imported))
    git("commit", "-q", "-am", "two")
    git("checkout", "-q", "main")
    shop.write_text(changed(("    protect\n", "")).replace(group, imported))
    git("commit", "-q", "-am", "three")
    return shop


def heads(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode in (0, 1), done.stderr
    return sorted(c["code"] for f in json.loads(done.stdout)["flows"] for c in f["changes"])


@pytest.mark.parametrize(
    ("revisions", "codes"),
    [
        ("main...topic", ["gate-count", "lock-dropped"]),
        ("main..topic", ["gate-count", "lock-dropped"]),
        ("topic..main", ["unprotected"]),
        ("main~1..main", ["unprotected"]),
        ("main~1", ["unprotected"]),
        ("HEAD", []),
        ("topic...", ["unprotected"]),
    ],
)
def test_revisions(repository: Path, call: Call, revisions: str, codes: list[str]) -> None:
    done = call("diff", "--rev", revisions, "flows/shop.rflow", "--format", "json")

    assert heads(done) == codes


def test_a_file_that_is_new(repository: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "flows" / "more.rflow").write_text(SMALL)
    done = call("diff", "--rev", "HEAD", "flows/more.rflow", "--format", "json")

    assert heads(done) == ["flow-added"]


def test_a_file_that_is_gone(repository: Path, call: Call) -> None:
    repository.unlink()
    done = call("diff", "--rev", "HEAD", "flows/shop.rflow", "--format", "json")

    assert heads(done) == ["flow-removed"]


@pytest.mark.parametrize("revision", ["nope", "--help", "main:flows", "", "..", "-x..main"])
def test_what_is_no_revision(repository: Path, call: Call, revision: str) -> None:
    done = call("diff", f"--rev={revision}", "flows/shop.rflow")

    assert done.returncode == 2
    assert "git knows no revision" in done.stderr


def test_a_mistake_in_a_revision_is_shown_with_it(
    repository: Path, call: Call, git: Callable[..., str]
) -> None:
    good = repository.read_text()
    repository.write_text(good.replace("flow release", "flow release {"))
    git("commit", "-q", "-am", "bad")
    repository.write_text(good)
    done = call("diff", "--rev", "HEAD", "flows/shop.rflow")

    assert done.returncode == 1
    assert "HEAD:flows/shop.rflow" in done.stderr


# -- runs ----------------------------------------------------------------------------------------


@pytest.fixture
def two_runs(tmp_path: Path, call: Call) -> tuple[str, str]:
    flow = tmp_path / "hello.rflow"
    flow.write_text(SMALL)
    assert call("run", "hello.rflow", "--yes").returncode == 0
    flow.write_text(
        SMALL.replace("echo $", "echo hello $").replace(
            "}\n}", '}\n  node more: sh after greet { script = "true"  pure }\n}'
        )
    )
    assert call("run", "hello.rflow", "--yes", "--arg", "name=you").returncode == 0
    listed = json.loads(call("runs", "--format", "json").stdout)
    return listed[1]["run"], listed[0]["run"]


def test_two_runs(two_runs: tuple[str, str], call: Call) -> None:
    one, two = two_runs
    done = call("diff", one, two)

    assert done.returncode == 0
    assert f"{one} → {two}" in done.stdout
    assert "  name  world → you\n" in done.stdout
    assert "  greet  script changed\n" in done.stdout
    assert "  more  added sh\n" in done.stdout
    assert "+  node more: sh after greet" in done.stdout


def test_two_runs_as_json(two_runs: tuple[str, str], call: Call) -> None:
    found = json.loads(call("diff", *two_runs, "--format", "json").stdout)

    assert not found["same_plan"]
    assert found["sections"] == {"arguments": [{"name": "name", "before": "world", "now": "you"}]}
    assert [(change["node"], change["change"]) for change in found["graph"]] == [
        ("greet", "changed"),
        ("more", "added"),
    ]
    assert [source["path"] for source in found["sources"]] == ["hello.rflow"]


def test_a_run_and_itself(two_runs: tuple[str, str], call: Call) -> None:
    assert "they differ in nothing" in call("diff", "last", "last").stdout


def test_two_runs_as_markdown(two_runs: tuple[str, str], call: Call) -> None:
    done = call("diff", *two_runs, "--format", "markdown")

    assert "**arguments**" in done.stdout
    assert "```diff\n" in done.stdout
