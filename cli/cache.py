"""The answers of `rflow check` that still hold.

Compiling is a pure function, so the answer for unchanged files under unchanged plugins and an
unchanged rflow is the one given before. An answer is kept with the content digest of each file it
was made from; it holds only while every digest, every resolved link and every project root is the
same. Owns the folder of these answers. Imports nothing heavy. What it finds there is never trusted
further than its checksum, and no failure to read or write it is ever an error.
"""

from __future__ import annotations

import marshal
import os
import sys
from typing import NamedTuple

from rflow.cli import terminal
from rflow.cli.root import root_of

try:
    from _blake2 import blake2b  # the same as hashlib's, without loading OpenSSL
except ImportError:  # pragma: no cover - other builds of Python
    from hashlib import blake2b

KEPT_MAX = 256
"""As many answers are kept; the oldest go first."""
SIZE_MAX = 1 << 20
"""A longer answer is not kept, in bytes."""

_FORMAT = 2
_PARTS = ("grammar", "dsl", "compiler", "compiler/checks", "plugins", "plugins/kinds", "cli")


Answer = tuple[str | int, ...]
"""What a command said: of `rflow check` stdout, stderr and the exit code."""


class File(NamedTuple):
    """A file that an answer was made from: where it was asked for, where that led, its digest."""

    asked: str
    real: str
    digest: bytes


class Facts(NamedTuple):
    """What an answer depends on beside the command: files, and the root of each first folder."""

    files: tuple[File, ...]
    roots: tuple[tuple[str, str], ...]


def digest(content: bytes) -> bytes:
    """The digest of a file's content."""
    return blake2b(content, digest_size=20).digest()


def folder() -> str:
    """Where rflow keeps what it can make again."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "rflow")


def recall(argv: list[str]) -> Answer | None:
    """The answer to this command, if it still holds."""
    try:
        with open(_place(argv), "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            data = file.read(SIZE_MAX + 64)
        check, body = data[:20], data[20:]
        if digest(body) != check:
            return None
        answer, files, roots = marshal.loads(body)  # noqa: S302 - the checksum was right
        if all(root_of(start) == root for start, root in roots) and all(map(_holds, files)):
            return tuple(answer)
    except Exception:
        # Whatever stands in the cache, the worst it can do is to be of no use.
        return None
    return None


def keep(argv: list[str], answer: Answer, facts: Facts) -> None:
    """Remember an answer."""
    body = marshal.dumps((answer, tuple(map(tuple, facts.files)), facts.roots))
    if len(body) > SIZE_MAX:
        return
    try:
        place = _place(argv)
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        _prune(os.path.dirname(place))
        fresh = f"{place}.{os.getpid()}"
        with open(fresh, "wb") as file:
            file.write(digest(body) + body)
        os.replace(fresh, place)
    except Exception:
        return


def _holds(file: tuple[str, str, bytes]) -> bool:
    asked, real, known = file
    if os.path.realpath(asked) != real:
        return False
    with open(real, "rb") as opened:
        return digest(opened.read()) == known


def _place(argv: list[str]) -> str:
    from rflow.plugins import cache as plugins_cache

    # What a plugin's code says counts too, not only its specs: the delays of a policy, the inputs
    # that a trigger does not take.
    circumstances = (
        _FORMAT,
        sys.implementation.cache_tag,
        argv,
        os.getcwd(),
        terminal.traits(),
        plugins_cache.stamp() or plugins_cache.fingerprint(),
        _installation(),
    )
    return os.path.join(folder(), "check", digest(repr(circumstances).encode()).hex())


def _installation() -> list[tuple[str, int, int]]:
    """A stamp of rflow's own code, so that an upgrade or an edit makes every answer old."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    stamp = []
    for part in _PARTS:
        with os.scandir(os.path.join(here, part)) as entries:
            for entry in entries:
                if entry.name.endswith((".py", ".json", ".lark")):
                    found = entry.stat()
                    stamp.append((f"{part}/{entry.name}", found.st_mtime_ns, found.st_size))
    stamp.sort()
    return stamp


def _prune(place: str) -> None:
    with os.scandir(place) as entries:
        ages = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries)
    for _, path in ages[: max(0, len(ages) + 1 - KEPT_MAX)]:
        os.unlink(path)
