"""`git.checkout`: one commit of a repository, as files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rflow.plugins import Context, Doc, Node, NodeError, TakesSecret, Untrusted
from rflow.plugins.kinds.places import own_folder

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/]+:")
_SHA = re.compile(r"[0-9a-f]{7,64}")
_WHOLE = (40, 64)
_NO_BRANCH = re.compile(r"^[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|[/.]$|\.lock$|^@$")
_SETTINGS = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")
_PROTOCOLS = "file:git:http:https:ssh"


@dataclass(frozen=True)
class Checkout(Node, kind="git.checkout", repeatable=True):
    """Check out one commit of a git repository into the run's workspace.

    Only that commit is fetched where the server allows it. Without `sha` it is the newest commit
    of the branch, without `branch` too that of the repository's default branch.
    """

    repo: Annotated[str, TakesSecret, Doc("Its address, or a path.")]
    sha: Annotated[str | None, Doc("The commit; in full, it can be fetched alone.")] = None
    branch: Annotated[str | None, Doc("The branch.")] = None

    @dataclass(frozen=True)
    class Outputs:
        path: Annotated[str, Doc("The folder with the files.")]
        sha: Annotated[str, Doc("The commit, in full.")]
        branch: Annotated[str | None, Untrusted, Doc("The branch, where one was asked for.")]
        message: Annotated[str, Untrusted, Doc("The commit's message.")]

    def run(self, ctx: Context) -> Outputs:
        import shutil

        address = self._address(ctx)
        if self.sha is not None and not _SHA.fullmatch(self.sha):
            raise NodeError(f"`{self.sha}` is no commit: 7 to 64 of 0-9 and a-f", retry=False)
        if self.branch is not None and _NO_BRANCH.search(self.branch):
            raise NodeError(f"`{self.branch}` cannot be the name of a branch", retry=False)
        folder = own_folder(ctx)
        if folder.exists():  # an earlier attempt may have left it half done
            shutil.rmtree(folder)
        git = _Git(ctx, folder)
        git.need("init", "--quiet", "--template=", "--", str(folder))
        self._fetch(git, address)
        sha = git.ask("rev-parse", "--verify", "HEAD^{commit}")
        message = git.ask("log", "-1", "--format=%B")
        ctx.log(f"checked out {sha}")
        return self.Outputs(str(folder), sha, self.branch, message)

    def _address(self, ctx: Context) -> str:
        """What git is given: an address as it is, a path made absolute."""
        if not self.repo.strip() or self.repo.startswith("-") or "\0" in self.repo:
            raise NodeError("`repo` is no address and no path of a repository", retry=False)
        path = ctx.directory / self.repo
        if _ADDRESS.match(self.repo) and not path.exists():
            return self.repo
        if not path.is_dir():
            raise NodeError(f"there is no repository at `{self.repo}`", retry=False)
        return str(path.resolve())

    def _fetch(self, git: _Git, address: str) -> None:
        whole = self.sha is not None and len(self.sha) in _WHOLE
        if self.sha is None or whole:
            wanted = self.sha or (f"refs/heads/{self.branch}" if self.branch else "HEAD")
            if git.fetch("--depth=1", "--no-tags", "--", address, wanted):
                git.need("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
                return
            if self.sha is None:
                what = f"the branch `{self.branch}`" if self.branch else "its default branch"
                raise NodeError(f"git could not fetch {what}; the log has what git said")
            git.ctx.log("the commit cannot be fetched alone: fetching all branches and tags")
        everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        if not git.fetch("--", address, *everything):
            raise NodeError("git could not fetch the repository; the log has what git said")
        commit = f"{self.sha}^{{commit}}"
        if git.run("rev-parse", "--quiet", "--verify", commit) != 0:
            raise NodeError(f"the repository has no commit `{self.sha}`", retry=False)
        git.need("checkout", "--quiet", "--force", "--detach", commit)


@dataclass(frozen=True)
class _Git:
    """git in one folder, without prompts, hooks or helpers that a repository could name."""

    ctx: Context
    folder: Path

    def run(self, *words: str) -> int:
        return self.ctx.process(self._words(words), env=self._environment()).returncode

    def need(self, *words: str) -> None:
        if status := self.run(*words):
            raise NodeError(f"git {words[0]} ended with status {status}; the log has what it said")

    def ask(self, *words: str) -> str:
        done = self.ctx.process(self._words(words), env=self._environment(), capture=True)
        if done.returncode:
            raise NodeError(f"git {words[0]} ended with status {done.returncode}")
        return done.stdout.strip()

    def fetch(self, *words: str) -> bool:
        return self.run("fetch", "--quiet", "--no-recurse-submodules", "--force", *words) == 0

    def _words(self, words: tuple[str, ...]) -> list[str]:
        place = () if words[0] == "init" else ("-C", str(self.folder))
        return ["git", *place, *_SETTINGS, *words]

    def _environment(self) -> dict[str, str]:
        return {
            **self.ctx.environment(),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
            "GIT_LFS_SKIP_SMUDGE": "0",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
        }
