"""The branches, tags, pull requests and latest commits of a repository, to choose from in a form.

A repository is asked with a short limit of time, and what it said is kept for a while: a form must
not wait for a host that does not answer. What commits say comes from the repository itself, or
from its mirror in the state folder, where there is one. Whatever is chosen is checked again when
the run is prepared.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from rflow.server.mirror import GitError, git, heads
from rflow.server.repositories import Repositories

TIMEOUT_S = 4.0
KEPT_S = 20.0
COMMITS_MAX = 40
BRANCHES_MAX = 500
PULLS_MAX = 100
ASKED_MAX = 200
"""Of so many heads at most the messages are looked up."""
REFS = ("refs/heads/*", "refs/tags/*", "refs/pull/*/head", "refs/merge-requests/*/head")
MIRRORED = (f"--max-count={COMMITS_MAX}", "--branches", "--glob=refs/heard/heads")
"""The latest commits of a folder, also those behind heads that it has not got yet."""
_PULL = re.compile(r"refs/(?:pull|merge-requests)/(\d{1,15})/head")


class Commit(Struct, frozen=True):
    """A commit to choose: `label` is its message, or what points to it."""

    sha: str
    label: str


class PullRequest(Struct, frozen=True):
    """A pull request to choose; `label` is the message of its newest commit, or that commit."""

    number: int
    label: str


class Choices(Struct, frozen=True):
    """What a repository has; `trouble` is why it could not be asked, "" if it could."""

    branches: tuple[str, ...] = ()
    commits: tuple[Commit, ...] = ()
    pulls: tuple[PullRequest, ...] = ()
    trouble: str = ""


class Chooser:
    """Asks repositories; safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Choices]] = {}
        self._lock = threading.Lock()

    def of(self, repositories: Repositories, repo: str, base: Path) -> Choices:
        """What the repository at an address, or a path from `base`, has."""
        address, access = repositories.reach(repo, base)
        now = time.monotonic()
        with self._lock:
            at, found = self._kept.get(address, (-KEPT_S, Choices()))
        if now - at < KEPT_S:
            return found
        folder = Path(address) if Path(address).is_dir() else repositories.has_mirror(address)
        found = _ask(address, access, folder)
        with self._lock:
            self._kept[address] = now, found
        return found


def _ask(address: str, access: Mapping[str, str], folder: Path | None) -> Choices:
    try:
        refs = heads(address, *REFS, timeout_s=TIMEOUT_S, access=access)
    except GitError as error:
        return Choices(trouble=str(error))
    pulls = {int(m[1]): sha for name, sha in refs.items() if (m := _PULL.fullmatch(name))}
    newest = dict(sorted(pulls.items(), reverse=True)[:PULLS_MAX])
    named = {name: sha for name, sha in refs.items() if not _PULL.fullmatch(name)}
    branches = [name for name in named if name.startswith("refs/heads/")]
    subjects = _log(folder, "--no-walk=unsorted", shas=[*named.values(), *newest.values()])
    unknown = [Commit(sha, _short(name)) for name, sha in named.items() if sha not in subjects]
    latest = _log(folder, *MIRRORED, shas=[named[name] for name in branches])
    known = [Commit(sha, label) for sha, label in latest.items()]
    return Choices(
        tuple(map(_short, branches[:BRANCHES_MAX])),
        (*unknown[: COMMITS_MAX // 2 if known else COMMITS_MAX], *known),
        tuple(PullRequest(one, subjects.get(sha, sha[:12])) for one, sha in newest.items()),
    )


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _log(folder: Path | None, *how: str, shas: list[str]) -> dict[str, str]:
    """Those of the commits that are in a folder, and what `how` adds to them: sha → message."""
    asked = [*dict.fromkeys(shas)][:ASKED_MAX]
    if folder is None or not asked:
        return {}
    try:
        told = git(
            "log", "--ignore-missing", "--no-color", "--format=%H%x09%s", *how, *asked,
            folder=folder, timeout_s=TIMEOUT_S,
        )  # fmt: skip
    except GitError:
        return {}
    lines = (line.partition("\t") for line in told.decode("utf-8", "replace").splitlines())
    return {sha: label for sha, _, label in lines}
