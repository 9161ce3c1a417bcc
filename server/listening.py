"""Where a server listens, and by which address it is reached, now and last. Sends nothing."""

from __future__ import annotations

import ipaddress
import socket
from functools import cache

from rflow.runner.journal import Journal

ANYWHERE = {
    "0.0.0.0": (socket.AF_INET, "192.0.2.1", "127.0.0.1"),  # noqa: S104
    "::": (socket.AF_INET6, "2001:db8::1", "::1"),
}
"""All addresses of the machine: an address elsewhere (RFC 5737, RFC 3849), and its own."""
PORT = 9
NOTE = "served"


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


@cache
def reached_by(listen: str) -> str:
    """The address by which a server that listens there is reached. For all addresses of the
    machine it is the one from which the machine would speak to others, if there is one."""
    if listen not in ANYWHERE:
        return listen
    family, other, itself = ANYWHERE[listen]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((other, PORT))  # of UDP: it asks for the route, and nothing is sent
            return str(probe.getsockname()[0])
    except OSError:
        return itself


def remember(journal: Journal, url: str) -> None:
    """Keep where the server of a state is reached."""
    journal.put_note(NOTE, NOTE, {"url": url})


def last_served(journal: Journal) -> str:
    """Where the server of a state was reached last, "" if there was none."""
    return str(journal.notes(NOTE).get(NOTE, {}).get("url", ""))
