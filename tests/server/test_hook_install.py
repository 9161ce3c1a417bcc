"""`rflow hook install`: where a hook is called, and which server it tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rflow.cli.main import invoke
from rflow.server import listening, mirror, webhooks
from rflow.server.config import NAME

from .conftest import Place, Repository

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hook(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Say:
    """Installs a hook from the folder of the flows."""
    for name in ("RFLOW_STATE", "RFLOW_SERVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(place.folder)

    def install(*words: str) -> tuple[int, str, str]:
        code = invoke(["hook", "install", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return install


def test_a_working_tree_that_takes_no_pushes_is_refused(
    hook: Say, repository: Repository, tmp_path: Path
) -> None:
    bare = tmp_path / "shop.git"
    repository.git("init", "-q", "--bare", str(bare))
    repository.git("remote", "add", "origin", str(bare))
    code, _, told = hook(str(repository.folder))
    assert code == 2
    assert "has a working tree" in told
    assert f"pushed to (`{bare}`)" in told
    assert not (repository.folder / ".git/hooks/post-receive").exists()
    assert not (tmp_path / ".rflow").exists()


def test_a_working_tree_that_takes_pushes_gets_one(hook: Say, repository: Repository) -> None:
    repository.git("config", "receive.denyCurrentBranch", "updateInstead")
    (repository.folder / "src").mkdir()
    code, said, told = hook(str(repository.folder / "src"))
    assert code == 0, told
    assert said.startswith(f"{repository.folder} tells ")
    assert f"written: {repository.folder}/.git/hooks/post-receive" in told
    assert f'repo = "{repository.folder}"' in told
    assert (repository.folder / ".git/hooks/post-receive").exists()


def test_hooks_that_git_looks_for_elsewhere_are_refused(hook: Say, repository: Repository) -> None:
    repository.git("config", "core.hooksPath", ".githooks")
    code, _, told = hook(str(repository.folder))
    assert code == 2
    assert "git calls the hooks in `.githooks` there" in told
    assert "config --local --unset core.hooksPath" in told


def test_a_repository_of_another_user_is_not_taken_for_none(
    hook: Say, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "GIT_TEST_ASSUME_DIFFERENT_OWNER"  # git's own way to try this out
    monkeypatch.setenv(other, "1")
    monkeypatch.setattr(mirror, "_KEPT", (*mirror._KEPT, other))
    code, _, told = hook(str(repository.folder))
    assert code == 2
    assert "it belongs to another user" in told
    assert f"--add safe.directory {repository.folder}" in told


def test_which_server_is_told(hook: Say, place: Place, repository: Repository) -> None:
    bare = place.folder / "shop.git"
    repository.git("init", "-q", "--bare", str(bare))

    _, usual, why = hook(str(bare))
    assert "tells http://127.0.0.1:8700 of what" in usual
    assert "no server has served this state yet" in why

    (place.folder / NAME).write_text("port = 9001")
    _, settings, why = hook(str(bare))
    assert "tells http://127.0.0.1:9001 of what" in settings
    assert f"that is what `{NAME}` says" in why

    server = place.open()
    listening.remember(server.services.here().journal, "http://127.0.0.1:9002")
    _, last, why = hook(str(bare))
    assert "tells http://127.0.0.1:9002 of what" in last
    assert "where the server was last reached" in why

    _, given, why = hook(str(bare), "--url", "https://rflow.example.com/")
    assert "tells https://rflow.example.com of what" in given
    assert "--url" not in why
    assert "https://rflow.example.com/hooks/plain" in (bare / "hooks/post-receive").read_text()
    stand = [one for one in webhooks.listed(server.store) if one.revoked_at is None]
    assert len(stand) == 1
    server.close()
