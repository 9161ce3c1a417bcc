"""Sending to subscribers: over TLS, and by a server that is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from rflow.plugins.signing import verify
from rflow.runner.secrets import Key
from rflow.server import subscriptions
from rflow.server.sending import Sender
from rflow.server.store import Store

from .conftest import wait_for
from .receiver import Receiver, receiving

FLOW = 'rflow 1\nflow hello { node greet: sh { script = "echo hello"  pure } }\n'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "server.db")
    yield found
    found.close()


def outcome(store: Store, key: Key, url: str, trust: ssl.SSLContext | None) -> tuple[str, str]:
    """The state and the error of a message after its first attempt."""
    id = subscriptions.add(store, key, url, [], by="dev@example.com", lengths={}).subscription.id
    subscriptions.test(store, id)
    sender = Sender(store, key, trust=trust)
    sender.start()
    try:
        (message,) = wait_for(
            lambda: [m for m in subscriptions.messages(store, id) if m.attempts] or None
        )
    finally:
        sender.close()
    return message.state, message.error


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path, list[str | None]]]:
    """A receiver over TLS whose certificate is for `localhost`: its port, the certificate, and the
    names that it was asked for."""
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    about = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    argv = ["openssl", *words.split(), *about, *files]
    subprocess.run(argv, check=True, capture_output=True)
    names: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.sni_callback = lambda _, name, __: names.append(name)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, folder / "cert.pem", names
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_is_verified_by_the_name_that_was_asked_for(
    store: Store, tmp_path: Path, tls: tuple[int, Path, list[str | None]]
) -> None:
    port, certificate, names = tls
    key = Key(tmp_path / "key")
    trust = ssl.create_default_context(cafile=certificate)
    assert outcome(store, key, f"https://localhost:{port}/", trust) == ("delivered", "")
    assert names[-1] == "localhost"
    state, error = outcome(store, key, f"https://127.0.0.1:{port}/", trust)
    assert state == "waiting"
    assert "CERTIFICATE_VERIFY_FAILED" in error
    state, error = outcome(store, key, f"https://localhost:{port}/", None)
    assert state == "waiting"
    assert "CERTIFICATE_VERIFY_FAILED" in error


def test_what_does_not_answer_is_given_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rflow.server.sending.TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert outcome(store, Key(tmp_path / "key"), url, None) == (
            "waiting",
            "no answer within 0 s",
        )


class Process:
    """`rflow` as processes, on a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "hello.rflow").write_text(FLOW)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RFLOW_AS": "dev@example.com",
        }

    def __call__(self, *words: str) -> str:
        argv = [sys.executable, "-m", "rflow.cli", *words]
        return subprocess.run(
            argv, cwd=self.folder, env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def serve(self) -> subprocess.Popen[bytes]:
        found = subprocess.Popen(
            [sys.executable, "-m", "rflow.cli", "serve", "--port", "0"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert found.stdout is not None
        assert b"serves" in found.stdout.readline()
        return found


@pytest.mark.slow
def test_a_server_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    rflow = Process(tmp_path)
    rflow("run", "hello.rflow", "--yes")
    with receiving() as receiver:
        added = json.loads(rflow("subscriptions", "add", receiver.url, "--format", "json"))
        runs = 0
        for kill_at in (2, 8):
            serving = rflow.serve()
            receiver.before = _killer(receiver, serving, kill_at)
            rflow("run", "hello.rflow", "--yes")
            runs += 1
            assert serving.wait(30) == -signal.SIGKILL
            assert serving.stdout is not None
            serving.stdout.close()
        receiver.before = lambda: None
        serving = rflow.serve()
        try:
            wait_for(lambda: len(_ids(receiver, added["secret"])) == 5 * runs)
            id = added["subscription"]["id"]
            listed = json.loads(rflow("subscriptions", "deliveries", id, "--format", "json"))
        finally:
            serving.terminate()
            serving.communicate()
    assert {message["id"] for message in listed} == _ids(receiver, added["secret"])
    assert len(listed) == 5 * runs
    assert len({(message["run"], message["type"]) for message in listed}) == 5 * runs


def _killer(receiver: Receiver, serving: subprocess.Popen[bytes], at: int) -> Callable[[], None]:
    """Kills the server when so many messages have arrived, before this one is answered."""

    def kill() -> None:
        if len(receiver.received) + 1 >= at:
            serving.kill()
            serving.wait()

    return kill


def _ids(receiver: Receiver, secret: str) -> set[str]:
    return {verify(secret, headers, body, time.time()) for _, headers, body in receiver.received}
