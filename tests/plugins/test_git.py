"""`git.checkout`, on real repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rflow.plugins import NodeError
from rflow.plugins.kinds.git import Checkout
from rflow.plugins.local_context import LocalContext, run_node


@pytest.mark.parametrize("repo", ["repo", "./repo", "file"])
def test_the_newest_commit_of_a_branch(ctx: LocalContext, repository: Any, repo: str) -> None:
    repository.commit("one", a="1")
    sha = repository.commit("two\n\nwith a body", a="2")
    address = f"file://{repository.path}" if repo == "file" else repo
    found = run_node(Checkout(address, branch="main"), ctx)
    assert (found.sha, found.branch, found.message) == (sha, "main", "two\n\nwith a body")
    assert Path(found.path, "a").read_text() == "2"
    assert ctx.workspace in Path(found.path).parents


def test_only_one_commit_is_fetched(ctx: LocalContext, repository: Any) -> None:
    first = repository.commit("one", a="1")
    repository.commit("two", a="2")
    found = run_node(Checkout("repo", sha=first), ctx)
    assert found.sha == first
    assert found.branch is None
    assert Path(found.path, "a").read_text() == "1"
    assert (Path(found.path) / ".git" / "shallow").exists()


def test_the_default_branch(ctx: LocalContext, repository: Any) -> None:
    sha = repository.commit("one", a="1")
    assert run_node(Checkout("repo"), ctx).sha == sha


def test_a_server_that_refuses_single_commits(
    ctx: LocalContext, repository: Any, tmp_path: Path
) -> None:
    first = repository.commit("one", a="1")
    repository.commit("two", a="2")
    (tmp_path / ".gitconfig").write_text("[protocol]\n\tversion = 0\n")
    ctx.variables["HOME"] = str(tmp_path)
    assert run_node(Checkout("repo", sha=first), ctx).sha == first
    assert any("fetching all branches" in line for line in ctx.lines)


def test_a_short_sha(ctx: LocalContext, repository: Any) -> None:
    first = repository.commit("one", a="1")
    repository.commit("two", a="2")
    assert run_node(Checkout("repo", sha=first[:10]), ctx).sha == first


def test_a_tag_that_no_branch_reaches(ctx: LocalContext, repository: Any) -> None:
    repository.commit("one", a="1")
    repository.git("checkout", "--quiet", "--detach")
    tagged = repository.commit("tagged", a="t")
    repository.git("tag", "v1")
    repository.git("checkout", "--quiet", "main")
    assert run_node(Checkout("repo", sha=tagged[:12]), ctx).sha == tagged


def test_a_second_attempt_starts_afresh(ctx: LocalContext, repository: Any) -> None:
    sha = repository.commit("one", a="1")
    found = run_node(Checkout("repo", sha=sha), ctx)
    Path(found.path, "a").write_text("changed")
    Path(found.path, "left").write_text("x")
    Path(found.path, ".git", "index.lock").write_text("")
    again = run_node(Checkout("repo", sha=sha), ctx.next())
    assert again == found
    assert Path(again.path, "a").read_text() == "1"
    assert not Path(again.path, "left").exists()


def test_instances_have_folders_of_their_own(
    tmp_path: Path, ctx: LocalContext, repository: Any
) -> None:
    repository.commit("one", a="1")
    nodes = ("src[eu]", "src[us]", "src-eu-", "../up", ".hidden")
    found = {run_node(Checkout("repo"), LocalContext(tmp_path, node=n)).path for n in nodes}
    assert len(found) == len(nodes)
    assert all(Path(path).parent == ctx.workspace for path in found)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"repo": "--upload-pack=touch x"}, "no address"),
        ({"repo": ""}, "no address"),
        ({"repo": "nowhere"}, "no repository at `nowhere`"),
        ({"repo": "repo", "branch": "--output=x"}, "cannot be the name of a branch"),
        ({"repo": "repo", "branch": "a:refs/heads/b"}, "cannot be the name of a branch"),
        ({"repo": "repo", "branch": "a..b"}, "cannot be the name of a branch"),
        ({"repo": "repo", "sha": "--all"}, "is no commit"),
        ({"repo": "repo", "sha": "HEAD"}, "is no commit"),
        ({"repo": "repo", "sha": "0" * 40}, "has no commit"),
        ({"repo": "repo", "sha": "abcdef0"}, "has no commit"),
    ],
)
def test_refused_for_good(
    ctx: LocalContext, repository: Any, inputs: dict[str, str], message: str
) -> None:
    repository.commit("one", a="1")
    with pytest.raises(NodeError, match=message) as caught:
        run_node(Checkout(**inputs), ctx)
    assert not caught.value.retry
    assert not (ctx.directory / "x").exists()


@pytest.mark.parametrize(
    "repo", ["ext::sh -c 'touch x' %S", "fd::0", "http://127.0.0.1:1/none.git"]
)
def test_no_helper_and_no_prompt(ctx: LocalContext, repo: str) -> None:
    with pytest.raises(NodeError, match="could not fetch"):
        run_node(Checkout(repo, branch="main"), ctx)
    assert not list(ctx.root.rglob("x"))


def test_a_branch_that_is_not_there_may_come(ctx: LocalContext, repository: Any) -> None:
    repository.commit("one", a="1")
    with pytest.raises(NodeError, match="the branch `next`") as caught:
        run_node(Checkout("repo", branch="next"), ctx)
    assert caught.value.retry


def test_hooks_of_the_user_are_not_run(ctx: LocalContext, repository: Any, tmp_path: Path) -> None:
    repository.commit("one", a="1")
    home = tmp_path / "home"
    hooks = home / "hooks"
    hooks.mkdir(parents=True)
    hook = hooks / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n")
    ctx.variables["HOME"] = str(home)
    run_node(Checkout("repo"), ctx)
    assert not (tmp_path / "hooked").exists()
