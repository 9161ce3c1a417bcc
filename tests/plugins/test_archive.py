"""`build.archive`: the same content, the same bytes."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from rflow.plugins import NodeError
from rflow.plugins.kinds.archive import Archive
from rflow.plugins.local_context import LocalContext, run_node


def fill(folder: Path, order: int = 1) -> Path:
    folder.mkdir(parents=True)
    names = ["b.txt", "a/run.sh", "a/deep/x", ".hidden", "ü.txt"][::order]
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "a/run.sh").chmod(0o700)
    (folder / "link").symlink_to("a/run.sh")
    (folder / "empty").mkdir()
    return folder


def names_of(ctx: LocalContext, digest: str) -> list[str]:
    with tarfile.open(ctx.artifacts.path(digest)) as archive:
        return archive.getnames()


def test_the_same_content_is_the_same_artifact(ctx: LocalContext) -> None:
    one, two = fill(ctx.directory / "one"), fill(ctx.directory / "two", -1)
    for path in two.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    (two / "b.txt").chmod(0o600)
    first, second = (run_node(Archive(name, "shop"), ctx) for name in ("one", "two"))
    assert first == second
    (one / "b.txt").write_text("changed")
    assert run_node(Archive("one", "shop"), ctx).artifact != first.artifact


def test_what_it_puts_out_and_what_is_in_it(ctx: LocalContext) -> None:
    fill(ctx.directory / "one")
    found = run_node(Archive("one", "shop"), ctx)
    path = ctx.artifacts.path(found.artifact)
    assert (found.name, found.version, found.size) == ("shop", "shop", path.stat().st_size)
    assert run_node(Archive("one", "shop", version="1.2"), ctx).version == "1.2"
    with tarfile.open(path) as archive:
        members = {member.name: member for member in archive}
    assert list(members) == sorted(members)
    assert "empty" in members
    assert members["a/run.sh"].mode == 0o755
    assert members["b.txt"].mode == 0o644
    assert members["link"].linkname == "a/run.sh"
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in members.values()} == {(0, 0, 0, "")}


def test_what_stays_out(ctx: LocalContext) -> None:
    folder = fill(ctx.directory / "one")
    (folder / "a" / ".rflow").mkdir()
    (folder / "a" / ".rflow" / "key").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    node = Archive("one", "shop", exclude=["*.txt", "!b.txt", "/a/deep/", "!.git", "!.rflow"])
    found = names_of(ctx, run_node(node, ctx).artifact)
    assert found == sorted([".hidden", "a", "a/run.sh", "b.txt", "empty", "link"])


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "a/../../outside"])
def test_a_link_that_leads_out(ctx: LocalContext, target: str) -> None:
    folder = fill(ctx.directory / "one")
    (folder / "bad").symlink_to(target)
    with pytest.raises(NodeError, match="the link `bad` leads out"):
        run_node(Archive("one", "shop"), ctx)


def test_what_cannot_be_packed(ctx: LocalContext) -> None:
    with pytest.raises(NodeError, match="no folder `one`"):
        run_node(Archive("one", "shop"), ctx)
    folder = fill(ctx.directory / "one")
    os.mkfifo(folder / "pipe")
    with pytest.raises(NodeError, match="`pipe` is neither"):
        run_node(Archive("one", "shop"), ctx)


def test_it_can_be_ended(ctx: LocalContext) -> None:
    fill(ctx.directory / "one")
    ctx.cancel()
    with pytest.raises(NodeError, match="ended while it packed"):
        run_node(Archive("one", "shop"), ctx)
