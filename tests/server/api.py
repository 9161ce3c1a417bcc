"""The API as its tests call it: a server on a real socket, and a token of each role."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
from rflow.server import tokens
from rflow.server.core import Server
from rflow.server.tokens import ROLES, Role

HELLO = """
flow hello {
  ## Who is greeted.
  arg who: string = "world"
  node greet: sh { script = "echo hello $<args.who>"  pure }
}
"""
FAILS = """
flow fails {
  node first: sh { script = "echo one"  pure  retry 1 }
  node second: sh after first { script = "test -e {flag} && echo two"  pure  retry 1 }
}
"""
GATED = """
pipeline shop { stage production }
flow release for shop.production {
  arg text: string = "one"
  approve go_live { by "approve@example.com"  within 1h else reject }
  node web: file.write after go_live { path = "site.txt"  content = $<args.text> }
}
"""


class Api:
    """A server, and a client with a token of each role."""

    def __init__(self, server: Server, url: str) -> None:
        self.server, self.url = server, url
        self.secrets: dict[Role | None, str] = {
            role: tokens.create(
                server.store, f"{role}@example.com", role, by="dev@example.com"
            ).secret
            for role in ROLES
        }
        self._clients: dict[Role | None, httpx.Client] = {}

    def __call__(self, role: Role | None = "admin") -> httpx.Client:
        """The client of somebody with a role; None: of somebody without a token."""
        if role not in self._clients:
            headers = {} if role is None else {"Authorization": f"Bearer {self.secrets[role]}"}
            self._clients[role] = httpx.Client(
                base_url=f"{self.url}/api/v1", headers=headers, timeout=60
            )
        return self._clients[role]

    def start(self, flow: str, **args: object) -> str:
        """A run of a flow, started by somebody who may."""
        made = self("run").post("/runs", json={"flow": flow, "args": args})
        assert made.status_code == 201, made.text
        run: str = made.json()["run"]
        return run

    def ended(self, run: str) -> str:
        """The status of a run, as soon as it has ended."""
        found = self("view").get(f"/runs/{run}", params={"wait": 60}).json()
        assert found["concluded"], found
        status: str = found["status"]
        return status

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All files under a folder with what they hold; some may go while this is looked at."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with suppress(FileNotFoundError):
                yield path, path.read_bytes()
