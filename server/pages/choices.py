"""The branches, tags and latest commits of a repository, to choose from in a form.

A repository is asked with a short limit of time, and what it said is kept for a while: a form must
not wait for a host that does not answer. Whatever is chosen is checked again when the run is
prepared.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rflow.server.mirror import GitError, git, heads

TIMEOUT_S = 4.0
KEPT_S = 20.0
COMMITS_MAX = 40
BRANCHES_MAX = 500


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit to choose: `label` is its message, or what points to it."""

    sha: str
    label: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What a repository has; `trouble` is why it could not be asked, "" if it could."""

    branches: tuple[str, ...] = ()
    commits: tuple[Commit, ...] = ()
    trouble: str = ""


class Repositories:
    """Asks repositories; safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Choices]] = {}
        self._lock = threading.Lock()

    def of(self, repo: str, base: Path, access: Mapping[str, str] | None = None) -> Choices:
        """What the repository at an address, or a path from `base`, has."""
        local = base / repo
        address = str(local.resolve()) if "://" not in repo and local.exists() else repo
        now = time.monotonic()
        with self._lock:
            at, found = self._kept.get(address, (-KEPT_S, Choices()))
        if now - at < KEPT_S:
            return found
        found = _ask(address, access)
        with self._lock:
            self._kept[address] = now, found
        return found


def _ask(address: str, access: Mapping[str, str] | None) -> Choices:
    try:
        refs = heads(address, "refs/heads/*", "refs/tags/*", timeout_s=TIMEOUT_S, access=access)
        branches = [name for name in refs if name.startswith("refs/heads/")][:BRANCHES_MAX]
        commits = [Commit(sha, _short(name)) for name, sha in refs.items()]
        if Path(address).is_dir():
            commits = _log(address) or commits
    except GitError as error:
        return Choices(trouble=str(error))
    return Choices(tuple(map(_short, branches)), tuple(commits[:COMMITS_MAX]))


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _log(folder: str) -> list[Commit]:
    """The latest commits of a repository on this machine."""
    told = git(
        "log", "--branches", "--no-color", f"--max-count={COMMITS_MAX}", "--format=%H%x09%s",
        folder=Path(folder), timeout_s=TIMEOUT_S,
    )  # fmt: skip
    lines = (line.partition("\t") for line in told.decode("utf-8", "replace").splitlines())
    return [Commit(sha, label) for sha, _, label in lines]
