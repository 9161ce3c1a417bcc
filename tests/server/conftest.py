"""A server on a real folder of flows and a real state; and the same over a real socket."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec import structs
from rflow.cli.serving import check_text, compile_file, restore
from rflow.cli.serving_loop import Loop
from rflow.cli.target import compile_again
from rflow.plugins.host import Host
from rflow.runner.service import Service
from rflow.server.config import Config
from rflow.server.core import Server
from rflow.server.following import Followed

T = TypeVar("T")
LIMIT_S = 30.0
"""How long a test waits for something that must come; not how long it may take."""


def wait_for(look: Callable[[], T | None]) -> T:
    """What `look` yields as soon as it yields something."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


class Place:
    """A folder of flows with a state; servers may be opened and closed on it, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".rflow"

    def write(self, name: str, text: str) -> Path:
        """Write a flow file; `rflow 1` is put before it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"rflow 1\n{text}")
        return path

    def open(self, config: Config | None = None, follow: Followed | None = None) -> Server:
        """A server; its parts have not begun."""
        return Server.open(
            config=config or Config(),
            root=self.folder,
            state=self.state,
            host=Host.load(),
            compile=compile_file,
            check=check_text,
            restore=restore,
            compile_again=compile_again,
            follow=follow,
        )

    def create(self, server: Server, flow: str, **args: str) -> str:
        """A run of a flow that the server is to drive."""
        from rflow.server.driving import adopt

        served = server.catalog.flow(flow)
        assert served is not None
        service = server.services.here()
        prepared = service.prepare(
            served.plan, directory=served.directory, args=args, by="dev@example.com"
        )
        run = service.create(prepared, also=lambda run: adopt(service.journal, run))
        server.drivers.wake()
        return run

    def ended(self, server: Server, run: str) -> str:
        """The status of a run, as soon as it has ended."""
        service: Service = server.services.here()
        return wait_for(lambda: ((s := service.summary(run)).concluded and s.status) or None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder without flows."""
    return Place(tmp_path)


@pytest.fixture
def served(place: Place) -> Iterator[Callable[..., Server]]:
    """Opens a server on the place and starts it; it ends with the test."""
    opened: list[Server] = []

    def start(config: Config | None = None) -> Server:
        server = place.open(config)
        server.start()
        opened.append(server)
        return server

    yield start
    for server in opened:
        server.close()


@contextmanager
def serving(
    place: Place, config: Config | None = None, follow: Followed | None = None
) -> Iterator[tuple[Server, str]]:
    """Serves a place over a real socket; the server and its address."""
    server = place.open(config, follow)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        server.config = structs.replace(server.config, port=port)
        loop = Loop(server)
        thread = threading.Thread(target=loop.run, args=([sock],))
        thread.start()
        try:
            wait_for(lambda: loop.started or None)
            yield server, f"http://127.0.0.1:{port}"
        finally:
            loop.should_exit = True
            thread.join()


@pytest.fixture
def listening(place: Place) -> Iterator[Callable[..., tuple[Server, str]]]:
    """Serves the place over a real socket; the server and its address."""
    with ExitStack() as running:
        yield lambda config=None, follow=None: running.enter_context(serving(place, config, follow))


class Repository:
    """A real repository; commits get the files that are named."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        settings = ("-c", "user.name=dev", "-c", "user.email=dev@example.com")
        argv = ["git", "-C", str(self.folder), *settings, *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str = "change", **files: str | None) -> str:
        """A commit in which these files hold this text (None: are gone); `__` is `/`, `_dot_` is
        a dot."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")
