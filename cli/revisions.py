"""Flow files as they stand in git: a revision's file with all it imports, checked.

Nothing is checked out; git is asked for the contents. Imports stay within the repository, as those
of a file stay within its project.
"""

from __future__ import annotations

import os
import posixpath
import subprocess

from msgspec import Struct, field
from rflow.cli.failure import Failure, Problems
from rflow.cli.files import Unreadable, decode
from rflow.cli.flows import Kinds
from rflow.compiler.program import Checked, LoadError, check
from rflow.dsl.diagnostics import Source


class Repository(Struct, frozen=True):
    """The repository that a file lies in; `path` is the file's path from its root."""

    root: str
    path: str

    @classmethod
    def of(cls, file: str) -> Repository:
        """The repository around a file, which need not exist any more."""
        real = os.path.realpath(file)
        folder = os.path.dirname(real)
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        root = _git(folder, "rev-parse", "--show-toplevel")
        if root is None:
            raise Failure(f"`{file}` lies in no git repository", help="give two files instead")
        top = os.path.realpath(root.decode().rstrip("\n"))
        return cls(top, os.path.relpath(real, top).replace(os.sep, "/"))

    def commit(self, revision: str) -> str:
        """The commit that a revision names."""
        asked = f"{revision}^{{commit}}"
        found = _git(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", asked)
        if not revision or found is None:
            raise Failure(f"git knows no revision `{revision}`", help="`git log` lists commits")
        return found.decode().strip()

    def base(self, one: str, two: str) -> str:
        """The last commit that two commits share."""
        found = _git(self.root, "merge-base", one, two)
        if found is None:
            raise Failure(f"`{one}` and `{two}` have no commit in common")
        return found.decode().strip()

    def read(self, commit: str, path: str) -> bytes | None:
        """The contents of a file of a commit; None if there is no such file."""
        return _git(self.root, "cat-file", "blob", f"{commit}:{path}")


class Revision(Struct):
    """The file of a repository as it stands in a commit. `shown` is what users call that."""

    repository: Repository
    commit: str
    shown: str
    _paths: dict[str, str] = field(default_factory=dict)

    def checked(self, kinds: Kinds) -> Checked | None:
        """The program, without mistakes; None if the file is not there. Raises `Problems`."""
        try:
            entry = self._source(self.repository.path)
        except Unreadable as error:
            raise Problems([error.diagnostic]) from None
        if entry is None:
            return None
        found = check(entry, kinds.specs, self._load)
        if not found.ok:
            raise Problems(found.diagnostics)
        return found

    def _source(self, path: str) -> Source | None:
        data = self.repository.read(self.commit, path)
        if data is None:
            return None
        name = f"{self.shown}:{path}"
        self._paths[name] = path
        return decode(name, data)

    def _load(self, importer: Source, path: str) -> Source:
        folder = posixpath.dirname(self._paths[importer.name])
        real = posixpath.normpath(posixpath.join(folder, path))
        if posixpath.isabs(path) or real.startswith("../"):
            raise LoadError(f"`{path}` lies outside the repository", None)
        try:
            found = self._source(real)
        except Unreadable as error:
            raise LoadError(error.diagnostic.message, error.diagnostic.help) from None
        if found is None:
            raise LoadError(f"there is no file `{real}` in {self.shown}", None)
        return found


def _git(folder: str, *argv: str) -> bytes | None:
    """What git answers; None if it refuses."""
    try:
        done = subprocess.run(["git", "-C", folder, *argv], capture_output=True, check=False)
    except FileNotFoundError:
        raise Failure("git is not installed", help="give two files instead") from None
    return done.stdout if done.returncode == 0 else None
