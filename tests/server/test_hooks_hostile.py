"""Callers who mean harm: slow, endless, twisted. Each is refused, and the server goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import httpx
import pytest
from rflow.cli import serving_loop
from rflow.server import deliveries, routes_hooks
from rflow.server.config import Config, Repository, SecretRef
from rflow.server.core import Server

from .api import GATED, Api
from .conftest import Place
from .messages import SECRET, headers, payload

Listening = Callable[..., tuple[Server, str]]
BODY = json.dumps(payload("github", "push")).encode()


@pytest.fixture
def hooked(place: Place, listening: Listening) -> tuple[Server, str]:
    """A server that hears of the shop."""
    (place.folder / "hook-secret").write_text(SECRET)
    ref = SecretRef("file", str(place.folder / "hook-secret"))
    repository = Repository("https://github.com/acme/shop", "github", webhook_secret=ref)
    server, url = listening(Config(repositories=(repository,)))
    return server, url


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def raw(url: str, request: bytes) -> bytes:
    """What a server answers to these bytes."""
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=30) as client:
        client.sendall(request)
        return client.recv(4096)


def test_a_client_that_sends_nothing_more_is_let_go(
    hooked: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes_hooks, "PATIENCE_S", 0.2)

    answer = raw(hooked[1], b"POST /hooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")

    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"second"])
def test_a_head_that_does_not_come_ends_the_connection(
    hooked: tuple[Server, str], monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(serving_loop, "HEAD_S", 0.2)
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    with socket.create_connection(("127.0.0.1", port_of(hooked[1])), timeout=30) as client:
        if begun == b"second":  # one head was there, the next one is not
            client.sendall(whole)
            answer = b""
            while not answer.endswith(b"}"):
                answer += client.recv(4096)
            begun = whole[:-2]
        for byte in begun:
            client.sendall(bytes([byte]))
        assert client.recv(4096) == b""


def test_an_answer_may_take_longer_than_a_head(
    place: Place, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_loop, "HEAD_S", 0.1)
    place.write("gated.rflow", GATED)
    api = Api(*listening())
    run = api.start("release")
    for _ in range(2):
        found = api("view").get(f"/runs/{run}", params={"wait": 1})
        assert found.json()["concluded"] is False
    api.close()


def test_a_body_without_end_is_cut_off(
    hooked: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes_hooks, "MESSAGE_MAX", 1000)
    head = b"POST /hooks/github HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = raw(hooked[1], head + b"100\r\n" + b"x" * 256 + b"\r\n" + b"400\r\n" + b"x" * 1024)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "path",
    ["/hooks/../hooks/github/x", "/hooks/github%00", "/hooks/", "/hooks/svn", "/hooks/github/.."],
)
def test_twisted_paths_lead_nowhere(hooked: tuple[Server, str], path: str) -> None:
    answer = httpx.post(f"{hooked[1]}{path}", content=BODY, headers=headers("github", "push", BODY))

    assert answer.status_code in (404, 405, 422)
    assert deliveries.latest(hooked[0].store) == []


@pytest.mark.parametrize(
    "token", ["x" * 300, "%00", "..%2F..%2Fetc", "' OR 1=1 --", "\u2603", "a/b"]
)
def test_twisted_tokens_are_unknown(hooked: tuple[Server, str], token: str) -> None:
    answer = httpx.get(f"{hooked[1]}/release-flows/{token}")

    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "signature",
    ["", "sha256=", "sha1=abc", "sha256=" + "0" * 64, "sha256=\xff", "x" * 10_000],
)
def test_a_signature_that_is_none_is_refused(hooked: tuple[Server, str], signature: str) -> None:
    given = {**headers("github", "push", BODY), "x-hub-signature-256": signature}
    sent = {name: value.encode("latin-1") for name, value in given.items()}

    answer = httpx.post(f"{hooked[1]}/hooks/github", content=BODY, headers=sent)

    assert answer.status_code == 401


def test_ids_of_deliveries_may_be_anything(hooked: tuple[Server, str]) -> None:
    server, url = hooked
    for key in ("x" * 5000, "'; DROP TABLE deliveries; --", ""):
        given = headers("github", "push", BODY, delivery=key)
        assert httpx.post(f"{url}/hooks/github", content=BODY, headers=given).status_code == 202

    assert len(deliveries.latest(server.store)) == 3


def test_a_form_of_a_page_elsewhere_is_not_believed(hooked: tuple[Server, str]) -> None:
    answer = httpx.post(
        f"{hooked[1]}/hooks/github",
        data={"payload": BODY.decode()},
        headers={"origin": "https://elsewhere.example.com"},
    )

    assert answer.status_code == 401
