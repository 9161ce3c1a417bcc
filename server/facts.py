"""What a message does not say of a push, asked of the repository: its commits and its files.

Only the mirror of an address that a trigger or the settings name is asked, never one that a
message names. What comes from a message was checked to be a commit or the name of a ref.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace
from rflow.server.events import Commit, GitEvent, is_sha
from rflow.server.mirror import GitError, Mirror, git

COMMITS_MAX = 10_000
PATHS_MAX = 100_000


def complete(event: GitEvent, mirror: Mirror) -> GitEvent:
    """The event with its commits, head and files, as the repository has them. GitError if it
    cannot be asked."""
    return _Asking(mirror).complete(event)


class _Asking(Struct, frozen=True):
    mirror: Mirror

    def complete(self, event: GitEvent) -> GitEvent:
        pull = event.pull_request
        refs = [f"refs/heads/{event.branch}"] if event.branch else []
        if event.tag:
            refs.append(f"refs/tags/{event.tag}")
        if pull is not None:
            refs = [*([pull.ref] if pull.ref else refs), f"refs/heads/{pull.base}"]
        self._fetch(event.sha, refs)
        sha = self._ask("rev-parse", "--verify", f"{event.sha}^{{commit}}").strip()
        head = self._commits(["-1", sha])[0]
        event = replace(event, sha=sha, head=head)
        if event.what == "tag":
            return event
        base = self._base(event, sha)
        since = [sha, f"^{base}"] if base else ["-1", sha]
        commits = event.commits if event.commits is not None else self._commits(since)
        paths = event.paths if event.paths is not None else self._paths(base, sha)
        return replace(event, commits=commits, paths=paths)

    def _fetch(self, sha: str, refs: list[str]) -> None:
        """Fetch the refs; and the commit alone, where they have moved on without it."""
        failed: GitError | None = None
        wanted = [f"+{ref}:refs/heard/{ref.removeprefix('refs/')}" for ref in refs]
        for names in ([*wanted], *([name] for name in wanted), [sha]):
            try:
                if names:
                    self.mirror.fetch(*names)
            except GitError as error:
                failed = error
            if self._has(sha):
                return
        raise failed or GitError(f"the repository has no commit {sha[:12]}")

    def _base(self, event: GitEvent, sha: str) -> str:
        """What the commit is compared with: for a pull request, and for a new branch, where it
        left the branch that it came from; for a push what was there before; else its parent."""
        if event.what == "push" and event.before and self._known(event.before):
            return event.before
        other = ""
        if event.pull_request is not None:
            other = event.pull_request.base_sha
            if not self._known(other):
                other = f"refs/heard/heads/{event.pull_request.base}"
        elif not event.before:
            other = self._default()
        if other:
            try:
                found = self._ask("merge-base", other, sha).strip()
            except GitError:
                found = ""
            if found and found != sha:
                return found
        return self._parent(sha)

    def _default(self) -> str:
        """Where the repository's default branch stands, as far as it can be found out."""
        try:
            self.mirror.fetch("+HEAD:refs/heard/default")
        except GitError:
            return ""
        return "refs/heard/default"

    def _known(self, sha: str) -> bool:
        if not is_sha(sha):
            return False
        if not self._has(sha):
            try:
                self.mirror.fetch(sha)
            except GitError:
                return False
        return self._has(sha)

    def _has(self, sha: str) -> bool:
        try:
            self._ask("cat-file", "-e", f"{sha}^{{commit}}")
        except GitError:
            return False
        return True

    def _parent(self, sha: str) -> str:
        try:
            return self._ask("rev-parse", "--verify", "--quiet", f"{sha}^").strip()
        except GitError:
            return ""

    def _commits(self, which: list[str]) -> tuple[Commit, ...]:
        form = "--format=%H%x00%an%x00%B%x00%x00"
        told = self._ask("log", form, f"--max-count={COMMITS_MAX}", *which, "--")
        found = []
        for record in told.split("\0\0"):
            sha, _, rest = record.strip("\n").partition("\0")
            author, _, message = rest.partition("\0")
            if sha:
                found.append(Commit(sha, message.strip("\n"), author))
        return tuple(reversed(found))

    def _paths(self, base: str, sha: str) -> tuple[str, ...]:
        words = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-commit-id"]
        words += [base, sha] if base else ["--root", sha]
        told = self._ask(*words, "--")
        return tuple(told.split("\0")[:-1][:PATHS_MAX])

    def _ask(self, *words: str) -> str:
        return git(*words, folder=self.mirror.folder).decode("utf-8", "replace")
