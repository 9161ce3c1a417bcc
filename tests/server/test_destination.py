"""Where messages may be sent."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from rflow.server import destination
from rflow.server.destination import Refused, checked, resolve, shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://[::1",
        "https://example.com:port",
        "https://example.com:0",
        "https://me@example.com",
        "https://me:pw@example.com",
        "https://exa mple.com",
        "https://example.com/a\r\nX: 1",
        "https://exämple.com",
        "http://169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
    ],
)
def test_what_is_refused(url: str) -> None:
    with pytest.raises(Refused) as caught:
        checked(url)
    assert "169.254" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://example.com", "http://127.0.0.1:8080/a?b=c", "http://10.0.0.1", "http://[::1]:80/"],
)
def test_what_is_taken(url: str) -> None:
    checked(url)


@pytest.mark.parametrize("url", ["http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.1/"])
def test_other_ways_to_write_a_number_are_looked_at_as_what_they_mean(url: str) -> None:
    with pytest.raises((Refused, OSError)):
        resolve(url)


def test_the_connection_goes_to_what_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in ("192.0.2.7", "2001:db8::7")]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    first, second = resolve("https://hooks.example.com:8443/a?b=c#d")
    assert (first.url, first.host) == (
        "https://192.0.2.7:8443/a?b=c",
        "hooks.example.com:8443",
    )
    assert second.url == "https://[2001:db8::7]:8443/a?b=c"
    assert second.name == "hooks.example.com"
    assert resolve("https://hooks.example.com")[0].host == "hooks.example.com"


def test_a_name_that_means_a_refused_place_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(0, 0, 0, "", (address, 0)) for address in ("192.0.2.7", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    with pytest.raises(Refused):
        resolve("https://hooks.example.com/")


def test_what_is_shown_holds_no_secret() -> None:
    assert shown("https://hooks.example.com/T0/B0/secret?x=1") == "https://hooks.example.com"
    assert shown("http://[::1") == "an address"
    assert destination.PORTS["https"] == 443
