"""The repositories of the settings: their secrets, their mirrors, their hosts' APIs.

Owns when a secret is asked for: at most once a minute, and it stays in memory. A value never
reaches a log or an answer.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from rflow.plugins.host import Host
from rflow.server.config import Config, Repository, SecretRef
from rflow.server.events import repository_key
from rflow.server.host_api import HostApi, api_of
from rflow.server.mirror import Mirror, access_to

SECRET_S = 60.0

log = logging.getLogger("rflow.server")


class Repositories:
    """What the settings say of repositories. `base` is where relative paths begin. Safe to use
    from several threads."""

    def __init__(self, config: Config, host: Host, state: Path) -> None:
        self._host, self._state, self._base = host, state, state.parent
        self._known = {repository_key(one.url, self._base): one for one in config.repositories}
        self._secrets: dict[SecretRef, tuple[float, str]] = {}
        self._mirrors: dict[str, Mirror] = {}
        self._lock = threading.Lock()

    def known(self) -> dict[str, Repository]:
        """The repositories by their keys."""
        return dict(self._known)

    def find(self, key: str) -> Repository | None:
        """The repository with this key."""
        return self._known.get(key)

    def secret(self, ref: SecretRef | None) -> str:
        """The value of a secret, "" where there is none."""
        if ref is None:
            return ""
        now = time.monotonic()
        with self._lock:
            at, value = self._secrets.get(ref, (-SECRET_S, ""))
        if now - at < SECRET_S:
            return value
        try:
            value = self._host.secret(ref.source, ref.key, self._base).strip()
        except Exception as error:  # whatever a source raises: its text might hold the value
            log.error("the secret from %s %r has no value: %s", ref.source, ref.key,
                      type(error).__name__)  # fmt: skip
            value = ""
        with self._lock:
            self._secrets[ref] = now, value
        return value

    def address(self, key: str, otherwise: str = "") -> str:
        """How git reaches a repository."""
        found = self._known.get(key)
        address = found.url if found is not None else otherwise or key
        local = self._base / address
        return str(local.resolve()) if "://" not in address and local.exists() else address

    def reach(self, url: str, base: Path) -> tuple[str, dict[str, str]]:
        """How git reaches the repository that somebody names, whose relative paths begin at
        `base`: its address, and the variables of `access`."""
        key = repository_key(url, base)
        local = base / url
        found = str(local.resolve()) if "://" not in url and local.exists() else url
        address = self.address(key, found)
        return address, self.access(key, address)

    def has_mirror(self, address: str) -> Path | None:
        """The folder of the mirror of an address, None where there is none yet."""
        folder = Mirror.within(self._state / "mirrors", address).folder
        return folder if (folder / "HEAD").exists() else None

    def access(self, key: str, address: str) -> dict[str, str]:
        """The variables by which git may reach it."""
        found = self._known.get(key)
        return {} if found is None else access_to(address, found.host, self.secret(found.token))

    def mirror(self, key: str, otherwise: str = "") -> Mirror:
        """The mirror of a repository; `otherwise` is its address if the settings have none."""
        address = self.address(key, otherwise)
        access = self.access(key, address)
        with self._lock:
            found = self._mirrors.get(address)
            if found is None or found.access != access:
                found = Mirror.within(self._state / "mirrors", address, access)
                self._mirrors[address] = found
            return found

    def api(self, key: str) -> HostApi | None:
        """The API of the repository's host; None for one that has none, or is not in the
        settings."""
        found = self._known.get(key)
        return None if found is None else api_of(found, key, self.secret(found.token))
