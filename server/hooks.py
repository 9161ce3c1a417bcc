"""Taking in what git hosts send: believed or refused, and kept before it is answered.

Owns who is believed: a message must be signed with a secret of the repository that it is about, or
carry a token that was made for it. Nothing of a message is read before that.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from rflow.server import webhooks
from rflow.server.deliveries import Incoming
from rflow.server.events import Ignored, repository_key
from rflow.server.hosts import HOSTS, Host, plain
from rflow.server.hosts.reading import Malformed, parse
from rflow.server.keeping import Keeper
from rflow.server.problems import Answer
from rflow.server.repositories import Repositories
from rflow.server.store import Store

KEY_MAX = 200


class Hooks(Struct):
    """Takes in messages of git hosts."""

    store: Store
    repositories: Repositories
    keeper: Keeper

    def take(self, host: str, headers: Mapping[str, str], body: bytes) -> tuple[str, bool]:
        """Keep a message; its delivery, and whether it is new. `Answer` if it is refused."""
        module = HOSTS[host]
        believed = [
            key
            for key, one in self.repositories.known().items()
            if one.host == host
            and (secret := self.repositories.secret(one.webhook_secret))
            and module.verified(secret.encode(), headers, body)
        ]
        if host == "plain" and (token := _bearer(headers)):
            found = webhooks.valid(self.store, token, "repository")
            if found is not None:
                believed.append(found.target)
        if not believed:
            raise Answer(
                401,
                "the message is not signed with a secret that is known here",
                help="the secret of the webhook must be the `webhook_secret` of a `[[repository]]` "
                f'with `host = "{host}"` in rflow-server.toml',
            )
        return self._keep(host, headers, body, believed)

    def _keep(
        self, host: str, headers: Mapping[str, str], body: bytes, believed: list[str]
    ) -> tuple[str, bool]:
        module = HOSTS[host]
        try:
            if host == "plain" and not headers.get("content-type", "").startswith(
                "application/json"
            ):
                body = plain.from_lines(believed[0], body.decode("utf-8", "replace"))
            payload = parse(body)
            event = module.event_name(headers, payload)
            about = _about(module, headers, payload)
        except Malformed as error:
            raise Answer(400, f"the message cannot be read: {error}") from None
        meant = next((key for key in believed if key in about or not about), None)
        if meant is None:
            raise Answer(
                403,
                "the message is about another repository than its secret",
                detail=f"it is about {', '.join(sorted(about))}",
            )
        key = module.delivery(headers, body)[:KEY_MAX]
        return self.keeper.keep(Incoming(host, meant, key, event, headers, body))


def _about(module: Host, headers: Mapping[str, str], payload: dict[str, Any]) -> set[str]:
    """The repositories that a message is about; of what can start nothing there may be none, as
    of the greeting to an organisation. Malformed for anything else without one."""
    try:
        return {repository_key(address) for address in module.repos(payload)}
    except Malformed:
        if isinstance(module.read(headers, payload), Ignored):
            return set()
        raise


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Limiter:
    """At most so many calls of one name a minute, in bursts of that many."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, name: str, per_minute: int, now: float) -> float:
        """0 if the call may be; else how many seconds it is too early."""
        with self._lock:
            left, at = self._left.get(name, (float(per_minute), now))
            left = min(float(per_minute), left + (now - at) * per_minute / 60.0)
            if left < 1.0:
                self._left[name] = left, now
                return (1.0 - left) * 60.0 / per_minute
            self._left[name] = left - 1.0, now
            return 0.0
