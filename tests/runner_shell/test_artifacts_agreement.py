"""Every artifact store gives the same answers: the folder, and URLs of several kinds."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from rflow.runner.artifacts import ArtifactStore
from rflow.runner.artifacts_shared import VARIABLE, SharedStore, artifact_store
from rflow.runner.problems import StateError
from rflow.runner.state_dir import StateDir

Make = Callable[[], ArtifactStore]
"""Another process's store of the same artifacts."""


@pytest.fixture(params=["folder", "memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "folder":
        return lambda: ArtifactStore(tmp_path / "artifacts")
    url = f"memory://{uuid.uuid4()}" if request.param == "memory" else f"file://{tmp_path}/there"
    return lambda: SharedStore(tmp_path / f"at-hand-{uuid.uuid4()}", url)


def test_all_stores_agree(make: Make, tmp_path: Path) -> None:
    one, two = make(), make()
    (tmp_path / "a").write_bytes(b"shop" * 1000)
    digest = one.put_file(tmp_path / "a")
    assert two.put_bytes(b"shop" * 1000) == digest
    assert two.path(digest).read_bytes() == b"shop" * 1000
    assert two.path(digest).stat().st_mode & 0o777 == 0o444
    other = two.put_bytes(b"other")
    assert [k.digest for k in one.list()] == sorted([digest, other])
    assert [k.size for k in one.list() if k.digest == other] == [5]
    assert all(k.at > 1.7e9 for k in make().list())
    with one.open(other) as file:
        assert file.read() == b"other"
    assert make().exists(other)
    assert make().delete(other)
    assert not make().exists(other)
    assert not make().delete(other)
    assert [k.digest for k in make().list()] == [digest]
    with pytest.raises(StateError, match="RF910"):
        make().path("sha256:" + "0" * 64)
    for text in ("../../etc/passwd", "md5:abc"):
        with pytest.raises(ValueError, match="is no digest"):
            make().path(text)


def test_what_is_damaged_is_not_given_out(make: Make) -> None:
    digest = make().put_bytes(b"whole")
    store = make()
    path = store.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"WHOLE")
    if isinstance(store, SharedStore):
        assert store.path(digest).read_bytes() == b"whole", "it is fetched again"
        place = Path(store.url.removeprefix("file://"), digest[7:9], digest[7:])
        if not store.url.startswith("file:"):
            return
        place.write_bytes(b"WHOLE")
        store = make()
    with pytest.raises(StateError, match="RF911"):
        store.path(digest)


def test_all_who_use_a_state_folder_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateDir(tmp_path / ".rflow").make()
    assert type(artifact_store(state)) is ArtifactStore
    url = f"file://{tmp_path}/there"
    monkeypatch.setenv(VARIABLE, url)
    digest = artifact_store(state).put_bytes(b"kept")
    monkeypatch.delenv(VARIABLE)
    kept = artifact_store(state)
    assert isinstance(kept, SharedStore)
    assert (kept.url, [k.digest for k in kept.list()]) == (url, [digest])
    monkeypatch.setenv(VARIABLE, "memory://other")
    with pytest.raises(StateError, match="artifacts are kept at file://"):
        artifact_store(state)


@pytest.mark.parametrize("url", ["s3://user:hush@host/x", "nonsense://x"])
def test_what_cannot_be_used_is_not_noted(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDir(tmp_path / ".rflow").make()
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(StateError) as error:
        artifact_store(state)
    assert "hush" not in error.value.message
    monkeypatch.delenv(VARIABLE)
    assert type(artifact_store(state)) is ArtifactStore


def test_a_url_that_is_not_reached_is_told(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a file")
    with pytest.raises(StateError, match=r"artifacts at file://.*cannot be reached"):
        SharedStore(tmp_path / "at-hand", f"file://{tmp_path}/there/inside")


def test_gc_and_a_new_folder_find_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rflow.runner.gc import Keep, collect, find
    from rflow.runner.sqlite import SqliteJournal

    state = StateDir(tmp_path / ".rflow").make()
    monkeypatch.setenv(VARIABLE, f"file://{tmp_path}/there")
    journal = SqliteJournal(state)
    digest = artifact_store(state).put_bytes(b"nobody knows it")
    keep = structs.replace(Keep(), recent_s=0.0)
    assert [kept.digest for kept in find(journal, state, keep, 4e9).goes] == [digest]
    collect(journal, state, keep, 4e9)
    assert not artifact_store(state).exists(digest)
    assert not [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
    journal.close()
