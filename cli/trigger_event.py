"""The event that `rflow trigger test` tries out: a message that a git host sent, or a commit.

Owns where the commit is looked for. Changes nothing but the mirrors in the state folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rflow.cli.cells import clean
from rflow.cli.failure import Failure
from rflow.cli.files import Unreadable, read_file, read_stdin

if TYPE_CHECKING:
    from rflow.server.events import GitEvent
    from rflow.server.mirror import Mirror

Mirrors = Callable[[str], "Mirror"]
"""The mirror of an address."""


def of_message(path: str, host: str | None, name: str | None) -> tuple[GitEvent, ...]:
    """The events of a message in a file."""
    from rflow.server.events import Ignored
    from rflow.server.hosts import HOSTS, recognised
    from rflow.server.hosts.reading import Malformed, parse

    try:
        content = read_stdin() if path == "-" else read_file(path, path)
        payload = parse(content.source.text.encode())
        known = host or recognised(payload)
        if known is None:
            raise Failure(
                "this message is of no host that rflow knows", help="say of which with `--host`"
            )
        found = HOSTS[known].read(_headers(known, name), payload)
    except Unreadable as error:
        raise Failure(error.diagnostic.message, help=error.diagnostic.help) from None
    except Malformed as error:
        raise Failure(
            f"`{clean(path)}` is no message of a git host: {clean(str(error))}",
            help="`--host` and `--event-name` say what it is",
        ) from None
    if isinstance(found, Ignored):
        raise Failure(f"this can start nothing: {clean(found.why)}")
    return found


def _headers(host: str, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    return {f"x-{host}-event": name, "x-event-key": name}


def of_commit(
    repo: str, mirrors: Mirrors, commit: str, branch: str | None, tag: str | None
) -> tuple[str, tuple[GitEvent, ...]]:
    """The repository's address, and the event of its commit being pushed there.

    `repo` is a folder in it, or its address."""
    from rflow.server.events import GitEvent
    from rflow.server.mirror import GitError, git

    address, folder = _opened(repo, mirrors)

    def ask(*words: str) -> str:
        return git(*words, folder=folder).decode("utf-8", "replace").strip()

    try:
        sha = ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
        before = ask("rev-list", "--parents", "-1", sha).split()[1:2]
        heads = ask("for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
        here = "" if folder != Path(repo) else ask("rev-parse", "--abbrev-ref", "HEAD")
    except GitError as error:
        raise Failure(
            f"there is no commit `{clean(commit)}` in `{clean(address)}`: {clean(str(error))}",
            help="`--repo PATH|URL` names another repository",
        ) from None
    if tag is not None:
        return address, (GitEvent("tag", (address,), sha, tag=tag),)
    where = branch or here or (commit if commit in heads else "")
    if not where:
        raise Failure("which branch is it pushed to?", help=f"it has {_listed(heads)}; `--branch`")
    first = before[0] if before else ""
    return address, (GitEvent("push", (address,), sha, branch=where, before=first),)


def _opened(repo: str, mirrors: Mirrors) -> tuple[str, Path]:
    """The address of a repository, and the folder in which git is asked: that of a mirror where
    it is somewhere else."""
    from rflow.server.mirror import GitError, git

    try:
        if not Path(repo).exists() and ":" in repo:
            mirror = mirrors(repo)
            mirror.fetch()
            return repo, mirror.folder
        root = git("rev-parse", "--path-format=absolute", "--git-common-dir", folder=Path(repo))
    except GitError as error:
        raise Failure(
            f"`{clean(repo)}` is no git repository that can be read: {clean(str(error))}",
            help="`--repo PATH|URL` says where the commit is",
        ) from None
    return root.decode("utf-8", "surrogateescape").rstrip("\n").removesuffix("/.git"), Path(repo)


def _listed(heads: list[str]) -> str:
    more = ", …" if len(heads) > 5 else ""
    return ", ".join(f"`{clean(head)}`" for head in heads[:5]) + more if heads else "no branch"
