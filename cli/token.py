"""`rflow token`: who may call the server, and as whom."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click
from rflow.cli import times
from rflow.cli.cells import clean
from rflow.cli.command import Family, app, command, format_option, note, say
from rflow.cli.data import as_data
from rflow.cli.failure import Failure
from rflow.cli.line import moment
from rflow.cli.show import with_iso
from rflow.cli.table import Column, lay_out
from rflow.cli.target import as_option, state_option

if TYPE_CHECKING:
    from rflow.server.tokens import Made, Token

FAMILY_EXAMPLE = """
rflow token create oncall@example.com --role approve
rflow token list
"""
CREATE_EXAMPLE = """
rflow token create oncall@example.com --role approve
rflow token create ci --role run --until 90d
"""
ROLES = ("view", "run", "approve", "admin")


@click.group("token", cls=Family, example=FAMILY_EXAMPLE)
@click.pass_context
def token(ctx: click.Context) -> None:
    """Make and end the tokens with which a server is called.

    Works on the state of this machine, whether a server runs or not.
    """
    if ctx.invoked_subcommand is None:
        raise Failure("what of tokens?", help="`rflow token create`, `list`, `revoke`, `rotate`")


@command("create", example=CREATE_EXAMPLE)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="view",
    help="What it may do (view); each includes those before it: view, run, approve, admin.",
)
@click.option("--until", metavar="TIME", help="When it ends: a length (`90d`) or a time.")
@as_option
@format_option()
@state_option
def create(
    name: str, role: str, until: str | None, by: str | None, form: str, state: str | None
) -> int:
    """Make a token for NAME, and print it once: it is not kept.

    NAME is who, or what, uses it. It stands at all that is done with it, and counts at gates.
    """
    from rflow.cli.administration import administration

    end = None if until is None else moment(until, time.time())
    with administration(state, by) as asked:
        _show_made(asked.make_token(name, role, end), form)
    return 0


def _show_made(made: Made, form: str) -> None:
    if form == "json":
        shown = {**with_iso(as_data(made.token)), "secret": made.secret}
        say(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    say(made.secret)
    until = f", until {times.day_time(made.token.expires_at)}" if made.token.expires_at else ""
    note(f"the token {made.token.id} of {clean(made.token.name)} ({made.token.role}{until})")
    note("  it is shown this once; `rflow login URL` keeps it for the command line")


@command("list", example="rflow token list")
@click.option("--all", "all_", is_flag=True, help="Those that have ended as well.")
@as_option
@format_option()
@state_option
def list_(all_: bool, by: str | None, form: str, state: str | None) -> int:
    """List the tokens: whose they are, what they may do, when they were used."""
    from rflow.cli.administration import administration

    with administration(state, by) as asked:
        found = [token for token in asked.tokens() if all_ or not _ended(token)]
    if form == "json":
        listed = [with_iso(as_data(token)) for token in found]
        say(json.dumps(listed, ensure_ascii=False, indent=2))
        return 0
    if not found:
        note("there are no tokens; `rflow token create NAME` makes one")
        return 0
    columns = [
        Column("token"),
        Column("name", flexible=True),
        Column("role"),
        Column("made", rank=2),
        Column("used", rank=1),
        Column("until", rank=3),
    ]
    for line in lay_out(columns, [_row(token) for token in found], app().room, app().out):
        say(line)
    return 0


def _ended(token: Token) -> bool:
    past = token.expires_at is not None and token.expires_at <= time.time()
    return past or token.revoked_at is not None


def _row(token: Token) -> list[str]:
    pen, now = app().out, time.time()
    until = times.day_time(token.expires_at) if token.expires_at else ""
    if token.revoked_at is not None:
        until = pen.dim(f"revoked {times.relative(token.revoked_at, now)}")
    return [
        pen.bold(token.id),
        clean(token.name),
        token.role,
        times.relative(token.created_at, now),
        times.relative(token.used_at, now) if token.used_at else "never",
        until,
    ]


@command("revoke", example="rflow token revoke 4f2c1e0abc")
@click.argument("token")
@as_option
@state_option
def revoke(token: str, by: str | None, state: str | None) -> int:
    """End a token at once. TOKEN is its id, as `rflow token list` shows it."""
    from rflow.cli.administration import administration

    with administration(state, by) as asked:
        found = asked.revoke(token)
    say(f"the token {found.id} of {clean(found.name)} is revoked")
    return 0


@command("rotate", example="rflow token rotate 4f2c1e0abc")
@click.argument("token")
@as_option
@format_option()
@state_option
def rotate(token: str, by: str | None, form: str, state: str | None) -> int:
    """Give a token another secret, and print it once; the old one ends at once."""
    from rflow.cli.administration import administration

    with administration(state, by) as asked:
        _show_made(asked.rotate(token), form)
    return 0


for _made in (create, list_, revoke, rotate):
    token.add_command(_made)
