"""Claims: which process acts for a run, held by the operating system.

A claim is a lock on a file, tied to the open file: the kernel ends it when the process dies,
however it dies, so that no claim outlives its holder and nothing has to be cleaned up. The file
holds the process's number, for messages only. This module must never remove a lock's file: a
process could hold the removed one while another locks a new one.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from rflow.runner.state_dir import make_folder, unusable

# Locks of the open file description (not of the process): two claims in one process exclude each
# other as well, and asking who holds one does not take it.
_FLOCK = struct.Struct("@hhqqi4x")


def _flock(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)


class FileClaim:
    """A claim that is held."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def release(self) -> None:
        """Give it up. Doing so twice does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> FileClaim:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def claim(path: Path) -> FileClaim | None:
    """Claim what the file stands for, None if somebody has it."""
    make_folder(path.parent)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unusable(path, error) from error
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK))
    except (BlockingIOError, PermissionError):
        os.close(fd)
        return None
    except OSError as error:
        os.close(fd)
        raise unusable(path, error) from error
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
    except OSError:
        pass  # the number is for messages; a full disk does not make the claim less
    return FileClaim(fd)


def claimed(path: Path) -> int | None:
    """The process that has the claim, None if nobody has; 0 if its number is not known."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(path, error) from error
    try:
        found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK))
        if _FLOCK.unpack(found)[0] == fcntl.F_UNLCK:
            return None
        text = os.pread(fd, 20, 0)
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)
