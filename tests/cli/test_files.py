"""Files that cannot be read are diagnostics, and imports stay within the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rflow.cli import files
from rflow.cli.files import Unreadable, decode, read_file
from rflow.cli.project import Project
from rflow.cli.root import root_of
from rflow.compiler.program import LoadError


def refused(path: Path) -> tuple[str, str, str | None]:
    with pytest.raises(Unreadable) as caught:
        read_file(str(path), path.name)
    found = caught.value.diagnostic
    return found.code.id, found.message, found.help


def test_a_missing_file_suggests_a_near_one(tmp_path: Path) -> None:
    (tmp_path / "release.rflow").write_text("rflow 1\n")
    assert refused(tmp_path / "relase.rflow") == (
        "RF191",
        "there is no file `relase.rflow`",
        f"did you mean `{tmp_path}/release.rflow`?",
    )


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.rflow").write_text("")
    assert refused(tmp_path) == (
        "RF191",
        f"`{tmp_path.name}` is a folder, not a flow file",
        f"`{tmp_path}` holds `{tmp_path}/a.rflow`",
    )


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.rflow"
    path.write_bytes("rflow 1\nflow ä".encode() + b"\xe4")
    with pytest.raises(Unreadable) as caught:
        read_file(str(path), "x.rflow")
    label = caught.value.diagnostic.primary
    assert label.source.position(label.span[0]) == (2, 7)
    assert label.text == "byte 0xe4"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"rflow 1\0", "RF193"),
        ("rflow 1".encode("utf-16"), "RF192"),
        (b" " * (files.SIZE_MAX + 1), "RF194"),
    ],
)
def test_other_contents(data: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode("x.rflow", data)
    assert caught.value.diagnostic.code.id == code


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert decode("x.rflow", b"\xef\xbb\xbfrflow 1").text == "rflow 1"


@pytest.mark.skipif(os.geteuid() == 0, reason="everything may be read by root")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.rflow"
    path.write_text("")
    path.chmod(0)
    assert refused(path)[1] == "`x.rflow` cannot be read: permission denied"


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(Unreadable):
        read_file("a\0b", "a")


# -- projects ----------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a root, a folder of flows in it, and a file outside."""
    root = tmp_path / "shop"
    (root / "flows").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "flows" / "release.rflow").write_text("rflow 1\n")
    (root / "shared.rflow").write_text("rflow 1\n# shared\n")
    (tmp_path / "outside.rflow").write_text("rflow 1\n# outside\n")
    return root


def test_the_root_is_the_nearest_mark(project: Path, tmp_path: Path) -> None:
    flows = project / "flows"
    assert root_of(str(flows)) == str(project)
    (flows / ".rflow").mkdir()
    assert root_of(str(flows)) == str(project), "running a flow does not move the root"
    (project / ".git").rmdir()
    assert root_of(str(flows)) == str(flows)
    (flows / ".rflow").rmdir()
    (tmp_path / ".rflow").mkdir()
    assert root_of(str(flows)) == str(tmp_path)


def test_imports_are_named_as_their_importer(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    opened = Project.open("flows/release.rflow")
    shared = opened.load(opened.entry, "../shared.rflow")
    assert (shared.name, shared.text) == ("shared.rflow", "rflow 1\n# shared\n")
    (project / "flows" / "again.rflow").symlink_to("../shared.rflow")
    assert opened.load(opened.entry, "again.rflow") is shared
    assert opened.load(shared, "flows/release.rflow") is opened.entry
    assert opened.facts is not None
    assert len(opened.facts.files) == 4


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../../outside.rflow", "`../../outside.rflow` lies outside the project"),
        ("/etc/hostname", "`/etc/hostname` is not a relative path"),
        ("", "`` is not a relative path"),
        ("a\0", "the path holds a NUL character"),
        ("none.rflow", "there is no file `none.rflow`"),
        ("..", "`..` is a folder, not a flow file"),
        ("pipe", "`pipe` is not a regular file"),
        ("link.rflow", "`link.rflow` lies outside the project"),
    ],
)
def test_imports_that_are_refused(
    project: Path, path: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "flows")
    os.mkfifo(project / "flows" / "pipe")
    (project / "flows" / "link.rflow").symlink_to(project.parent / "outside.rflow")
    opened = Project.open("release.rflow")
    with pytest.raises(LoadError) as caught:
        opened.load(opened.entry, path)
    assert caught.value.message.startswith(message)
    assert opened.facts is None, "an answer with such a mistake is not kept"


def test_without_a_root_only_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "a.rflow").write_text("rflow 1\n")
    (tmp_path / "b.rflow").write_text("rflow 1\n")
    opened = Project.open(str(tmp_path / "flows" / "a.rflow"))
    with pytest.raises(LoadError, match="outside the project"):
        opened.load(opened.entry, "../b.rflow")
