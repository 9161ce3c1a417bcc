"""`build.archive`: a folder as one file, the same bytes for the same content."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rflow.plugins import Artifact, Context, Doc, Node, NodeError, Trusted

if TYPE_CHECKING:
    import tarfile


_NEVER = (".git", ".rflow")


@dataclass(frozen=True)
class Archive(Node, kind="build.archive", repeatable=True):
    """Pack a folder into a `.tar.gz`.

    Names are sorted, times, owners and all permissions but "may be executed" left out, so that
    the same content gives the same archive, and with it the same digest. `.git` and `.rflow` stay
    out.
    """

    from_: Annotated[str, Trusted, Doc("The folder.")]
    name: Annotated[str, Doc("What people call it.")]
    version: Annotated[str | None, Doc("Its version; its name unless said otherwise.")] = None
    exclude: Annotated[list[str], Doc("What stays out, as in .gitignore.")] = field(
        default_factory=list
    )

    @dataclass(frozen=True)
    class Outputs:
        artifact: Annotated[Artifact, Doc("The archive.")]
        name: Annotated[str, Doc("Its name.")]
        version: Annotated[str, Doc("Its version.")]
        size: Annotated[int, Doc("Its size in bytes.")]

    def run(self, ctx: Context) -> Outputs:
        folder = ctx.directory / self.from_
        if not folder.is_dir():
            raise NodeError(f"there is no folder `{self.from_}`", retry=False)
        path = ctx.scratch / "archive.tar.gz"
        try:
            count = self._pack(ctx, folder, path)
        except OSError as error:
            what = f"`{error.filename}`" if error.filename else "the folder"
            raise NodeError(f"{what} cannot be packed: {error.strerror or error}") from None
        digest = ctx.artifacts.put_file(path)
        size = path.stat().st_size
        path.unlink()
        ctx.log(f"packed {count} files and folders into {digest}, {size} bytes")
        return self.Outputs(digest, self.name, self.version or self.name, size)

    def _pack(self, ctx: Context, folder: Path, path: Path) -> int:
        import gzip
        import tarfile

        count = 0
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, found in sorted(self._entries(folder)):
                if ctx.cancelled():
                    raise NodeError("it was ended while it packed", retry=False)
                _add(archive, folder, name, found)
                count += 1
        return count

    def _entries(self, folder: Path) -> Iterator[tuple[str, os.stat_result]]:
        """The paths within the folder, each with what it is; what stays out is not entered."""
        from pathspec import GitIgnoreSpec

        try:
            out = GitIgnoreSpec.from_lines([*self.exclude, *_NEVER])
        except ValueError as error:
            raise NodeError(f"`exclude` has a pattern that cannot be read: {error}") from None
        waiting = [""]
        while waiting:
            at = waiting.pop()
            with os.scandir(folder / at) as entries:
                for entry in entries:
                    name = f"{at}/{entry.name}" if at else entry.name
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if out.match_file(f"{name}/" if is_folder else name):
                        continue
                    yield name, entry.stat(follow_symlinks=False)
                    if is_folder:
                        waiting.append(name)


def _add(archive: tarfile.TarFile, folder: Path, name: str, found: os.stat_result) -> None:
    import tarfile

    info = tarfile.TarInfo(name)
    info.mode = 0o755 if found.st_mode & 0o100 else 0o644
    if stat.S_ISDIR(found.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    elif stat.S_ISLNK(found.st_mode):
        target = os.readlink(folder / name)
        reached = os.path.normpath(os.path.join(os.path.dirname(name), target))
        if os.path.isabs(target) or reached.split("/")[0] == "..":
            raise NodeError(f"the link `{name}` leads out of the folder: {target}", retry=False)
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        archive.addfile(info)
    elif stat.S_ISREG(found.st_mode):
        with (folder / name).open("rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            archive.addfile(info, file)
    else:
        raise NodeError(f"`{name}` is neither a file, a folder nor a link", retry=False)
