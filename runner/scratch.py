"""Scratch folders of attempts: each is new when it is given, and gone when its attempt is over.

To make and to remove a folder takes a disk longer than to start a program. So one is made ahead,
and those that were left are removed, when nobody waits for it: in `tidy`, which an attempt's
thread calls when its outcome has been told. No folder is ever given twice: what an attempt left
running may still write to its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import deque
from itertools import count
from pathlib import Path

from rflow.runner.problems import StateError
from rflow.runner.state_dir import make_folder


class Scratch:
    """The scratch folders of one run, in `folder`. For all threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._ready: deque[str] = deque()
        self._left: deque[str] = deque()

    def take(self) -> str:
        """A new folder, for its owner only. StateError if none can be made."""
        try:
            return self._ready.popleft()
        except IndexError:
            return self._make()

    def leave(self, path: str) -> None:
        """The attempt is over; what is in its folder goes, since it may be a secret."""
        self._left.append(path)

    def tidy(self) -> None:
        """Remove what was left, and make one ahead."""
        with contextlib.suppress(IndexError):
            while True:
                _remove(self._left.popleft())
        if not self._ready:
            with contextlib.suppress(StateError):  # whoever takes one is told
                self._ready.append(self._make())

    def clear(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self) -> str:
        path = f"{self._folder}/{next(self._numbers)}"
        try:
            os.mkdir(path, 0o700)
        except OSError:
            make_folder(Path(path))  # the folder around it is not there
        return path


def _remove(path: str) -> None:
    """Remove a scratch folder, most of which hold a file or two."""
    try:
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
        os.rmdir(path)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
