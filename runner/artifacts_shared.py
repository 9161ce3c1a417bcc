"""Artifacts kept at a URL, with a folder of the state as the copy at hand.

Theory of operation. What is put is written to the folder first, then to the URL; it is in the store
when it is at both. What is asked for and is not at hand is fetched, and checked like everything
else. So whoever has the state folder, or a copy of the journal and the URL, has the artifacts. Any
URL that fsspec knows will do; fsspec is imported here only, and only where a URL is set.

The URL is noted beside the artifacts when it is first given (`RFLOW_ARTIFACTS`), so that all who
use the state folder agree. It must hold no password: those come from the environment, as the
library for that kind of URL reads them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rflow.runner.artifacts import ArtifactStore, Kept, is_digest
from rflow.runner.problems import BAD_ARTIFACT, BROKEN, NO_ARTIFACT, StateError
from rflow.runner.state_dir import StateDir, make_folder, unusable

VARIABLE = "RFLOW_ARTIFACTS"
NAME = "url"


def artifact_store(state: StateDir) -> ArtifactStore:
    """The artifact store of a state folder: at a URL if one was set, else the folder alone."""
    url = _noted(state, os.environ.get(VARIABLE, "").strip())
    return SharedStore(state.artifacts, url) if url else ArtifactStore(state.artifacts)


def _noted(state: StateDir, given: str) -> str:
    """The URL that holds for the state folder; what is given is noted if none was."""
    place = state.artifacts / NAME
    try:
        known = place.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        known = ""
    except OSError as error:
        raise unusable(place, error) from error
    if not given or given == known:
        return known
    if known:
        raise StateError(
            BROKEN,
            f"artifacts are kept at {known}, and {VARIABLE} says {given}",
            f"unset {VARIABLE}; or copy the artifacts there and change `{place}`",
        )
    if "@" in urlsplit(given).netloc:
        raise StateError(
            BROKEN,
            f"the URL in {VARIABLE} holds a user or a password",
            "leave it out, and give it as the library for that kind of URL reads it",
        )
    _file_system(given)  # a URL that cannot be used is not noted
    try:
        make_folder(state.artifacts)
        place.write_text(f"{given}\n", encoding="utf-8")
    except OSError as error:
        raise unusable(place, error) from error
    return given


class SharedStore(ArtifactStore):
    """The artifacts at a URL: `URL/ab/abcd…`, as in the folder."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        self.url = url
        self._fs, self._root = _file_system(url)

    def put_bytes(self, data: bytes) -> str:
        return self._share(super().put_bytes(data))

    def put_file(self, path: Path) -> str:
        return self._share(super().put_file(path))

    def path(self, digest: str) -> Path:
        try:
            return super().path(digest)
        except StateError as error:
            if error.problem not in (NO_ARTIFACT, BAD_ARTIFACT):
                raise
        super().delete(digest)
        self._fetch(digest)
        return super().path(digest)

    def exists(self, digest: str) -> bool:
        return super().exists(digest) or self._there(digest)

    def delete(self, digest: str) -> bool:
        at_hand, there = super().delete(digest), self._there(digest)
        if there:
            with self._reached():
                self._fs.rm_file(self._at(digest))
        return at_hand or there

    def list(self) -> Iterator[Kept]:
        found = {kept.digest: kept for kept in super().list()}
        with self._reached():
            self._fs.invalidate_cache()
            there = self._fs.find(self._root, detail=True) if self._fs.exists(self._root) else {}
        for path, info in there.items():
            digest = f"sha256:{str(path).rpartition('/')[2]}"
            if is_digest(digest) and digest not in found:
                found[digest] = Kept(digest, int(info["size"]), _time(info))
        yield from (found[digest] for digest in sorted(found))

    # -- at the URL ----------------------------------------------------------------------------

    def _share(self, digest: str) -> str:
        path = self._place(digest)
        if self._there(digest, path.stat().st_size):
            return digest
        at = self._at(digest)
        with self._reached(), open(path, "rb") as source:
            self._fs.makedirs(at.rpartition("/")[0], exist_ok=True)
            target = self._fs.open(at, "wb", autocommit=False)  # as a whole, or not at all
            try:
                with target:
                    shutil.copyfileobj(source, target)
            except BaseException:
                target.discard()
                raise
            target.commit()
        return digest

    def _fetch(self, digest: str) -> None:
        if not self._there(digest):
            return
        with self._reached(), self._fs.open(self._at(digest), "rb") as source:
            self._keep(digest, source)

    def _there(self, digest: str, size: int | None = None) -> bool:
        """Whether it is at the URL, and of this size: one of another is damaged."""
        with self._reached():
            self._fs.invalidate_cache()  # others write there too
            if not self._fs.exists(self._at(digest)):
                return False
            return size is None or self._fs.size(self._at(digest)) == size

    def _at(self, digest: str) -> str:
        digits = digest.removeprefix("sha256:")
        return f"{self._root}/{digits[:2]}/{digits}"

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """What goes wrong on the way, told; each kind of URL has errors of its own."""
        try:
            yield
        except StateError:
            raise
        except Exception as error:
            raise _unreached(self.url, error) from error


def _file_system(url: str) -> tuple[Any, str]:
    """What reaches a URL, and the path there."""
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ImportError:
        raise StateError(
            BROKEN, f"artifacts are kept at {url}", "install what reaches it: `rflow[fsspec]`"
        ) from None
    try:
        system, root = url_to_fs(url)
        system.makedirs(root, exist_ok=True)
    except Exception as error:
        raise _unreached(url, error) from error
    return system, str(root).rstrip("/")


def _unreached(url: str, error: Exception) -> StateError:
    said = str(error) or type(error).__name__
    return StateError(
        BROKEN, f"the artifacts at {url} cannot be reached: {said}", "check the URL and its access"
    )


def _time(info: dict[str, Any]) -> float:
    """When a file was put there; kinds of URLs call it differently. Now, where none is told: then
    it is kept."""
    for name in ("mtime", "LastModified", "last_modified", "created", "updated"):
        match info.get(name):
            case float() | int() as at:
                return float(at)
            case datetime() as moment:
                return moment.timestamp()
            case _:
                pass
    return datetime.now(UTC).timestamp()


__all__ = ["SharedStore", "artifact_store"]
