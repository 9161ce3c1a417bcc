"""The root of a project: how far the imports of a flow may reach.

Imports next to nothing, since the cache of `rflow check` asks for it in each process.
"""

from __future__ import annotations

import os


def root_of(folder: str) -> str:
    """The nearest folder upward that holds `.git`, else `.rflow`, else the folder itself.

    Symbolic links are resolved first. A repository counts first: a run makes `.rflow` beside its
    flow, and what a flow may import must not change by running it.
    """
    start = at = os.path.realpath(folder)
    state = ""
    while True:
        if os.path.lexists(os.path.join(at, ".git")):
            return at
        if not state and os.path.lexists(os.path.join(at, ".rflow")):
            state = at
        above = os.path.dirname(at)
        if above == at:
            return state or start
        at = above
