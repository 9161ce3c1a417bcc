"""The folder of a deployment: `releases/`, `shared/`, and the link `current`.

A release's folder is named by its artifact's digest, so that the link alone tells what is
deployed. It is made beside its place and renamed into it: one that has its name is whole. This
module changes nothing outside the folder, and an archive cannot make it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rflow.plugins import NodeError
from rflow.plugins.kinds.places import inside, sync_folder

if TYPE_CHECKING:
    import tarfile

_RELEASE = re.compile(r"sha256-[0-9a-f]{64}")
_FOREIGN = "link:"


@dataclass(frozen=True, slots=True)
class Releases:
    """The folder of one deployment."""

    target: Path

    @property
    def current(self) -> Path:
        """The link to the release that is deployed."""
        return self.target / "current"

    def folder(self, digest: str) -> Path:
        """Where the release of an artifact is, or would be."""
        return self.target / "releases" / digest.replace(":", "-")

    def value(self) -> str | None:
        """What is deployed: an artifact's digest, `link:PATH` for what rflow did not deploy, or
        None for nothing."""
        try:
            place = os.readlink(self.current)
        except FileNotFoundError:
            return None
        except OSError:
            raise NodeError(f"`{self.current}` is there and is no link", retry=False) from None
        name = os.path.basename(place)
        if place == f"releases/{name}" and _RELEASE.fullmatch(name):
            return name.replace("-", ":")
        return f"{_FOREIGN}{place}"

    def prepare(self) -> None:
        """Makes the folders and removes what an interrupted attempt left."""
        import shutil

        (self.target / "releases").mkdir(parents=True, exist_ok=True)
        (self.target / "shared").mkdir(exist_ok=True)
        for left in (self.target / "releases").glob(".incoming-*"):
            shutil.rmtree(left, ignore_errors=True)

    def unpack(self, archive: Path, digest: str, shared: list[str]) -> None:
        """Makes the release of an artifact, if it is not there, and links the shared paths."""
        import shutil

        place = self.folder(digest)
        if not place.is_dir():
            draft = place.with_name(f".incoming-{os.getpid()}")
            draft.mkdir()
            try:
                _extract(archive, draft)
                os.rename(draft, place)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
            sync_folder(place.parent)
        for path in shared:
            self._share(place, path)

    def switch(self, value: str | None) -> None:
        """Makes `current` what it is to be, in one step."""
        if value is None:
            self.current.unlink(missing_ok=True)
        else:
            if value.startswith(_FOREIGN):
                place = value.removeprefix(_FOREIGN)
            else:
                place = f"releases/{self.folder(value).name}"
            draft = self.target / ".current-rflow"
            draft.unlink(missing_ok=True)
            os.symlink(place, draft)
            os.replace(draft, self.current)
        sync_folder(self.target)

    def prune(self, keep: int, needed: set[str | None]) -> list[str]:
        """Removes all but the newest releases and those that are needed; their digests."""
        import shutil

        found = [p for p in (self.target / "releases").iterdir() if _RELEASE.fullmatch(p.name)]
        found.sort(key=lambda p: (p.stat().st_ctime_ns, p.name), reverse=True)
        removed = []
        for place in found[max(keep, 1) :]:
            digest = place.name.replace("-", ":")
            if digest not in needed:
                gone = place.with_name(f".incoming-gone-{place.name}")
                os.rename(place, gone)
                shutil.rmtree(gone, ignore_errors=True)
                removed.append(digest)
        return removed

    def _share(self, release: Path, path: str) -> None:
        import shutil

        inner, outer = inside(release, path), inside(self.target / "shared", path)
        if not outer.exists():
            outer.parent.mkdir(parents=True, exist_ok=True)
            if inner.exists() and not inner.is_symlink():
                shutil.move(inner, outer)
            else:
                outer.mkdir()
        place = os.path.relpath(outer, inner.parent)
        if inner.is_symlink():
            if os.readlink(inner) == place:
                return  # the release may be in use
            inner.unlink()
        elif inner.is_dir():
            shutil.rmtree(inner)
        else:
            inner.unlink(missing_ok=True)
        if release.resolve() not in (inner.parent.resolve(), *inner.parent.resolve().parents):
            raise NodeError(f"the shared path `{path}` leads out of the release", retry=False)
        inner.parent.mkdir(parents=True, exist_ok=True)
        inner.symlink_to(place)


def _extract(archive: Path, folder: Path) -> None:
    """Unpacks an archive into an empty folder. Files first, links last: nothing is ever written
    through a link, and none may lead out of the folder."""
    import tarfile

    links: list[tarfile.TarInfo] = []
    try:
        with tarfile.open(archive) as packed:
            for member in packed:
                if member.issym():
                    links.append(member)
                else:
                    _place(packed, member, folder)
    except (tarfile.TarError, EOFError, ValueError, KeyError) as error:
        raise NodeError(f"the artifact is no archive: {error}", retry=False) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise NodeError(f"the artifact cannot be unpacked: {why}") from None
    for member in links:
        place = _within(folder, member.name)
        parent = os.path.relpath(place.parent, folder)
        reached = os.path.normpath(os.path.join(parent, member.linkname))
        if os.path.isabs(member.linkname) or reached.split("/")[0] == "..":
            raise NodeError(f"the link `{member.name}` leads out of the release", retry=False)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.parent.resolve().is_relative_to(folder.resolve()):
            raise NodeError(f"the link `{member.name}` leads out of the release", retry=False)
        place.symlink_to(member.linkname)
    for at, _, _ in os.walk(folder):
        sync_folder(Path(at))


def _place(packed: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    import shutil

    if member.name in (".", "./", ""):
        return
    place = _within(folder, member.name)
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    content = packed.extractfile(member) if member.isreg() or member.islnk() else None
    if content is None:
        raise NodeError(f"`{member.name}` is neither a file, a folder nor a link", retry=False)
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
        os.fchmod(file.fileno(), 0o755 if member.mode & 0o100 else 0o644)
        file.flush()
        os.fsync(file.fileno())


def _within(folder: Path, name: str) -> Path:
    bare = name.removeprefix("./").rstrip("/")
    if not bare or bare.startswith("/") or ".." in bare.split("/") or "\0" in bare:
        raise NodeError(f"`{name}` in the artifact leads out of the release", retry=False)
    return folder / bare
