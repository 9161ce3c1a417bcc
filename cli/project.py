"""A flow file with its surroundings: what it may import, and which files were read for it.

Owns the loader that the compiler is given. An import stays within the project's root, links
resolved; a file that is reached twice is the same source.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct, field
from rflow.cli import cache
from rflow.cli.files import Unreadable, decode, read_file, read_stdin
from rflow.cli.root import root_of
from rflow.dsl.diagnostics import Source


class Project(Struct):
    """One entry file, read, and the files that it turned out to import.

    `directory` is the folder of the entry file (the working folder for standard input), `root`
    how far imports may reach. `lasting` is false once something was seen that the cache of
    answers does not keep track of: standard input, a pipe, an import that failed.
    """

    entry: Source
    directory: Path
    root: Path
    lasting: bool = True
    only_flows: bool = False
    """Whether imports are of visible `.rflow` files alone."""
    read: list[cache.File] = field(default_factory=list)
    _paths: dict[str, str] = field(default_factory=dict)
    _sources: dict[str, Source] = field(default_factory=dict)
    _shown_from: str = ""

    @classmethod
    def open(cls, path: str) -> Project:
        """The project of this entry file; `-` is standard input. Raises `Unreadable`."""
        if path == "-":
            content = read_stdin()
            here = os.path.realpath(os.curdir)
            project = cls(content.source, Path(here), Path(root_of(here)), lasting=False)
            project._paths[content.source.name] = os.path.join(here, "<stdin>")
            return project
        content = read_file(path, path)
        real = os.path.realpath(path)
        folder = os.path.dirname(real)
        project = cls(content.source, Path(folder), Path(root_of(folder)))
        project.lasting = os.path.isfile(real)
        written = os.path.dirname(path)
        aside = os.path.realpath(written or os.curdir) != folder
        project._shown_from = os.path.relpath(folder) if aside else written
        project._remember(content.source, os.path.abspath(path), real, content.data)
        return project

    @classmethod
    def posted(cls, path: str, text: str, folder: Path) -> Project:
        """The project of a text as if it stood at this path in a folder, sent by somebody who is
        shown nothing but flows: it imports no other files. Raises `Unreadable`."""
        at = os.path.join(os.path.realpath(folder), path)
        directory = os.path.dirname(at)
        root = Path(root_of(str(folder)))
        project = cls(decode(path, text.encode()), Path(directory), root, lasting=False)
        project.only_flows = True
        project._shown_from = os.path.dirname(path)
        project._paths[path] = at
        return project

    @property
    def facts(self) -> cache.Facts | None:
        """What an answer made from these files depends on; None if it must not be kept."""
        if not self.lasting:
            return None
        return cache.Facts(tuple(self.read), ((str(self.directory), str(self.root)),))

    def load(self, importer: Source, path: str) -> Source:
        """The file that `importer` names as `path`; see `compiler.program.Loader`."""
        from rflow.compiler.program import LoadError

        lasting, self.lasting = self.lasting, False
        if not path or os.path.isabs(path):
            raise LoadError(
                f"`{path}` is not a relative path", "write the path from this file's folder"
            )
        if "\0" in path:
            raise LoadError("the path holds a NUL character", None)
        asked = os.path.join(os.path.dirname(self._paths[importer.name]), path)
        real = os.path.realpath(asked)
        if self.only_flows and not self._is_flow(real):
            raise LoadError(f"`{path}` is no flow file of this project", None)
        if not self._is_inside(real):
            raise LoadError(
                f"`{path}` lies outside the project, whose root is `{self.root}`",
                "move it into the project; its root is the nearest folder upward that holds"
                " `.git`, else `.rflow`",
            )
        if (known := self._sources.get(real)) is None:
            try:
                content = read_file(real, self._name(real), regular=True)
            except Unreadable as error:
                raise LoadError(error.diagnostic.message, error.diagnostic.help) from None
            known = content.source
            self._remember(known, asked, real, content.data)
        else:
            self.read.append(cache.File(asked, real, self._digest(real)))
        self.lasting = lasting
        return known

    def _is_inside(self, real: str) -> bool:
        root = str(self.root)
        return real == root or real.startswith(root.rstrip(os.sep) + os.sep)

    def _is_flow(self, real: str) -> bool:
        parts = os.path.relpath(real, str(self.root)).split(os.sep)
        visible = not any(part.startswith(".") for part in parts)
        return visible and real.endswith(".rflow")

    def _name(self, real: str) -> str:
        """The name by which users know a file: like that of the entry file, from where they are."""
        return os.path.normpath(
            os.path.join(self._shown_from, os.path.relpath(real, str(self.directory)))
        )

    def _remember(self, source: Source, asked: str, real: str, data: bytes) -> None:
        self._paths[source.name] = real
        self._sources[real] = source
        self.read.append(cache.File(asked, real, cache.digest(data)))

    def _digest(self, real: str) -> bytes:
        return next(file.digest for file in self.read if file.real == real)
