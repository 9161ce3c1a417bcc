"""Where messages may be sent: the address is resolved here, looked at, and connected to as it is.

A name is resolved once for each attempt, and the connection goes to the address that was looked
at, so that a name which means another place a moment later leads nowhere. Addresses of the local
link, at which clouds keep their instances' secrets, are never connected to; those of this machine
and of private networks are.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

PORTS = {"http": 80, "https": 443}
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.100.100.200/32",  # the metadata of a large cloud
        "169.254.0.0/16",
        "192.0.0.192/32",  # and of another
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fd00:ec2::/32",  # metadata once more
        "fe80::/10",
        "ff00::/8",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(ValueError):
    """Nothing is sent there; the text says why, and never holds the whole address."""


class Destination(Struct, frozen=True):
    """An address that may be connected to. `url` has the number in the place of the name."""

    url: str
    host: str
    name: str


def checked(url: str) -> SplitResult:
    """The parts of a URL that messages can be sent to; Refused for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("it is no web address") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise Refused("a web address begins with https:// or http://")
    if any(ord(char) <= 32 or ord(char) == 127 for char in url) or not url.isascii():
        raise Refused("a web address holds neither blanks nor letters beyond ASCII")
    if parts.username is not None or parts.password is not None:
        raise Refused("a web address here holds no name and password")
    if port == 0:
        raise Refused("there is no port 0")
    try:
        refuse(parts.hostname)
    except ValueError as error:
        if isinstance(error, Refused):
            raise
    return parts


def refuse(address: str) -> None:
    """Refused for the number of a place that is never connected to; ValueError for a name."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = found
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            inner = found.ipv4_mapped
        elif found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    if any(inner in network for network in _REFUSED if network.version == inner.version):
        raise Refused("nothing is sent to addresses of the local link or of no single machine")


def resolve(url: str) -> list[Destination]:
    """The places that the URL's name means, in the order in which to try them. Refused if one of
    them is never connected to; OSError if there is none. Blocks."""
    parts = checked(url)
    name = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise Refused("its name is none") from None
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    for address in addresses:
        refuse(address)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = f"[{name}]" if ":" in name else name
    if port != PORTS[parts.scheme]:
        host = f"{host}:{port}"
    return [
        Destination(f"{parts.scheme}://{_number(address)}:{port}{path}", host, name)
        for address in addresses
    ]


def shown(url: str) -> str:
    """The URL as far as it is no secret."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"
    except ValueError:
        return "an address"


def _number(address: str) -> str:
    return f"[{address}]" if ":" in address else address
