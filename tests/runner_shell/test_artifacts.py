"""The artifact store: whole or not there, and checked whenever it is read."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.runner.artifacts import INLINE_MAX, ArtifactStore, grow, shrink
from rflow.runner.problems import StateError

NONE = "sha256:" + "0" * 64


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_bytes_and_files_of_the_same_content_are_one(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"shop" * 1000)
    digest = store.put_file(tmp_path / "a")
    assert digest == digest_of(b"shop" * 1000) == store.put_bytes(b"shop" * 1000)
    assert len(files(tmp_path / "artifacts")) == 1
    assert store.path(digest).stat().st_mode & 0o777 == 0o444
    with store.open(digest) as file:
        assert file.read() == b"shop" * 1000
    assert [(kept.digest, kept.size) for kept in store.list()] == [(digest, 4000)]
    assert store.exists(digest)
    assert store.delete(digest)
    assert not store.delete(digest)
    assert not store.exists(digest)
    assert list(store.list()) == []


def test_a_missing_and_a_strange_one(store: ArtifactStore) -> None:
    with pytest.raises(StateError, match="RF910"):
        store.path(NONE)
    for text in ("../../etc/passwd", "sha256:../x", "md5:abc", NONE.upper()):
        with pytest.raises(ValueError, match="is no digest"):
            store.path(text)


def test_a_damaged_one_is_not_given_out(store: ArtifactStore) -> None:
    digest = store.put_bytes(b"whole")
    path = store.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"WHOLE")
    with pytest.raises(StateError, match="RF911"):
        store.path(digest)
    with pytest.raises(StateError, match="RF911"):
        store.open(digest)
    path.write_bytes(b"")
    assert store.put_bytes(b"whole") == digest
    assert store.path(digest).read_bytes() == b"whole"


def test_a_file_that_cannot_be_read(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.put_file(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        store.put_file(tmp_path)
    assert files(tmp_path / "artifacts") == []


def test_what_does_not_fit_leaves_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    store.put_bytes(b"small")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(StateError) as error:
            store.put_bytes(b"x" * 100_000)
    finally:
        signal.signal(signal.SIGXFSZ, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.code == "RF907"
    assert [path.read_bytes() for path in files(tmp_path / "artifacts")] == [b"small"]


KILLED = """
import os, signal, sys
from pathlib import Path
from rflow.runner.artifacts import ArtifactStore
real = os.fsync
def fsync(fd):
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(fd)
    os.kill(os.getpid(), signal.SIGKILL)
os.fsync = fsync
ArtifactStore(Path(sys.argv[1])).put_bytes(b"x" * 100_000)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_writing_it_is_not_there(
    store: ArtifactStore, tmp_path: Path, when: str
) -> None:
    argv = [sys.executable, "-c", KILLED, str(tmp_path / "artifacts"), when]
    assert subprocess.run(argv).returncode == -signal.SIGKILL
    assert list(store.list()) == []
    assert not store.exists(digest_of(b"x" * 100_000))
    digest = store.put_bytes(b"x" * 100_000)
    assert store.path(digest).stat().st_size == 100_000


def test_many_at_once_make_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rflow.runner.artifacts import ArtifactStore\n"
        "for _ in range(20): ArtifactStore(Path(sys.argv[1])).put_bytes(b'x' * 50_000)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "artifacts")]
    processes = [subprocess.Popen(argv) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(files(tmp_path / "artifacts")) == 1
    assert os.listdir(tmp_path / "artifacts" / "new") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$rflow.value", "a"]), inner, max_size=2)
    ),
)


@given(JSON, st.booleans())
def test_a_value_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, value: object, long: bool
) -> None:
    store = ArtifactStore(tmp_path_factory.getbasetemp() / "values")
    given_value = [value, "x" * INLINE_MAX] if long else value
    kept = shrink(given_value, store)  # type: ignore[arg-type]
    assert len(repr(kept)) < INLINE_MAX
    assert grow(kept, store) == given_value


def test_what_looks_like_a_kept_value_is_not_taken_for_one(store: ArtifactStore) -> None:
    forged = {"$rflow.value": NONE}
    assert grow(shrink(forged, store), store) == forged
