"""What the tests of plugins share: contexts, repositories and servers, all real and all local."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rflow.plugins.local_context import LocalContext


@pytest.fixture
def ctx(tmp_path: Path) -> LocalContext:
    return LocalContext(tmp_path)


class Repository:
    """A git repository with commits made by the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        person = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "dev"), ("EMAIL", "dev@example.com"))
        }
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.path), **person}
        done = subprocess.run(
            ["git", "-C", str(self.path), *words], env=environment, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(self, message: str, **files: str) -> str:
        for name, content in files.items():
            (self.path / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(ctx: LocalContext) -> Repository:
    return Repository(ctx.directory / "repo")


class Server:
    """A web server on this machine; `answers` are given one after the other, the last for ever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = [(200, "ok")]
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.on_request: Callable[[], None] = lambda: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.command, self.path, headers, body))
                outer.on_request()
                answers = outer.answers
                status, text = answers.pop(0) if len(answers) > 1 else answers[0]
                content = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_HEAD = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of one process share, so that plugins are read once."""
    return tmp_path_factory.mktemp("cache")


class Rflow:
    """The program `rflow` in a folder, with nothing of the caller's environment."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(cache),
            "LANG": "C.UTF-8",
            "RFLOW_AS": "dev@example.com",
        }

    def asked(self, *words: str, until: str, then: Callable[[], object]) -> str:
        """What it prints, when something is done as soon as it has printed `until`."""
        with subprocess.Popen(
            [sys.executable, "-m", "rflow.cli", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as running:
            printed = ""
            for line in running.stdout or ():
                printed += line
                if until in line:
                    then()
        assert running.returncode == 0, printed
        return printed

    def __call__(self, *words: str, code: int = 0, **extra: str) -> str:
        """What it prints; it must end with this code."""
        done = subprocess.run(
            [sys.executable, "-m", "rflow.cli", *words],
            cwd=self.folder,
            env={**self.environment, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


@pytest.fixture
def rflow(tmp_path: Path, cache_home: Path) -> Rflow:
    return Rflow(tmp_path, cache_home)
