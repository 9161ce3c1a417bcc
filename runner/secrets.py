"""Secrets at rest and where they come from: sealing with the state's key, asking the sources.

A sealed text is `1:` and base64 of a nonce and AES-256-GCM of the value; what it belongs to (the
run and the name) is authenticated with it, so that one sealed text cannot be put in the place of
another. The key is a file of 0600, made once, whole or not at all. `cryptography` is imported when
something is sealed or opened, not before.

This module must never put a value, or what a source wrote besides, into an error.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

from rflow.compiler.plan import Plan
from rflow.plugins.context import NodeError
from rflow.plugins.types import Json
from rflow.runner.problems import NO_KEY, OPEN_KEY, StateError
from rflow.runner.state_dir import unusable

_VERSION = "1:"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class Key:
    """The key of a state folder; the file is made at the first sealing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes: bytes | None = None

    def seal(self, text: str, about: str) -> str:
        """Seal a text that belongs to `about`, such as `RUN args.token`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        data = text.encode("utf-8", "surrogatepass")
        sealed = nonce + AESGCM(self._load(make=True)).encrypt(nonce, data, about.encode())
        return _VERSION + base64.urlsafe_b64encode(sealed).decode("ascii")

    def open(self, sealed: str, about: str) -> str:
        """The text that was sealed for `about`; StateError if it cannot be opened."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            if not sealed.startswith(_VERSION):
                raise ValueError("version")
            data = base64.urlsafe_b64decode(sealed.removeprefix(_VERSION))
            nonce, rest = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            text = AESGCM(self._load(make=False)).decrypt(nonce, rest, about.encode())
        except (ValueError, InvalidTag) as error:
            raise StateError(
                NO_KEY,
                f"a secret sealed for {about} cannot be opened with `{self._path}`",
                "put back the key file that the run was started with, or start the run anew",
            ) from error
        return text.decode("utf-8", "surrogatepass")

    def _load(self, *, make: bool) -> bytes:
        if self._bytes is None:
            try:
                self._bytes = self._read(make)
            except OSError as error:
                raise unusable(self._path, error) from error
        return self._bytes

    def _read(self, make: bool) -> bytes:
        if make and not self._path.exists():
            _make(self._path)
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise StateError(
                NO_KEY,
                f"there is no key file `{self._path}`",
                "put back the key file that the run was started with, or start the run anew",
            ) from None
        with open(fd, "rb") as file:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            data = file.read(_KEY_BYTES + 1)
        if mode & 0o077:
            raise StateError(
                OPEN_KEY,
                f"`{self._path}` can be read by others (mode {mode:04o})",
                f"chmod 600 {self._path}; then think about whether its secrets must be changed",
            )
        if len(data) != _KEY_BYTES:
            raise StateError(
                NO_KEY,
                f"`{self._path}` is damaged: it has {len(data)} bytes, not {_KEY_BYTES}",
                "put back the key file that the runs were started with",
            )
        return data


def _make(path: Path) -> None:
    """Make the key file aside and link it into place: whoever links second uses the other's."""
    aside = path.with_name(f"{path.name}.new-{os.getpid()}-{os.urandom(4).hex()}")
    fd = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(fd)
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def seal_output(key: Key, run: str, node: str, name: str, value: Json) -> str:
    """A secret output of a node, sealed."""
    return key.seal(json.dumps(value, ensure_ascii=False), f"output {name} of {node} in {run}")


def open_output(key: Key, run: str, node: str, name: str, sealed: str) -> Json:
    """The output that `seal_output` sealed."""
    found: Json = json.loads(key.open(sealed, f"output {name} of {node} in {run}"))
    return found


def resolve(
    plan: Plan, ask: Callable[[str, str, Path], str], base: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """Ask for every secret of a plan: (name → value, name → why there is none).

    `ask` is `Host.secret`. A source that fails in a way of its own is reported by the class of
    its error alone: the text might hold the value.
    """
    values: dict[str, str] = {}
    missing: dict[str, str] = {}
    asked: dict[tuple[str, str], str | Exception] = {}
    for secret in plan.secrets:
        place = (secret.source, secret.key)
        if place not in asked:
            try:
                asked[place] = ask(secret.source, secret.key, base)
            except Exception as raised:
                asked[place] = raised
        match asked[place]:
            case str() as value:
                values[secret.name] = value
            case NodeError() as error:
                missing[secret.name] = error.message
            case KeyError():
                missing[secret.name] = f"there is no secret source `{secret.source}`"
            case other:
                missing[secret.name] = (
                    f"the source `{secret.source}` failed with {type(other).__name__}"
                )
    return values, missing
