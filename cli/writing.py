"""Writing a file so that it is either the old one or the whole new one, never a part."""

from __future__ import annotations

import os
import stat

from rflow.cli.failure import Failure


def write_file(path: str, data: bytes) -> None:
    """Put `data` where `path` leads, links followed; permissions of an existing file are kept.

    A pipe or a device is written to as it is. Raises `Failure` where that cannot be done.
    """
    try:
        _write(os.path.realpath(path), data)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Failure(f"`{path}` cannot be written: {reason}") from None


def _write(real: str, data: bytes) -> None:
    try:
        mode = os.stat(real).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with open(real, "wb") as file:
            file.write(data)
        return
    if mode is not None and not os.access(real, os.W_OK):
        raise PermissionError(13, "permission denied")
    fresh = os.path.join(os.path.dirname(real), f".{os.path.basename(real)}.{os.urandom(4).hex()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                os.fchmod(fd, stat.S_IMODE(mode))
            os.fsync(fd)
        os.replace(fresh, real)
    except BaseException:
        os.unlink(fresh)
        raise
