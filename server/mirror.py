"""A bare copy of somebody's git repository, kept in the state folder: asked for heads, changed
paths and files. Owns how git is called: no shell, no prompt, no hooks, only known protocols, names
never taken for options. Safe to use from several threads; calls on one mirror wait for each other.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROTOCOLS = "file:git:http:https:ssh"
TIMEOUT_S = 120.0
SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
NO_SHA = re.compile(r"0+")
_SETTINGS = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "advice.detachedHead=false",
    "-c",
    "gc.auto=0",
    "-c",
    "protocol.ext.allow=never",
)
_KEPT = ("PATH", "HOME", "USER", "LANG", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "GIT_SSL_CAINFO")
_USERS = {"github": "x-access-token", "gitlab": "oauth2", "bitbucket": "x-token-auth"}
_URL_USER = re.compile(r"(?<=://)[^/@\s]+@")


class GitError(Exception):
    """Git could not do it; the message is what it said, without user names and passwords."""


def masked(text: str) -> str:
    """The text without what stands before the host of an address: it may be a token."""
    return _URL_USER.sub("", text)


def git(
    *words: str,
    folder: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    access: Mapping[str, str] | None = None,
) -> bytes:
    """What git prints. GitError if it fails or takes longer. `access` are further variables, see
    `access_to`."""
    place = () if folder is None else ("-C", str(folder))
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_LFS_SKIP_SMUDGE": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        **(access or {}),
    }
    try:
        done = subprocess.run(
            ["git", *_SETTINGS, *place, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GitError(f"git {words[0]} has not ended after {timeout_s:g} s") from None
    except OSError as error:
        raise GitError(f"git cannot be started: {error.strerror}") from None
    if done.returncode:
        said = masked(done.stderr.decode("utf-8", "replace")).strip().splitlines()
        told = [line for line in said if line.startswith(("fatal:", "error:"))] or said
        raise GitError(told[0] if told else f"git {words[0]} ended with {done.returncode}")
    return done.stdout


def access_to(url: str, host: str, token: str) -> dict[str, str]:
    """The variables by which git sends a token to a host, out of sight of other processes."""
    if not token or not url.startswith(("https://", "http://")):
        return {}
    word = base64.b64encode(f"{_USERS.get(host, 'git')}:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{url}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {word}",
    }


def heads(
    url: str,
    *patterns: str,
    timeout_s: float = TIMEOUT_S,
    access: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The references of a repository, `refs/heads/main` → commit; annotated tags are peeled."""
    found: dict[str, str] = {}
    told = git("ls-remote", "--", url, *patterns, timeout_s=timeout_s, access=access)
    for line in told.decode("utf-8", "replace").splitlines():
        sha, _, name = line.partition("\t")
        if SHA.fullmatch(sha):
            found[name.removesuffix("^{}")] = sha
    return found


@dataclass(slots=True)
class Mirror:
    """The copy of the repository at `url` in `folder`, made when it is first needed."""

    url: str
    folder: Path
    access: Mapping[str, str] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def within(cls, mirrors: Path, url: str, access: Mapping[str, str] | None = None) -> Mirror:
        """The mirror of an address in the folder of all mirrors."""
        return cls(url, mirrors / hashlib.sha256(url.encode()).hexdigest()[:24], access or {})

    def _make(self) -> None:
        if not (self.folder / "HEAD").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            git("init", "--quiet", "--bare", "--template=", "--", str(self.folder))

    def fetch(self, *refs: str) -> None:
        """Fetch all branches and tags, or only these references or commits."""
        wanted = refs or ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        with self._lock:
            self._make()
            git("fetch", "--quiet", "--force", "--no-tags", "--", self.url, *wanted,
                folder=self.folder, access=self.access)  # fmt: skip

    def has(self, sha: str) -> bool:
        """Whether the commit is here."""
        if not SHA.fullmatch(sha) or not (self.folder / "HEAD").exists():
            return False
        try:
            git("cat-file", "-e", f"{sha}^{{commit}}", folder=self.folder)
        except GitError:
            return False
        return True

    def need(self, sha: str) -> None:
        """Have the commit: fetched alone where the host allows it, else with everything."""
        with self._lock:
            if self.has(sha):
                return
            try:
                self.fetch(sha)
            except GitError:
                self.fetch()
            if not self.has(sha):
                raise GitError(f"the repository has no commit {sha}")

    def changed(self, before: str, after: str) -> list[str]:
        """The paths that differ between two commits; all of `after` if `before` is none."""
        with self._lock:
            self.need(after)
            if NO_SHA.fullmatch(before or "0"):
                out = git("ls-tree", "-r", "-z", "--name-only", after, folder=self.folder)
            else:
                self.need(before)
                out = git("diff", "--no-renames", "--name-only", "-z", before, after,
                          folder=self.folder)  # fmt: skip
        return sorted(path.decode("utf-8", "replace") for path in out.split(b"\0") if path)

    def base(self, one: str, two: str) -> str:
        """The best common ancestor of two commits, "" if they have none."""
        with self._lock:
            self.need(one)
            self.need(two)
            try:
                return git("merge-base", one, two, folder=self.folder).decode().strip()
            except GitError:
                return ""

    def blobs(self, sha: str, suffix: str = "") -> dict[str, str]:
        """The files of a commit, path → id of what it holds; those with an ending."""
        self.need(sha)
        found: dict[str, str] = {}
        for line in git("ls-tree", "-r", "-z", sha, folder=self.folder).split(b"\0"):
            about, _, path = line.decode("utf-8", "replace").partition("\t")
            parts = about.split()
            if len(parts) == 3 and parts[1] == "blob" and path.endswith(suffix):
                found[path] = parts[2]
        return found

    def check_out(self, sha: str, folder: Path) -> None:
        """The files of a commit in a folder, which is there whole or not at all."""
        with self._lock:
            self.need(sha)
            if (folder / ".git").exists():
                return
            folder.parent.mkdir(parents=True, exist_ok=True)
            git("worktree", "prune", folder=self.folder)
            aside = folder.with_name(f".{folder.name}.{os.urandom(4).hex()}")
            git("worktree", "add", "--quiet", "--force", "--detach", "--", str(aside), sha,
                folder=self.folder)  # fmt: skip
            git("worktree", "move", "--", str(aside), str(folder), folder=self.folder)
