"""What happened in a git repository, as every host's message of it is read.

Values only. An event says what a message says; what it does not say (the message was cut off, or
its host never says it) is None and is asked of the repository itself, see `mirrors`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

What = Literal["push", "tag", "pull_request", "checks"]
Action = Literal["opened", "updated", "ready", "labelled", ""]

NOTHING = ("0" * 40, "0" * 64, "")
"""What hosts write for a commit that is not there: before a branch was made, after it went."""

_SHA = re.compile(r"[0-9a-f]{7,64}")
_NO_NAME = re.compile(r"^[-/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|[/.]$|\.lock$|^@$")
_SCP = re.compile(r"(?:[^/@:]+@)?([^/:]+):(?!//)(.+)")
_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418}


class Commit(Struct, frozen=True):
    """A commit: its sha, message and author, all as its own text has them."""

    sha: str
    message: str
    author: str


class PullRequest(Struct, frozen=True):
    """The pull request of an event.

    `base` is the branch it goes to and `base_sha` where that stood ("" if not said); `ref` is
    where its head can be fetched from in the repository it goes to. `added` is the label that
    this very event added.
    """

    number: int
    base: str
    base_sha: str = ""
    draft: bool = False
    fork: bool = False
    labels: tuple[str, ...] = ()
    added: str = ""
    ref: str = ""
    title: str = ""


class GitEvent(Struct, frozen=True):
    """Something that may start runs.

    `repos` are the addresses by which the repository is known. `before` is where the branch
    stood ("" for a new one). `commits` are those of a push, `head` is the one that `sha` names,
    `paths` the files that differ; each is None if the message does not have all of it. An event
    of `checks` says no more than that something about the checks of `sha` has changed.
    """

    what: What
    repos: tuple[str, ...]
    sha: str
    branch: str = ""
    tag: str = ""
    before: str = ""
    action: Action = ""
    commits: tuple[Commit, ...] | None = None
    head: Commit | None = None
    paths: tuple[str, ...] | None = None
    pull_request: PullRequest | None = None
    by: str = ""

    def __str__(self) -> str:
        short = self.sha[:12]
        match self.what:
            case "push":
                return f"push of {short} to {self.branch}"
            case "tag":
                return f"tag {self.tag} at {short}"
            case "checks":
                return f"checks of {short}"
            case _:
                number = self.pull_request.number if self.pull_request else "?"
                return f"pull request {number} {self.action}: {short} of {self.branch}"


class Ignored(Struct, frozen=True):
    """A message that can start nothing by its nature, and why."""

    why: str


def is_sha(text: str) -> bool:
    """Whether it can be the name of a commit."""
    return _SHA.fullmatch(text) is not None


def is_ref_name(text: str) -> bool:
    """Whether git would let a branch or tag be called so."""
    return 0 < len(text) <= 1024 and _NO_NAME.search(text) is None


def repository_key(address: str, base: Path | None = None) -> str:
    """One text for all addresses of a repository: `https://example.com/Acme/shop.git` and
    `git@example.com:acme/shop` are `example.com/acme/shop`. A path is made absolute from `base`.
    """
    address = address.strip()
    scheme, has_scheme, _ = address.partition("://")
    if has_scheme and scheme.lower() != "file":
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            return address.lower()
        host = (parts.hostname or "").lower()
        usual = port is None or port == _PORTS.get(parts.scheme.lower())
        return _tidy(f"{host}{'' if usual else f':{port}'}/{parts.path.lstrip('/')}".lower())
    if not has_scheme and (found := _SCP.fullmatch(address)):
        return _tidy(f"{found[1]}/{found[2].lstrip('/')}".lower())
    path = address[len("file://") :] if has_scheme else address
    real = os.path.realpath(os.path.join(base or Path.cwd(), os.path.expanduser(path)))
    return real.removesuffix("/.git")


def _tidy(key: str) -> str:
    return key.rstrip("/").removesuffix(".git").rstrip("/")
