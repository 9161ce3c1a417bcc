"""What a form offers of a repository that is elsewhere: one that wants a token, and its mirror."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rflow.server import actions
from rflow.server.config import Config, SecretRef
from rflow.server.config import Repository as Configured
from rflow.server.core import Server
from rflow.server.events import repository_key
from rflow.server.pages.choices import Chooser, PullRequest
from rflow.server.tokens import Principal

from .conftest import Place, Repository

TOKEN = "t-123"
FLOW = """
flow pushed {
  trigger main: git { repo = "REPO"  branches = ["main"] }
  node show: sh { script = "echo $<refs.main.sha>"  pure }
}
"""


class Private(SimpleHTTPRequestHandler):
    """Files, for those who have the token."""

    def do_GET(self) -> None:
        word = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {word}":
            return super().do_GET()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def elsewhere(folder: Path) -> Iterator[str]:
    """The repository over HTTP; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Private, directory=folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/.git"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def private(
    place: Place, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[bool], tuple[Server, str]]]:
    """Opens a server whose settings have the token of a repository, or not."""
    monkeypatch.setenv("GIT_TOKEN", TOKEN)
    opened: list[Server] = []
    with elsewhere(repository.folder) as url:

        def open(known: bool) -> tuple[Server, str]:
            repository.git("update-server-info")
            place.write("pushed.rflow", FLOW.replace("REPO", url))
            token = SecretRef("env", "GIT_TOKEN")
            repositories = (Configured(url, "github", token=token),) if known else ()
            server = place.open(Config(repositories=repositories))
            server.catalog.refresh()
            opened.append(server)
            return server, url

        yield open
        for server in opened:
            server.close()


def test_a_private_repository_is_asked_with_its_token(
    private: Callable[[bool], tuple[Server, str]], repository: Repository, tmp_path: Path
) -> None:
    sha = repository.commit("first")
    repository.git("update-ref", "refs/merge-requests/7/head", sha)
    server, url = private(True)

    found = Chooser().of(server.repositories, url, tmp_path)
    assert found.trouble == ""
    assert found.branches == ("main",)
    assert [(one.sha, one.label) for one in found.commits] == [(sha, "main")]
    assert found.pulls == (PullRequest(7, sha[:12]),)

    server.repositories.mirror(repository_key(url)).fetch()
    found = Chooser().of(server.repositories, url, tmp_path)
    assert [(one.sha, one.label) for one in found.commits] == [(sha, "first")]
    assert found.pulls == (PullRequest(7, "first"),)

    newer = repository.commit("second")
    repository.git("update-server-info")
    found = Chooser().of(server.repositories, url, tmp_path)
    assert [(one.sha, one.label) for one in found.commits] == [(newer, "main"), (sha, "first")]


def test_without_its_token_it_is_told_that_it_cannot_be_asked(
    private: Callable[[bool], tuple[Server, str]], repository: Repository, tmp_path: Path
) -> None:
    repository.commit("first")
    server, url = private(False)

    found = Chooser().of(server.repositories, url, tmp_path)

    assert found.trouble
    assert found.branches == ()


def test_a_run_is_started_of_a_branch_of_a_private_repository(
    private: Callable[[bool], tuple[Server, str]], repository: Repository
) -> None:
    sha = repository.commit("first")
    repository.git("branch", "other")
    newer = repository.commit("second")
    server, _ = private(True)
    who = Principal("dev@example.com", "run", "", "")

    for given, wanted in (({}, newer), ({"main": {"branch": "other"}}, sha)):
        run = actions.start_run(server, who, "pushed", triggers=given).run
        created = server.services.here().fold(run).created
        assert created.triggers["main"]["sha"] == wanted
