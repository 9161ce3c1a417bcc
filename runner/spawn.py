"""Starting a program: in a session of its own, with an environment that is given, not inherited.

Where the program is to run in the folder that this process runs in, `posix_spawn` starts it: the
quickest way there is. It cannot change the folder, so that otherwise `subprocess` does. Both use
vfork; both give the program the signals as they are by default.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

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
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


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
) -> int:
    """Start a program; its number. NodeError if it cannot be started, with what people need."""
    words = [os.fspath(word) for word in argv]
    folder = os.fspath(cwd)
    try:
        # A descriptor below 3 would have to be moved before it is overwritten.
        if folder == os.getcwd() and min(stdin, stdout, stderr) > 2:
            return _spawn_here(words, env, stdin, stdout, stderr)
        return _spawn_there(words, folder, env, stdin, stdout, stderr)
    except (OSError, ValueError) as error:
        raise _cannot_start(words[0], folder, error) from error


def _spawn_here(
    words: list[str], env: Mapping[str, str], stdin: int, stdout: int, stderr: int
) -> int:
    return os.posix_spawn(
        _found(words[0], env),
        words,
        env,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
        ],
        setsid=True,
        setsigdef=_IGNORED_BY_PYTHON,
    )


def _spawn_there(
    words: list[str], folder: str, env: Mapping[str, str], stdin: int, stdout: int, stderr: int
) -> int:
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
