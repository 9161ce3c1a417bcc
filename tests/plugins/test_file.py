"""`file.write`: whole files, and back again."""

from __future__ import annotations

import stat

import pytest
from rflow.plugins import NodeError
from rflow.plugins.kinds.file import Write
from rflow.plugins.local_context import LocalContext, perform, run_node


def test_a_new_file_and_its_undo(ctx: LocalContext) -> None:
    node = Write("conf", "one\n", mode="600")
    done = run_node(node, ctx)
    path = ctx.directory / "conf"
    assert path.read_text() == "one\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (done.path, done.changed, done.former) == (str(path), True, None)
    assert ctx.announced[0].before is None
    assert perform(node.recover, ctx.next()) == done
    perform(node.undo, ctx.next(), done)
    assert not path.exists()
    assert perform(node.recover, ctx.next()) is None


def test_a_former_content_comes_back(ctx: LocalContext) -> None:
    path = ctx.directory / "conf"
    path.write_text("former")
    path.chmod(0o640)
    node = Write("conf", "new")
    done = run_node(node, ctx)
    assert ctx.artifacts.path(done.former).read_text() == "former"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    perform(node.undo, ctx.next(), None)
    assert path.read_text() == "former"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_same_again_changes_nothing(ctx: LocalContext) -> None:
    run_node(Write("conf", "x"), ctx)
    assert not run_node(Write("conf", "x"), LocalContext(ctx.root, node="second")).changed


def test_what_somebody_else_wrote_is_left(ctx: LocalContext) -> None:
    node = Write("conf", "x")
    done = run_node(node, ctx)
    (ctx.directory / "conf").write_text("mine")
    with pytest.raises(NodeError, match="changed since"):
        perform(node.undo, ctx.next(), done)
    assert (ctx.directory / "conf").read_text() == "mine"


def test_a_link_is_followed(ctx: LocalContext) -> None:
    (ctx.directory / "real").write_text("a")
    (ctx.directory / "link").symlink_to("real")
    run_node(Write("link", "b"), ctx)
    assert (ctx.directory / "link").is_symlink()
    assert (ctx.directory / "real").read_text() == "b"


@pytest.mark.parametrize(
    ("path", "mode", "message"),
    [
        (".", "644", "is a folder"),
        ("", "644", "no path"),
        ("no/such/folder", "644", "cannot be written"),
        ("conf", "9", "no mode"),
        ("conf", "4755", "no mode"),
    ],
)
def test_wrong_inputs(ctx: LocalContext, path: str, mode: str, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        run_node(Write(path, "x", mode=mode), ctx)
