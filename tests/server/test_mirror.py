"""Mirrors of real repositories."""

from __future__ import annotations

from pathlib import Path

import pytest
from rflow.server.mirror import GitError, Mirror, git, heads, masked

from .conftest import Repository


def test_heads_and_tags(repository: Repository) -> None:
    sha = repository.commit(a="1")
    repository.git("tag", "-a", "v1", "-m", "one")
    found = heads(str(repository.folder))
    assert found["refs/heads/main"] == found["refs/tags/v1"] == sha
    assert heads(str(repository.folder), "refs/heads/main") == {"refs/heads/main": sha}


def test_changed_paths_and_files(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit(a_dot_txt="1", src__b="2")
    second = repository.commit(src__b="3", src__c="4", a_dot_txt=None)
    mirror = Mirror.within(tmp_path / "mirrors", str(repository.folder))
    assert mirror.changed(first, second) == ["a.txt", "src/b", "src/c"]
    assert mirror.changed("0" * 40, first) == ["a.txt", "src/b"]
    assert list(mirror.blobs(second)) == ["src/b", "src/c"]
    assert mirror.base(first, second) == first


def test_a_checkout_has_the_files_of_its_commit(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit(a="1")
    mirror = Mirror.within(tmp_path / "mirrors", str(repository.folder))
    mirror.check_out(first, tmp_path / "at" / first)
    second = repository.commit(a="2")
    mirror.check_out(second, tmp_path / "at" / second)
    mirror.check_out(second, tmp_path / "at" / second)
    assert [(tmp_path / "at" / sha / "a").read_text() for sha in (first, second)] == ["1", "2"]
    assert sorted(p.name for p in (tmp_path / "at").iterdir()) == sorted([first, second])


def test_what_is_not_there(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a="1")
    mirror = Mirror.within(tmp_path / "mirrors", str(repository.folder))
    with pytest.raises(GitError, match="no commit"):
        mirror.need("1" * 40)
    with pytest.raises(GitError, match="does not appear to be a git repository"):
        heads(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("url", ["--upload-pack=touch x", "ext::sh -c 'touch x'"])
def test_no_address_is_a_command(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GitError):
        heads(url)
    assert list(tmp_path.iterdir()) == []


def test_errors_hold_no_password(tmp_path: Path) -> None:
    assert masked("fatal: https://me:token@git.example.com/x") == "fatal: https://git.example.com/x"
    with pytest.raises(GitError, match="unable to access"):
        git("ls-remote", "--", "http://me:token@127.0.0.1:1/x")
