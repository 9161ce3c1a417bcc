"""`rflow trigger test`: what the triggers of a flow say of an event."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path

import pytest

from .conftest import Rflow

PAYLOADS = Path(__file__).parents[1] / "server" / "payloads"
FLOW = """rflow 1
flow release {
  arg note: string
  trigger main: git {
    repo = "https://github.com/acme/shop.git"
    branches = ["main"]
    paths = ["src/**"]
  }
  node build: sh { script = "true" pure }
}
"""


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=dev", "-c", "user.email=dev@example.com")
    done = subprocess.run(
        ["git", "-C", str(folder), *settings, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A flow in a repository of two commits."""
    git(tmp_path, "init", "-q", "-b", "main", ".")
    path = tmp_path / "release.rflow"
    path.write_text(FLOW)
    (tmp_path / ".gitignore").write_text("home\ncache\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "shop.py").write_text("1")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "one")
    (tmp_path / "README.md").write_text("2")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "two")
    return path


def test_a_commit_is_tried_out_and_each_rule_says_why(rflow: Rflow, flow: Path) -> None:
    told = rflow("trigger", "test", flow.name, "--commit", "HEAD")

    assert told.returncode == 0
    assert "nothing would start" in told.stdout
    assert "none of 1 changed file matches `src/**`" in told.stdout
    assert "the branch `main` matches `main`" in told.stdout


def test_what_would_be_refused_all_the_same_is_told(rflow: Rflow, flow: Path) -> None:
    told = rflow("trigger", "test", flow.name, "--commit", "HEAD~1")

    assert "a run of release would be refused" in told.stdout
    assert "the argument `note` is missing" in told.stdout


def test_another_branch_and_a_tag_can_be_tried(rflow: Rflow, flow: Path) -> None:
    other = rflow("trigger", "test", flow.name, "--commit", "HEAD~1", "--branch", "other")
    tag = rflow("trigger", "test", flow.name, "--commit", "HEAD", "--tag", "v1")

    assert "the branch `other` matches none of `main`" in other.stdout
    assert "the trigger lists no `tags`" in tag.stdout


def test_a_message_of_a_host_is_tried_out(rflow: Rflow, flow: Path) -> None:
    path = PAYLOADS / "github" / "push.json"

    told = rflow("trigger", "test", flow.name, "--event", str(path), "--format", "json")

    (found,) = json.loads(told.stdout)
    assert (found["trigger"], found["outcome"]) == ("main", "start")
    assert [rule["said"] for rule in found["rules"]] == ["yes"] * 4
    assert found["problems"] == ["the argument `note` is missing"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give either `--event FILE` or `--commit SHA`"),
        (("--commit", "nope"), "there is no commit `nope` in "),
        (("--event", "release.rflow"), "is no message of a git host"),
        (("--event", str(PAYLOADS / "github" / "ping.json")), "this can start nothing"),
        (("--event", "nowhere.json"), "nowhere.json"),
    ],
)
def test_a_mistake_is_told(rflow: Rflow, flow: Path, words: tuple[str, ...], told: str) -> None:
    done = rflow("trigger", "test", flow.name, *words)

    assert done.returncode == 2
    assert told in done.stderr


@pytest.fixture
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flow that lies in no repository."""
    path = tmp_path_factory.mktemp("apart") / "release.rflow"
    path.write_text(FLOW)
    return path


@pytest.fixture
def outside(rflow: Rflow, flow: Path, apart: Path) -> Rflow:
    """Tries out a commit with that one."""
    return partial(rflow, "trigger", "test", str(apart))


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_commit_of_another_repository(outside: Rflow, flow: Path, scheme: str) -> None:
    told = outside("--commit", "main", "--repo", f"{scheme}{flow.parent}")
    assert told.returncode == 0, told.stderr
    assert "the branch `main` matches `main`" in told.stdout
    assert "none of 1 changed file matches `src/**`" in told.stdout


def test_a_flow_outside_of_a_repository_asks_that_of_its_triggers(
    outside: Rflow, flow: Path, apart: Path
) -> None:
    apart.write_text(FLOW.replace("https://github.com/acme/shop.git", str(flow.parent)))
    told = outside("--commit", "HEAD")
    assert "none of 1 changed file matches `src/**`" in told.stdout, told.stderr
    several = FLOW.replace("  node", '  trigger other: git { repo = "../b"  tags = ["*"] }\n  node')
    apart.write_text(several)
    told = outside("--commit", "HEAD")
    assert told.returncode == 2
    assert "lies in no git repository, and its triggers are about several" in told.stderr
    assert "`--repo PATH|URL` says where the commit is" in told.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--commit", "HEAD", "--repo", "nowhere"), "`nowhere` is no git repository"),
        (("--commit", "HEAD", "--repo", "file:///nowhere.git"), "is no git repository that can"),
        (("--commit", "nope", "--repo", "."), "there is no commit `nope` in "),
        (("--event", "x.json", "--repo", "."), "`--repo` says where a `--commit` is"),
    ],
)
def test_a_repository_that_is_none(outside: Rflow, words: tuple[str, ...], told: str) -> None:
    done = outside(*words)
    assert done.returncode == 2
    assert told in done.stderr


def test_which_branch_of_an_address_is_asked(outside: Rflow, flow: Path) -> None:
    sha, repo = git(flow.parent, "rev-parse", "HEAD"), f"file://{flow.parent}"
    done = outside("--commit", sha, "--repo", repo)
    assert done.returncode == 2
    assert "which branch is it pushed to?" in done.stderr
    assert outside("--commit", sha, "--repo", repo, "--branch", "main").returncode == 0
