"""Starting a program: in a session of its own, with an environment that is given, not inherited.

The C library's `posix_spawn` starts it, the quickest way there is: it uses vfork, and called from
here it lets the other threads go on until the program is there, which `os.posix_spawn` does not.
Where the C library cannot change the folder on the way, `subprocess` does it. Both take back what
Python changed of the signals; the first makes all of them what they are by default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from rflow.plugins.context import NodeError

_PLAIN = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_CERTIFICATES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the runner's environment reaches a program."""
    names = (*_PLAIN, *_PROXIES, *(name.upper() for name in _PROXIES), *_CERTIFICATES)
    kept = {name: environ[name] for name in names if name in environ}
    kept.update({name: value for name, value in environ.items() if name.startswith("LC_")})
    kept.setdefault("PATH", _PATH)
    return kept


def spawn(
    argv: Sequence[str],
    cwd: Path | str,
    env: Mapping[str, str],
    stdin: int,
    stdout: int,
    stderr: int,
    door: int | None = None,
) -> int:
    """Start a program; its number. NodeError if it cannot be started, with what people need.
    `door` becomes descriptor 3 of a shell that waits at its gate, if `holds`."""
    words = [os.fspath(word) for word in argv]
    folder = os.fspath(cwd)
    try:
        # A descriptor below 3 would have to be moved before it is overwritten.
        if (library := _library()) is not None and min(stdin, stdout, stderr) > 2:
            return library.spawn(words, folder, env, (stdin, stdout, stderr), door)
        return _spawn_slowly(words, folder, env, stdin, stdout, stderr)
    except (OSError, ValueError) as error:
        raise _cannot_start(words[0], folder, error) from error


@cache
def holds() -> bool:
    """Whether a program can be given a descriptor beside its streams: the slow way cannot."""
    try:
        for stream in range(3):
            os.fstat(stream)
    except OSError:
        return False
    return _library() is not None


class _Library:
    """`posix_spawn` of the C library, and what it is called with each time."""

    def __init__(self) -> None:
        import ctypes

        self._ctypes = ctypes
        self._spawn = ctypes.CDLL(None).posix_spawn  # lets other threads go on meanwhile
        c = ctypes.PyDLL(None)
        c.posix_spawn_file_actions_addchdir_np  # noqa: B018 - whether there is one
        # The same few descriptors and folders come again and again.
        self._actions = lru_cache(maxsize=64)(partial(_Actions, c))
        self._attributes = ctypes.create_string_buffer(1024)
        signals = ctypes.create_string_buffer(256)
        c.posix_spawnattr_init(self._attributes)
        c.sigfillset(signals)  # for the others it would ask first how each is taken
        c.posix_spawnattr_setsigdefault(self._attributes, signals)
        c.posix_spawnattr_setflags(self._attributes, ctypes.c_short(_SETSIGDEF | _SETSID))

    def spawn(
        self,
        words: list[str],
        folder: str,
        env: Mapping[str, str],
        streams: tuple[int, int, int],
        door: int | None,
    ) -> int:
        """Start the program; OSError or ValueError if it cannot be started."""
        path, *arguments = _strings([_found(words[0], env), *words])
        if "" in env or "=" in "".join(env):
            raise ValueError("illegal environment variable name")
        environment = _strings([f"{key}={value}" for key, value in env.items()])
        number = self._ctypes.c_int()
        actions = self._actions(folder, streams if door is None else (*streams, door))
        failed: int = self._spawn(
            self._ctypes.byref(number),
            path,
            actions.value,
            self._attributes,
            self._array(arguments),
            self._array(environment),
        )
        if failed:
            raise OSError(failed, os.strerror(failed))
        return number.value

    def _array(self, items: list[bytes]) -> Any:
        return (self._ctypes.c_char_p * (len(items) + 1))(*items)


class _Actions:
    """What a new process does before it becomes the program: it takes its streams and goes to its
    folder."""

    def __init__(self, library: Any, folder: str, descriptors: tuple[int, ...]) -> None:
        import ctypes

        # Larger than the structure of any C library that has these functions.
        self.value = ctypes.create_string_buffer(512)
        self._destroy = library.posix_spawn_file_actions_destroy
        library.posix_spawn_file_actions_init(self.value)
        for to, descriptor in enumerate(descriptors):
            library.posix_spawn_file_actions_adddup2(self.value, descriptor, to)
        library.posix_spawn_file_actions_addchdir_np(self.value, *_strings([folder]))

    def __del__(self) -> None:
        self._destroy(self.value)


_SETSIGDEF, _SETSID = 0x04, 0x80


@cache
def _library() -> _Library | None:
    """None where the C library is not known to do what is needed."""
    try:
        if os.confstr("CS_GNU_LIBC_VERSION") is None:
            return None  # the flags' numbers are those of the GNU C library
        return _Library()
    except (AttributeError, OSError, ValueError, ImportError):
        return None


def _strings(texts: list[str]) -> list[bytes]:
    """The texts as the C library takes them, encoded in one go."""
    if not texts:
        return []
    found = os.fsencode("\0".join(texts)).split(b"\0")
    if len(found) != len(texts):
        raise ValueError("embedded null byte")
    return found


def _spawn_slowly(
    words: list[str], folder: str, env: Mapping[str, str], stdin: int, stdout: int, stderr: int
) -> int:
    import subprocess

    process = subprocess.Popen(
        words,
        executable=_found(words[0], env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env=env,
        start_new_session=True,
    )
    process.returncode = 0  # it is waited for by its number: Popen need not mind it
    return process.pid


def _found(program: str, env: Mapping[str, str]) -> str:
    """The file of a program, by the PATH that it is given."""
    if "\0" in program:
        raise ValueError("its name holds a NUL character")
    if "/" in program:
        return program
    denied: OSError | None = None
    for folder in env.get("PATH", _PATH).split(":"):
        path = f"{folder or '.'}/{program}"
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            denied = PermissionError(13, "Permission denied")
    raise denied or FileNotFoundError(2, "No such file or directory", program)


def _cannot_start(program: str, cwd: str, error: OSError | ValueError) -> NodeError:
    """Why a program could not be started, for people; trying again does not help."""
    if isinstance(error, FileNotFoundError | NotADirectoryError) and not os.path.isdir(cwd):
        return NodeError(f"cannot start `{program}`: there is no folder `{cwd}`", retry=False)
    if isinstance(error, FileNotFoundError):
        return NodeError(f"cannot start `{program}`: it is not installed", retry=False)
    if isinstance(error, OSError):
        return NodeError(f"cannot start `{program}`: {error.strerror}", retry=False)
    return NodeError(f"cannot start `{program}`: {error}", retry=False)
