"""Hostile requests: too large, of another type, for another host, with tricks in headers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from rflow.server.config import Config
from rflow.server.core import Server
from rflow.server.limits import BODY_MAX, hosts_of

from .api import HELLO, Api
from .conftest import Place


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("hello.rflow", HELLO)
    found = Api(*listening())
    yield found
    found.close()


def raw(api: Api, request: str) -> bytes:
    """What a server answers to these bytes; TOKEN and HOST are put in."""
    host = urlsplit(api.url)
    text = request.replace("TOKEN", api.secrets["admin"]).replace("HOST", host.netloc)
    with socket.create_connection((host.hostname, host.port), timeout=20) as sock:
        parts = []
        with suppress(ConnectionResetError, BrokenPipeError):  # cut off before all was sent
            sock.sendall(text.replace("\n", "\r\n").encode("latin-1"))
            while part := sock.recv(65536):
                parts.append(part)
    return b"".join(parts)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 400


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    large = json.dumps({"flow": "x" * BODY_MAX})
    answer = api().post(
        "/runs", content=large.encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_without_a_length_is_cut_off(api: Api) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * (BODY_MAX // 10)

    answer = api().post("/runs", content=parts(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_taken(api: Api, type: str) -> None:
    answer = api().post("/runs", content=b'{"flow": "hello"}', headers={"Content-Type": type})
    assert answer.status_code == 415
    assert api("view").get("/runs").json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"flow": "hello", "name": "\\u0000"}',
        b'{"flow": "hello", "name": "\\ud800"}',
        b'{"flow": "hello", "args": {"who": NaN}}',
        b'{"flow": "hello", "more": 1}',
        b'{"flow": 1}',
        b"null",
        b'"hello"',
    ],
)
def test_a_body_that_cannot_be_read_is_refused(api: Api, body: bytes) -> None:
    answer = api().post("/runs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_another_host_is_refused(api: Api) -> None:
    answer = api().get("/me", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "public_url" in answer.json()["help"]


@pytest.mark.parametrize(
    ("config", "hosts"),
    [
        (Config(), {"localhost", "127.0.0.1", "::1"}),
        (Config(listen="0.0.0.0"), None),
        (
            Config(listen="0.0.0.0", public_url="https://Release.example.com:444"),
            {"localhost", "127.0.0.1", "::1", "0.0.0.0", "release.example.com"},
        ),
    ],
)
def test_the_names_that_a_server_answers_to(config: Config, hosts: set[str] | None) -> None:
    assert hosts_of(config) == hosts


GET = "GET /api/v1/me HTTP/1.1\nHost: HOST\nAuthorization: Bearer TOKEN\nConnection: close\n"
POST = (
    "POST /api/v1/runs HTTP/1.1\nHost: HOST\nAuthorization: Bearer TOKEN\n"
    "Content-Type: application/json\nConnection: close\n"
)


@pytest.mark.parametrize(
    "request_",
    [
        GET + "Host: evil.example\n\n",
        POST + "Content-Length: 2\nContent-Length: 17\n\n{}",
        POST + "Content-Length: -1\n\n{}",
        POST + "Content-Length: 2\nTransfer-Encoding: gzip\n\n{}",
        GET + "X: " + "x" * 1_000_000 + "\n\n",
        "GET /api/v1/me HTTP/1.1\n\n",
        "\0\n\n",
    ],
)
def test_tricks_in_headers_are_refused(api: Api, request_: str) -> None:
    assert 400 <= status(raw(api, request_)) < 500


def test_the_address_is_not_what_a_stranger_says(api: Api) -> None:
    api().put(
        "/flows/hello/pause",
        json={},
        headers={"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil.example"},
    )
    (entry,) = api().get("/audit").json()["items"]
    assert entry["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    "path",
    [
        "/runs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/runs/../../etc/passwd",
        "/runs/%00",
        "/runs/" + "x" * 10_000,
        "/runs/x/log?node=../../key",
        "/runs/x/nodes/%00/../..",
        "/plans/../key",
        "/flows/%2e%2e%2f.rflow%2fkey",
        "/stages/%ff%fe",
        "/runs?cursor=%00",
        "/runs?cursor=cnVuIA",
        "/audit?cursor=YXVkaXQgLTE",
        "/audit?cursor=YXVkaXQgOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk",
    ],
)
def test_tricks_in_paths_find_nothing(api: Api, path: str) -> None:
    answer = api().get(path)
    assert answer.status_code in (200, 404, 422), answer.text
    if answer.status_code == 200:
        assert answer.json() == {"items": [], "next": None}


def test_cookies_are_nothing_to_the_api(api: Api) -> None:
    answer = api(None).get("/me", headers={"Cookie": f"token={api.secrets['admin']}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_page_of_another_site_cannot_call_it(api: Api) -> None:
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = api(None).options("/runs", headers=origin)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.status_code == 405
