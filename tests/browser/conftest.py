"""A real browser, Debian's Chromium, at a real server.

Where there is no Chromium, or no playwright, these tests are skipped; under CI they fail.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from rflow.cli.serving import check_text, compile_file, restore
from rflow.cli.target import compile_again
from rflow.plugins.host import Host
from rflow.server import tokens
from rflow.server.app import create_app
from rflow.server.config import Config
from rflow.server.core import Server
from rflow.server.tokens import Role

ARGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 30_000
"""How long a test waits for something that must come; not how long it may take."""
EXPECTED = re.compile(r"ERR_CONNECTION|ERR_INCOMPLETE|a status of 4\d\d")
"""What a browser complains of that is meant to be: a server that is gone, a form refused."""
PHONE = {"width": 360, "height": 760}
DESK = {"width": 1400, "height": 900}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser. Not for longer than a module: playwright keeps an event loop running in the
    thread of the tests, in which no other test could run one."""
    path = shutil.which("chromium")
    if path is None:
        _missing("there is no chromium: `apt-get install chromium`")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ModuleNotFoundError:
        _missing("there is no playwright: `pip install 'rflow[dev]'`")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGS))
        yield browser
        browser.close()


def _missing(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


class Site:
    """A folder of flows that is served, and people who look at it."""

    def __init__(self, folder: Path, browser: Any) -> None:
        self.folder, self.browser = folder, browser
        self.server: Server
        self.url = ""
        self.trouble: list[str] = []
        self._port = 0
        self._running: tuple[uvicorn.Server, threading.Thread, socket.socket] | None = None
        self._contexts: list[Any] = []

    def serve(self) -> None:
        """Begin to serve; again at the same address after `stop`."""
        self.server = Server.open(
            config=Config(),
            root=self.folder,
            state=self.folder / ".rflow",
            host=Host.load(),
            compile=compile_file,
            check=check_text,
            restore=restore,
            compile_again=compile_again,
        )
        app = create_app(self.server)
        sock = socket.create_server(("127.0.0.1", self._port))
        self._port = sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        loop = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
            )
        )
        thread = threading.Thread(target=loop.run, args=([sock],))
        thread.start()
        self._running = loop, thread, sock

    def stop(self) -> None:
        """End it."""
        if self._running is not None:
            loop, thread, sock = self._running
            loop.should_exit = True
            loop.config.app.state.news.end()  # type: ignore[union-attr]
            thread.join()
            sock.close()
            self._running = None

    def visit(self, role: Role = "admin", name: str = "", **look: Any) -> Any:
        """A page of somebody who has signed in by the form; `look` as of a browser's context."""
        who = name or f"{role}@example.com"
        secret = tokens.create(self.server.store, who, role, by="dev@example.com").secret
        page = self.stranger(**look)
        page.goto(f"{self.url}/")
        page.get_by_label("Token").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/")
        return page

    def stranger(self, **look: Any) -> Any:
        """A page of somebody who has not signed in. What goes wrong in it is kept."""
        context = self.browser.new_context(**{"viewport": DESK, **look})
        context.set_default_timeout(WAIT_MS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.trouble.append("a dialog"), dialog.dismiss()))
        page.on("console", self._said)
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((self.url, "data:"))
                else self.trouble.append(f"asked for {asked.url}")
            ),
        )
        return page

    def _said(self, said: Any) -> None:
        if said.type == "error" and not EXPECTED.search(said.text):
            self.trouble.append(said.text)

    def close(self) -> None:
        """End all of it."""
        for context in self._contexts:
            context.close()
        self.stop()


@pytest.fixture
def site(tmp_path: Path, chromium: Any) -> Iterator[Site]:
    """A site without flows; nothing may go wrong in any of its pages."""
    found = Site(tmp_path, chromium)
    yield found
    found.close()
    assert found.trouble == []


@pytest.fixture
def serve(site: Site) -> Callable[..., Site]:
    """Serves these flow files: name → text, without `rflow 1`."""

    def start(**files: str) -> Site:
        for name, text in files.items():
            (site.folder / f"{name}.rflow").write_text(f"rflow 1\n{text}", encoding="utf-8")
        site.serve()
        return site

    return start
