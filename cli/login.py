"""`rflow login`: a token for a server, kept for the commands that ask it."""

from __future__ import annotations

import sys

import click
from rflow.cli.cells import clean
from rflow.cli.command import command, note, say
from rflow.cli.failure import Failure

EXAMPLE = """
rflow login https://release.example.com          asks for the token
rflow login http://127.0.0.1:8700 < token        takes it from a file
rflow --server https://release.example.com runs  then asks that server
"""
TOKEN_MAX = 1000


@command("login", example=EXAMPLE)
@click.argument("url", metavar="URL")
def login(url: str) -> int:
    """Keep a token for a server, in a file that only you may read.

    The token is asked for, or read from standard input; it is tried before it is kept. RFLOW_TOKEN
    goes before what is kept.
    """
    from rflow.cli.client import Client, keep_token, server_url

    address = server_url(url)
    if address.startswith("http://") and not _is_here(address):
        note("over http whoever is on the way can read the token; use https")
    if sys.stdin.isatty():
        token = str(click.prompt("Token", hide_input=True, err=True))
    else:
        token = sys.stdin.read(TOKEN_MAX)
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Failure("that is no token", help="`rflow token create NAME` on the server makes one")
    client = Client(address, token)
    try:
        me = client.get("/me")
    finally:
        client.close()
    path = keep_token(address, token)
    say(f"{address} knows you as {clean(str(me['name']))} ({clean(str(me['role']))})")
    note(f"  kept in {path}")
    return 0


def _is_here(address: str) -> bool:
    host = address.removeprefix("http://").partition("/")[0]
    return host.startswith(("127.", "localhost", "[::1]"))
