"""The root of a project: how far the imports of a flow may reach.

Imports next to nothing, since the cache of `rflow check` asks for it in each process.
"""

from __future__ import annotations

import os

MARKS = (".git", ".rflow")


def root_of(folder: str) -> str:
    """The nearest folder upward that holds `.git` or `.rflow`, else the folder itself.

    Symbolic links are resolved first.
    """
    start = at = os.path.realpath(folder)
    while True:
        if any(os.path.lexists(os.path.join(at, mark)) for mark in MARKS):
            return at
        above = os.path.dirname(at)
        if above == at:
            return start
        at = above
