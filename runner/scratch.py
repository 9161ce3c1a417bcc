"""Scratch folders of attempts: each is empty when it is given, and emptied when its attempt is
over, since what a kind wrote there may be a secret.

To make and to remove a folder takes a disk longer than to start a program. So one that was left
clean is given again; one that something may still write to, which the attempt left running, never
is. Emptying waits for `tidy`, which is called when nobody waits for the one who calls it: while a
program runs, or when there is nothing to do.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from itertools import count
from pathlib import Path

from rflow.runner.state_dir import make_folder


class Scratch:
    """The scratch folders of one run, in `folder`. For all threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._ready: deque[Path] = deque()
        self._left: deque[tuple[Path, bool]] = deque()

    def take(self) -> Path:
        """An empty folder, for its owner only. StateError if none can be made."""
        try:
            return self._ready.popleft()
        except IndexError:
            return make_folder(self._folder / str(next(self._numbers)))

    def leave(self, path: Path, again: bool) -> None:
        """The attempt is over; `again` says that nothing can write there any more."""
        self._left.append((path, again))

    def tidy(self) -> None:
        """Empty, or remove, what was left."""
        while True:
            try:
                path, again = self._left.popleft()
            except IndexError:
                return
            if again and _emptied(path):
                self._ready.append(path)
            else:
                shutil.rmtree(path, ignore_errors=True)

    def clear(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _emptied(path: Path) -> bool:
    """Whether the folder is empty now; what holds folders of its own is not worth it."""
    try:
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
    except OSError:
        return False
    return True
