"""The artifact store: files by digest, whole or not there, never changed.

A file is written aside, synced, and renamed to its name; the name is the digest of its bytes, so
that what is read can be checked against it, and is. This module must never overwrite a whole
artifact or give out a damaged one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from rflow.plugins.types import Json
from rflow.runner.problems import BAD_ARTIFACT, NO_ARTIFACT, StateError
from rflow.runner.state_dir import make_folder, unusable

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHUNK = 1 << 20

INLINE_MAX = 32 * 1024
"""A value whose JSON is longer, in bytes, is kept as an artifact, and its digest in its place."""

VALUE_MARK = "$rflow.value"
"""The key of the map that stands in the journal for a value that is kept as an artifact."""


def is_digest(text: str) -> bool:
    """Whether a text is a digest that an artifact may have."""
    return _DIGEST.fullmatch(text) is not None


class Kept(Struct, frozen=True):
    """An artifact in the store: its size in bytes and when it was put there."""

    digest: str
    size: int
    at: float


class ArtifactStore:
    """The artifacts in one folder: `ab/abcd…`, named by the digits of their sha256."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # (inode, size, mtime in ns) of files that were found whole, to hash each but once
        self._whole: dict[str, tuple[int, int, int]] = {}

    def put_bytes(self, data: bytes) -> str:
        """Keep these bytes; their digest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if not self._known(digest, len(data)):
            with _Aside(self._folder) as aside:
                aside.file.write(data)
                aside.keep(self._place(digest))
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a copy of the file; its digest. OSError if the file cannot be read."""
        hashed = hashlib.sha256()
        with open(path, "rb") as source, _Aside(self._folder) as aside:
            while chunk := source.read(_CHUNK):
                hashed.update(chunk)
                aside.file.write(chunk)
            digest = f"sha256:{hashed.hexdigest()}"
            if not self._known(digest, aside.file.tell()):
                aside.keep(self._place(digest))
        return digest

    def path(self, digest: str) -> Path:
        """The file, checked; it is to be read only. StateError if it is missing or damaged."""
        path = self._place(digest)
        try:
            found = path.stat()
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            if self._whole.get(digest) != seen:
                with open(path, "rb") as file:
                    actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
                if actual != digest:
                    raise StateError(
                        BAD_ARTIFACT,
                        f"the artifact {digest} is damaged: its bytes have the digest {actual}",
                        f"remove `{path}` and run the node that made it again",
                    )
                self._whole[digest] = seen
        except FileNotFoundError:
            raise StateError(
                NO_ARTIFACT,
                f"there is no artifact {digest} in `{self._folder}`",
                "run the node that made it again, or put the file back",
            ) from None
        except OSError as error:
            raise unusable(path, error) from error
        return path

    def open(self, digest: str) -> BinaryIO:
        """The artifact's bytes, checked."""
        return open(self.path(digest), "rb")

    def exists(self, digest: str) -> bool:
        """Whether it is in the store (it may be damaged: reading tells)."""
        return self._place(digest).is_file()

    def delete(self, digest: str) -> bool:
        """Remove it; whether it was there."""
        self._whole.pop(digest, None)
        try:
            self._place(digest).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unusable(self._folder, error) from error
        return True

    def list(self) -> Iterator[Kept]:
        """All artifacts, by digest."""
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                if _DIGEST.fullmatch(digest := f"sha256:{path.name}"):
                    found = path.stat()
                    yield Kept(digest, found.st_size, found.st_mtime)

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no digest")
        digits = digest.removeprefix("sha256:")
        return self._folder / digits[:2] / digits

    def _keep(self, digest: str, source: BinaryIO) -> None:
        """Keep what has this digest, or is said to: reading tells."""
        with _Aside(self._folder) as aside:
            shutil.copyfileobj(source, aside.file)
            aside.keep(self._place(digest))

    def _known(self, digest: str, size: int) -> bool:
        """Whether it is in the store; one of another size was damaged and is replaced."""
        try:
            return self._place(digest).stat().st_size == size
        except OSError:
            return False


class _Aside:
    """A file that is being written: kept under its name, or removed."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder / "new")
        self._folder = folder
        self._path = folder / "new" / f"{os.getpid()}-{os.urandom(8).hex()}"

    def __enter__(self) -> _Aside:
        try:
            fd = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(self._path, error) from error
        self.file: BinaryIO = open(fd, "wb")
        return self

    def keep(self, place: Path) -> None:
        """Sync it and give it its name."""
        self.file.flush()
        os.fchmod(self.file.fileno(), 0o444)
        os.fsync(self.file.fileno())
        make_folder(place.parent)
        os.replace(self._path, place)
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self.file.close()
        except OSError as late:  # what was still buffered did not fit
            error = error or late
        self._path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unusable(self._folder, error) from error


def shrink(value: Json, store: ArtifactStore) -> Json:
    """The value as the journal keeps it: itself, or, if it is long, where it is kept."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    data = text.encode()
    if len(data) <= INLINE_MAX and VALUE_MARK not in text:
        return value
    return {VALUE_MARK: store.put_bytes(data)}


def grow(value: Json, store: ArtifactStore) -> Json:
    """The value that `shrink` made this of."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get(VALUE_MARK), str):
        with store.open(str(value[VALUE_MARK])) as file:
            found: Json = json.load(file)
        return found
    return value
