"""`deploy.directory`: real folders, links, scripts and servers."""

from __future__ import annotations

import io
import os
import pkgutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from rflow.plugins import NodeError
from rflow.plugins.derive import build
from rflow.plugins.kinds.deploy_directory import Directory
from rflow.plugins.local_context import LocalContext, perform, run_node


def pack(ctx: LocalContext, **files: str) -> str:
    """An artifact with these files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    return ctx.artifacts.put_bytes(raw.getvalue())


def pack_members(ctx: LocalContext, *members: tarfile.TarInfo) -> str:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return ctx.artifacts.put_bytes(raw.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def deploy(ctx: LocalContext, artifact: str, **inputs: Any) -> Any:
    return run_node(build(Directory, {"artifact": artifact, "target": "site", **inputs}), ctx)


def live(ctx: LocalContext, name: str = "a") -> str:
    return (ctx.directory / "site" / "current" / name).read_text()


def test_the_first_and_the_second_deployment(ctx: LocalContext) -> None:
    one, two = pack(ctx, a="1", bin__run="x"), pack(ctx, a="2")
    first = deploy(ctx, one)
    assert live(ctx) == "1"
    assert first.former is None
    assert [tuple(vars_of(e)) for e in ctx.announced] == [("node@production", None, one)]
    second = deploy(ctx, two, name="web")
    assert live(ctx) == "2"
    assert second.former == one
    assert vars_of(ctx.announced[1]) == ["web@production", one, two]
    assert Path(second.path).is_dir()
    assert os.readlink(second.current) == f"releases/{two.replace(':', '-')}"


def vars_of(effect: Any) -> list[Any]:
    return [effect.resource, effect.before, effect.after]


def test_undo_goes_back_to_what_was_there(ctx: LocalContext) -> None:
    one, two = pack(ctx, a="1"), pack(ctx, a="2")
    deploy(ctx, one, restart="cat site/current/a >> log")
    after = LocalContext(ctx.root, run="run-2")
    done = deploy(after, two, restart="cat site/current/a >> log")
    node = Directory(two, "site", restart="cat site/current/a >> log")
    perform(node.undo, after.next(), done)
    assert live(ctx) == "1"
    assert (ctx.directory / "log").read_text() == "121"
    perform(node.undo, after.next(), done)
    assert live(ctx) == "1"


def test_undo_of_the_first_deployment_leaves_nothing(ctx: LocalContext) -> None:
    one = pack(ctx, a="1")
    done = deploy(ctx, one)
    node = Directory(one, "site", stop="echo stopped > log")
    perform(node.undo, ctx.next(), done)
    assert not (ctx.directory / "site" / "current").is_symlink()
    assert (ctx.directory / "log").read_text() == "stopped\n"


def test_undo_brings_back_a_release_that_was_removed(ctx: LocalContext) -> None:
    one, two = pack(ctx, a="1"), pack(ctx, a="2")
    first = deploy(ctx, one)
    after = LocalContext(ctx.root, run="run-2")
    done = deploy(after, two)
    (Path(first.path) / "a").unlink()
    Path(first.path).rmdir()
    perform(Directory(two, "site").undo, after.next(), done)
    assert live(ctx) == "1"


def test_undo_leaves_what_somebody_else_deployed(ctx: LocalContext) -> None:
    one, two = pack(ctx, a="1"), pack(ctx, a="2")
    done = deploy(ctx, one)
    deploy(LocalContext(ctx.root, node="other"), two)
    with pytest.raises(NodeError, match="which this run did not deploy") as caught:
        perform(Directory(one, "site").undo, ctx.next(), done)
    assert not caught.value.retry
    assert live(ctx) == "2"


def test_a_failed_restart_fails_and_can_be_undone(ctx: LocalContext) -> None:
    one, two = pack(ctx, a="1"), pack(ctx, a="2")
    deploy(ctx, one)
    after = LocalContext(ctx.root, run="run-2")
    restart = '[ "$(cat site/current/a)" = 1 ]'
    with pytest.raises(NodeError, match="the restart ended with status 1"):
        deploy(after, two, restart=restart)
    assert live(ctx) == "2"
    perform(Directory(two, "site", restart=restart).undo, after.next(), None)
    assert live(ctx) == "1"


def test_the_value_before_is_that_before_the_first_attempt(ctx: LocalContext) -> None:
    one, two = pack(ctx, a="1"), pack(ctx, a="2")
    deploy(ctx, one)
    tries = LocalContext(ctx.root, run="run-2")
    for attempt in (1, 2, 3):
        tries = tries.next(attempt)
        with pytest.raises(NodeError):
            deploy(tries, two, restart="false")
        assert vars_of(tries.announced[-1]) == ["node@production", one, two]
    perform(Directory(two, "site").undo, tries.next(), None)
    assert live(ctx) == "1"


def test_health(ctx: LocalContext, server: Any) -> None:
    one, two = pack(ctx, a="1"), pack(ctx, a="2")
    server.answers = [(503, ""), (503, ""), (200, "ok")]
    deploy(ctx, one, health=f"{server.url}/health")
    assert len(server.requests) == 3
    server.answers = [(500, "")]
    with pytest.raises(NodeError, match=r"answered 500, not 200"):
        deploy(ctx.next(), two, health=server.url, health_within=0.3)
    server.answers = [(204, "")]
    deploy(ctx.next(), two, health=server.url, health_expect=204)


def test_recover_tells_whether_all_was_done(ctx: LocalContext) -> None:
    one, two = pack(ctx, a="1"), pack(ctx, a="2")
    deploy(ctx, one)
    cut_off = LocalContext(ctx.root, run="run-2")
    with pytest.raises(NodeError):
        deploy(cut_off, two, restart="false")
    node = Directory(two, "site")
    assert perform(node.recover, cut_off.next()) is None
    again = cut_off.next()
    done = deploy(again, two)
    assert perform(node.recover, again.next()) == done
    deploy(LocalContext(ctx.root, node="other"), one)
    assert perform(node.recover, again.next()) is None
    assert perform(node.recover, LocalContext(ctx.root)) is None


class Killed(BaseException):
    """Stands for the end of the process."""


CUTS = {
    "before the release has its name": ("os.rename", "before"),
    "before the switch": ("rflow.plugins.kinds.releases.Releases.switch", "before"),
    "after the switch": ("rflow.plugins.kinds.releases.Releases.switch", "after"),
    "before the restart": ("rflow.plugins.kinds.deploy_directory.run_script", "before"),
    "after the restart": ("rflow.plugins.kinds.deploy_directory.run_script", "after"),
    "before what is old is removed": ("rflow.plugins.kinds.releases.Releases.prune", "before"),
    "before the end is noted": ("rflow.plugins.kinds.deploy_directory.note_end", "before"),
    "after the end is noted": ("rflow.plugins.kinds.deploy_directory.note_end", "after"),
}


def cut(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Ends the process at this point, once."""
    name, side = CUTS[where]
    module, _, attribute = name.rpartition(".")
    real = pkgutil.resolve_name(module)
    original = getattr(real, attribute)

    def stop(*args: Any, **named: Any) -> Any:
        monkeypatch.undo()
        if side == "after":
            original(*args, **named)
        raise Killed

    monkeypatch.setattr(name, stop)


@pytest.mark.parametrize("where", CUTS)
def test_cut_off_anywhere_it_is_finished_or_undone(
    ctx: LocalContext, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    one, two = pack(ctx, a="1"), pack(ctx, a="2")
    deploy(ctx, one)
    node = Directory(two, "site", restart="cat site/current/a >> log")
    for undo in (True, False):
        first = LocalContext(ctx.root, run=f"run-{undo}")
        cut(monkeypatch, where)
        with pytest.raises(Killed):
            run_node(node, first)
        if undo:
            perform(node.undo, first.next(), None)
            assert live(ctx) == "1"
            continue
        second = first.next()
        done = perform(node.recover, second) or run_node(node, second)
        assert live(ctx) == "2"
        assert done.former == one
        assert (ctx.directory / "log").read_text().endswith("2")
        perform(node.undo, second.next(), done)
        assert live(ctx) == "1"
    assert not list((ctx.directory / "site").glob("releases/.incoming-*"))


def test_shared_paths_outlive_releases(ctx: LocalContext) -> None:
    one = pack(ctx, a="1", conf__local="from one", data__x="x")
    two = pack(ctx, a="2", conf__local="from two")
    shared = ["conf/local", "data", "log"]
    deploy(ctx, one, shared=shared)
    assert live(ctx, "conf/local") == "from one"
    (ctx.directory / "site/current/log/today").write_text("line")
    (ctx.directory / "site/current/data/x").write_text("changed")
    deploy(ctx.next(), two, shared=shared)
    assert live(ctx, "conf/local") == "from one"
    assert live(ctx, "log/today") == "line"
    assert live(ctx, "data/x") == "changed"
    deploy(ctx.next(), one, shared=shared)
    assert live(ctx, "data/x") == "changed"


@pytest.mark.parametrize("path", ["../out", "/etc", "", "a/../../b"])
def test_shared_paths_that_lead_out(ctx: LocalContext, path: str) -> None:
    with pytest.raises(NodeError, match="must be a path within"):
        deploy(ctx, pack(ctx, a="1"), shared=[path])


def test_only_so_many_releases_stay(ctx: LocalContext) -> None:
    artifacts = [pack(ctx, a=str(i)) for i in range(6)]
    for i, artifact in enumerate(artifacts):
        deploy(LocalContext(ctx.root, node=f"n{i}"), artifact, keep=2)
    folder = ctx.directory / "site" / "releases"
    kept = {path.name.replace("-", ":") for path in folder.iterdir()}
    assert kept == set(artifacts[-2:])
    deploy(LocalContext(ctx.root, node="back"), artifacts[0], keep=1)
    kept = {path.name.replace("-", ":") for path in folder.iterdir()}
    assert kept == {artifacts[0], artifacts[5]}


def test_what_an_interrupted_attempt_left_is_removed(ctx: LocalContext) -> None:
    left = ctx.directory / "site/releases/.incoming-1"
    left.mkdir(parents=True)
    (left / "half").write_text("x")
    deploy(ctx, pack(ctx, a="1"))
    assert not left.exists()


def test_what_was_deployed_by_hand_is_a_value_too(ctx: LocalContext) -> None:
    site = ctx.directory / "site"
    (site / "by-hand").mkdir(parents=True)
    (site / "by-hand" / "a").write_text("hand")
    (site / "current").symlink_to("by-hand")
    one = pack(ctx, a="1")
    done = deploy(ctx, one)
    assert vars_of(ctx.announced[0]) == ["node@production", "link:by-hand", one]
    perform(Directory(one, "site").undo, ctx.next(), done)
    assert live(ctx) == "hand"


def test_a_folder_in_the_place_of_the_link_is_left(ctx: LocalContext) -> None:
    (ctx.directory / "site" / "current").mkdir(parents=True)
    with pytest.raises(NodeError, match="is no link"):
        deploy(ctx, pack(ctx, a="1"))


def test_links_within_the_release(ctx: LocalContext) -> None:
    deploy(ctx, pack_members(ctx, member("l", tarfile.SYMTYPE, "b/a"), member("b/a")))
    assert live(ctx, "l") == ""


@pytest.mark.parametrize(
    "members",
    [
        [member("../out")],
        [member("/abs")],
        [member("a/../../out")],
        [member("l", tarfile.SYMTYPE, "/etc")],
        [member("l", tarfile.SYMTYPE, "../..")],
        [member("l", tarfile.SYMTYPE, ".."), member("l/out")],
        [member("d/l", tarfile.SYMTYPE, "../.."), member("x")],
        [member("p", tarfile.FIFOTYPE)],
        [member("c", tarfile.CHRTYPE)],
        [member("h", tarfile.LNKTYPE, "/etc/passwd")],
        [member("h", tarfile.LNKTYPE, "../../secret")],
    ],
)
def test_an_archive_cannot_leave_its_folder(ctx: LocalContext, members: list[Any]) -> None:
    (ctx.directory / "secret").write_text("x")
    with pytest.raises(NodeError) as caught:
        deploy(ctx, pack_members(ctx, *members))
    assert not caught.value.retry
    assert not ctx.announced
    assert not list((ctx.directory / "site" / "releases").iterdir())
    assert not list(ctx.root.rglob("out"))


def test_what_is_no_archive(ctx: LocalContext) -> None:
    with pytest.raises(NodeError, match="is no archive"):
        deploy(ctx, ctx.artifacts.put_bytes(b"no archive"))
    with pytest.raises(NodeError, match="is not kept"):
        deploy(ctx, "sha256:" + "0" * 64)
