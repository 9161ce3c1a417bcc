"""An answer of the cache is given only while it would be made again the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rflow.cli import cache
from rflow.cli.project import Project

ARGV = ["check", "release.rflow"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the working folder, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "release.rflow").write_text("rflow 1\n")
    (project / "shared.rflow").write_text("rflow 1\n# shared\n")
    monkeypatch.chdir(project)
    monkeypatch.setattr("rflow.plugins.cache.fingerprint", lambda: "sha256:same")
    return project


def keep() -> None:
    project = Project.open("release.rflow")
    real = os.path.realpath("shared.rflow")
    content = (project.directory / "shared.rflow").read_bytes()
    project.read.append(
        cache.File(str(project.directory / "shared.rflow"), real, cache.digest(content))
    )
    facts = project.facts
    assert facts is not None
    cache.keep(ARGV, ("out\n", "err\n", 0), facts)


def test_the_same_again(place: Path) -> None:
    assert cache.recall(ARGV) is None
    keep()
    assert cache.recall(ARGV) == ("out\n", "err\n", 0)


def edit(place: Path) -> None:
    (place / "release.rflow").write_text("rflow 2\n")


def edit_import(place: Path) -> None:
    path = place / "shared.rflow"
    before = path.stat()
    path.write_text("rflow 1\n# shaped\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove_import(place: Path) -> None:
    (place / "shared.rflow").unlink()


def link_import_elsewhere(place: Path) -> None:
    (place / "other.rflow").write_bytes((place / "shared.rflow").read_bytes())
    (place / "shared.rflow").unlink()
    (place / "shared.rflow").symlink_to("other.rflow")


def become_a_part_of_another_project(place: Path) -> None:
    (place.parent / ".git").mkdir()


def touch(place: Path) -> None:
    os.utime(place / "release.rflow", (1, 1))


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        (edit, False),
        (edit_import, False),
        (remove_import, False),
        (link_import_elsewhere, False),
        (become_a_part_of_another_project, False),
        (touch, True),
    ],
)
def test_what_changes_an_answer(place: Path, change: object, holds: bool) -> None:
    keep()
    assert callable(change)
    change(place)
    assert (cache.recall(ARGV) is not None) is holds


@pytest.mark.parametrize(
    ("name", "value"), [("COLUMNS", "40"), ("NO_COLOR", "1"), ("FORCE_COLOR", "1")]
)
def test_the_look_is_part_of_the_question(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep()
    monkeypatch.setenv(name, value)
    assert cache.recall(ARGV) is None


def test_other_words_are_another_question() -> None:
    keep()
    assert cache.recall([*ARGV, "--format", "json"]) is None


def test_other_plugins_are_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    keep()
    monkeypatch.setattr("rflow.plugins.cache.fingerprint", lambda: "sha256:other")
    assert cache.recall(ARGV) is None


def kept(place: Path) -> list[Path]:
    return sorted((place.parent / "cache" / "rflow" / "check").iterdir())


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "folder"])
def test_a_damaged_cache_is_none(place: Path, damage: str) -> None:
    keep()
    (path,) = kept(place)
    data = path.read_bytes()
    path.unlink()
    match damage:
        case "cut":
            path.write_bytes(data[:-1])
        case "flip":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "empty":
            path.write_bytes(b"")
        case _:
            path.mkdir()
    assert cache.recall(ARGV) is None
    keep()


def test_a_cache_that_cannot_be_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.parent / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.parent / "file"))
    keep()
    assert cache.recall(ARGV) is None


def test_old_answers_go(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT_MAX", 3)
    for number in range(6):
        cache.keep(["check", str(number)], ("", "", 0), cache.Facts((), ()))
    assert len(kept(place)) == 3


def test_long_answers_are_not_kept(place: Path) -> None:
    cache.keep(ARGV, ("x" * (cache.SIZE_MAX + 1), "", 0), cache.Facts((), ()))
    assert not (place.parent / "cache" / "rflow" / "check").exists()
