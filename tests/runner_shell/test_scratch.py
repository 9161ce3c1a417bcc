"""Scratch folders are empty when they are given, and hold nothing longer than their attempt."""

from __future__ import annotations

from pathlib import Path

from rflow.runner.scratch import Scratch


def test_given_again_empty(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    first, second = scratch.take(), scratch.take()
    assert first != second
    Path(first, "secret").write_text("hunter2")
    scratch.leave(first, again=True)
    scratch.tidy()
    assert scratch.take() == first
    assert list(Path(first).iterdir()) == []
    assert Path(first).stat().st_mode & 0o777 == 0o700


def test_never_given_again_where_something_may_still_write(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    first, second = scratch.take(), scratch.take()
    scratch.leave(first, again=False)
    Path(second, "folder").mkdir()
    scratch.leave(second, again=True)
    scratch.tidy()
    assert not Path(first).exists()
    assert not Path(second).exists()
    assert scratch.take() not in (first, second)


def test_clear(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    Path(scratch.take(), "file").write_text("")
    scratch.clear()
    assert not (tmp_path / "scratch").exists()
    assert Path(scratch.take()).is_dir()
