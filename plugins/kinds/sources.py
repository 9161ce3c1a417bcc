"""The secret sources: the environment, files, commands. No message ever contains a value."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from rflow.plugins import NodeError, SecretSource

LIMIT_S = 30
_LARGEST = 1_000_000


class Environment(SecretSource, name="env"):
    """A variable of the environment in which rflow runs: `from env "SHOP_DSN"`."""

    def read(self, key: str, base: Path) -> str:
        value = os.environ.get(key)
        if value is None:
            raise NodeError(f"the environment has no variable `{key}`", retry=False)
        if value == "":
            raise NodeError(f"the variable `{key}` of the environment is empty", retry=False)
        return value


class File(SecretSource, name="file"):
    """The content of a file, less a line break at its end: `from file "/run/secrets/token"`.
    A relative path is relative to the flow's file."""

    def read(self, key: str, base: Path) -> str:
        path = base / Path(key).expanduser()
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST + 1)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            why = why or "it is no path"
            raise NodeError(f"the file `{key}` cannot be read: {why}", retry=False) from None
        return _text(content, f"the file `{key}`")


class Command(SecretSource, name="command"):
    """What a program prints, less a line break at its end: `from command "pass show shop/dsn"`.

    The text is split into words as a shell would, and no shell is started. The program runs in
    the folder of the flow's file, with rflow's environment, for 30 seconds at most.
    """

    def read(self, key: str, base: Path) -> str:
        import shlex

        try:
            words = shlex.split(key)
        except ValueError:
            raise NodeError("the command has a quote that is not closed", retry=False) from None
        if not words:
            raise NodeError("the command is empty", retry=False)
        status, content = _answer(words, base)
        if status:
            raise NodeError(f"`{words[0]}` ended with status {status}")
        return _text(content, f"what `{words[0]}` printed")


def _answer(words: list[str], base: Path) -> tuple[int, bytes]:
    """How a program ended, and what it printed. What it says to stderr is dropped, since that may
    quote what it was about to print."""
    import shutil
    import signal
    import subprocess

    null = subprocess.DEVNULL
    try:
        program = subprocess.Popen(
            words, cwd=base, stdin=null, stdout=subprocess.PIPE, stderr=null, process_group=0
        )
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is no command"
        if isinstance(error, PermissionError) and "/" not in words[0]:
            # A folder of the PATH that may not be looked into hides that it is nowhere.
            why = why if shutil.which(words[0], os.F_OK) else os.strerror(errno.ENOENT)
        raise NodeError(f"`{words[0]}` cannot be started: {why}", retry=False) from None
    with program:
        try:
            content, _ = program.communicate(timeout=LIMIT_S)
        except BaseException as error:
            os.killpg(program.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise NodeError(f"`{words[0]}` did not answer within {LIMIT_S} seconds") from None
    return program.returncode, content


def _text(content: bytes, what: str) -> str:
    if len(content) > _LARGEST:
        raise NodeError(f"{what} is longer than a million bytes", retry=False)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise NodeError(f"{what} is not text in UTF-8", retry=False) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise NodeError(f"{what} is empty", retry=False)
    if "\0" in text:
        raise NodeError(f"{what} holds a NUL character", retry=False)
    return text


SOURCES = (Environment, File, Command)
