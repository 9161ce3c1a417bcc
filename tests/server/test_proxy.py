"""The server behind real proxies, with the settings that the documentation shows."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rflow.cli.serving_loop import Loop
from rflow.server import audit
from rflow.server.config import Config
from rflow.server.core import Server

from .api import HELLO, Api
from .conftest import Place, wait_for

PAGE = Path(__file__).parents[2] / "docs/how-to/serve.md"
NAME = "rflow.example.com"


def shown(name: str) -> str:
    """The file that the documentation shows under this name."""
    found = re.search(
        rf"^```text file={re.escape(name)}\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M
    )
    assert found is not None
    return found[1]


@dataclass
class Behind:
    """A server behind a proxy: `direct` is its own address, `client` comes through the proxy."""

    api: Api
    direct: str
    client: httpx.Client

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api.secrets['admin']}", **more}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the name, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    about = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    argv = ["openssl", *words.split(), *about, *files]
    subprocess.run(argv, check=True, capture_output=True)
    return folder


def nginx(folder: Path, certificate: Path, port: int, upstream: int) -> list[str]:
    text = (
        shown("nginx.conf")
        .replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        .replace("/etc/ssl/rflow.example.com.pem", str(certificate / "cert.pem"))
        .replace("/etc/ssl/rflow.example.com.key", str(certificate / "key.pem"))
        .replace("/var/log/nginx/rflow.log", str(folder / "access.log"))
        .replace("127.0.0.1:8700", f"127.0.0.1:{upstream}")
    )
    temporary = "".join(
        f"  {what}_temp_path {folder}/{what};\n"
        for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n{temporary}{text}}}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def caddy(folder: Path, certificate: Path, port: int, upstream: int) -> list[str]:
    text = (
        shown("Caddyfile")
        .replace(f"{NAME} {{", f"https://{NAME}:{port} {{\n\ttls {certificate}/cert.pem KEY", 1)
        .replace("KEY", str(certificate / "key.pem"))
        .replace("127.0.0.1:8700", f"127.0.0.1:{upstream}")
    )
    settings = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(settings + text)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "caddy": caddy}


@pytest.fixture(params=PROXIES)
def behind(
    request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    if shutil.which(request.param) is None or shutil.which("openssl") is None:
        pytest.skip(f"{request.param} is not installed")
    certificate: Path = request.getfixturevalue("certificate")
    folder, port, upstream = tmp_path_factory.mktemp("proxy"), free_port(), free_port()
    place.write("flows.rflow", HELLO)
    config = Config(
        port=upstream, public_url=f"https://{NAME}:{port}", trusted_proxies=("127.0.0.1",)
    )
    server = place.open(config)
    loop, thread = serving(server)
    proxy = subprocess.Popen(
        PROXIES[request.param](folder, certificate, port, upstream),
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    trust = ssl.create_default_context(cafile=certificate / "cert.pem")
    pool = httpx.HTTPTransport(verify=trust, local_address="127.0.0.1")
    client = httpx.Client(
        base_url=f"https://127.0.0.1:{port}",
        transport=Named(pool, f"{NAME}:{port}"),
        timeout=30,
    )
    api = Api(server, f"http://127.0.0.1:{upstream}")
    try:
        wait_for(lambda: answers(client))
        yield Behind(api, api.url, client)
    finally:
        client.close()
        api.close()
        proxy.terminate()
        proxy.wait()
        loop.should_exit = True
        thread.join()


class Named(httpx.BaseTransport):
    """Asks an address for what stands under a name."""

    def __init__(self, inner: httpx.HTTPTransport, host: str) -> None:
        self.inner, self.host = inner, host

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Host"] = self.host
        request.extensions["sni_hostname"] = NAME
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


def serving(server: Server) -> tuple[Loop, threading.Thread]:
    """The server as `rflow serve` runs it."""
    listening = socket.create_server(("127.0.0.1", server.config.port))
    made = Loop(server)

    def run() -> None:
        with listening:
            made.run([listening])

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: made.started or None)
    return made, thread


def answers(client: httpx.Client) -> bool | None:
    try:
        return client.get("/healthz").status_code == 200 or None
    except httpx.TransportError:
        return None


def test_who_calls_is_seen_and_cannot_be_pretended(behind: Behind) -> None:
    forged = {"X-Forwarded-For": "203.0.113.66", "X-Forwarded-Proto": "http"}
    done = behind.client.put(
        "/api/v1/flows/hello/pause", headers=behind.headers(**forged), json={"reason": "x"}
    )
    assert done.is_success, done.text
    (entry, *_) = audit.listed(behind.api.server.store)
    assert (entry.action, entry.address) == ("flow.pause", "127.0.0.1")


def test_events_come_as_they_happen(behind: Behind) -> None:
    with behind.client.stream("GET", "/api/v1/events", headers=behind.headers()) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "retry: 1000"
        run = behind.api.start("hello")
        told = next(line for line in lines if run in line)
        assert told.startswith(("data:", "id:"))


def test_a_body_arrives_as_it_was_sent(behind: Behind) -> None:
    made = behind.client.post("/api/v1/runs", headers=behind.headers(), json={"flow": "hello"})
    assert made.status_code == 201
    assert made.json()["url"].startswith(f"https://{NAME}:")
    large = behind.client.post(
        "/api/v1/runs", headers=behind.headers(), content=b'{"flow":"' + b"x" * (1 << 21) + b'"}'
    )
    assert large.status_code in (413, 415)


def test_another_name_is_refused(behind: Behind) -> None:
    assert httpx.get(f"{behind.direct}/healthz", headers={"Host": "evil.example"}).is_error


@pytest.mark.parametrize(("trusted", "seen"), [((), "127.0.0.1"), (("192.0.2.1",), "127.0.0.1")])
def test_what_others_say_of_themselves_does_not_count(
    place: Place, trusted: tuple[str, ...], seen: str
) -> None:
    place.write("flows.rflow", HELLO)
    port = free_port()
    server = place.open(Config(port=port, trusted_proxies=trusted))
    loop, thread = serving(server)
    api = Api(server, f"http://127.0.0.1:{port}")
    try:
        forged = {"X-Forwarded-For": "203.0.113.66", "Forwarded": "for=203.0.113.66"}
        done = api("admin").put("/flows/hello/pause", headers=forged, json={"reason": "x"})
        assert done.is_success, done.text
        assert audit.listed(server.store)[0].address == seen
    finally:
        api.close()
        loop.should_exit = True
        thread.join()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_one_and_is_hardened(tmp_path: Path) -> None:
    unit = tmp_path / "rflow.service"
    unit.write_text(shown("rflow.service").replace("/opt/rflow/bin/rflow", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "rflow.service" not in done.stderr, done.stderr
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-2000:] + rated.stderr
