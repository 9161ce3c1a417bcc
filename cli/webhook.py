"""`rflow webhook`: the addresses by which others start a flow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rflow.cli import times
from rflow.cli.cells import clean
from rflow.cli.command import Family, app, command, format_option, note, say
from rflow.cli.data import as_data
from rflow.cli.decoding import decoded
from rflow.cli.failure import Failure
from rflow.cli.flows import flows_of
from rflow.cli.server_address import Known, address_of_server, url_option
from rflow.cli.show import with_iso
from rflow.cli.table import Column, lay_out
from rflow.cli.target import as_option, on_server, open_stored, person, state_option

if TYPE_CHECKING:
    from rflow.cli.client import Client
    from rflow.server.tokens import Principal
    from rflow.server.webhooks import Made

EXAMPLE = """
rflow webhook create release.rflow          make one, and print its address once
rflow webhook list
rflow webhook rotate 7k2mxp3a               another address; the old one ends
"""
CREATE_EXAMPLE = """
rflow webhook create release.rflow --url https://rflow.example.com
rflow webhook create release.rflow --signed --rate 10
"""
id_argument = click.argument("id_", metavar="ID")


@click.group("webhook", cls=Family, example=EXAMPLE)
@click.pass_context
def webhook(ctx: click.Context) -> None:
    """Make and end the addresses by which other programs start a flow.

    Without `--server` it works on the state of this machine, whether a server runs or not.
    """
    if ctx.invoked_subcommand is None:
        help = "`rflow webhook create`, `list`, `rotate`, `revoke`"
        raise Failure("what of webhooks?", help=help)


def _asked(state: str | None) -> Client | None:
    """The server that is asked, None for the state of this machine."""
    remote = on_server(state)
    return None if remote is None else remote.client


def _path(*parts: str) -> str:
    from rflow.cli.client import path_of

    return path_of("webhooks", *parts)


def _there(url: str | None, client: Client) -> Known:
    return Known((url or client.url).rstrip("/"), "")


def _made(given: Any) -> Made:
    from rflow.server.webhooks import Made

    return decoded(Made, given)


def _who(by: str | None) -> Principal:
    from rflow.server.tokens import Principal

    return Principal(person(by), "admin", "", "command line")


@command("create", example=CREATE_EXAMPLE)
@click.argument("file")
@click.argument("flow", required=False)
@click.option("--trigger", default="", metavar="NAME", help="The trigger, if it has several.")
@click.option("--signed", is_flag=True, help="Take only calls that are signed.")
@click.option(
    "--rate", type=click.IntRange(1, 10_000), default=60, help="At most so often a minute (60)."
)
@url_option
@as_option
@format_option()
@state_option
def create(
    file: str,
    flow: str | None,
    trigger: str,
    signed: bool,
    rate: int,
    url: str | None,
    by: str | None,
    form: str,
    state: str | None,
) -> int:
    """Make a webhook of a flow, and print its address once: its token is not kept.

    Whoever has the address may start the flow: treat it like a password. With `--server`, FILE is
    the name of a flow there.
    """
    if (client := _asked(state)) is not None:
        person(by)
        body = {"flow": flow or file, "trigger": trigger, "signed": signed, "rate": rate}
        _show_made(_made(client.ask("POST", "/webhooks", json=body)), _there(url, client), form)
        return 0
    from rflow.runner.secrets import Key
    from rflow.server import audit, webhooks

    flows = flows_of(file)
    plan = flows.plan(flows.choose(flow))
    named = [one.name for one in plan.triggers if one.kind == "webhook"]
    with (
        open_stored(state, Path(file)) as (service, store),
        audit.change(store, _who(by), "webhook.create", plan.flow) as logged,
    ):
        known = address_of_server(url, service)
        made = webhooks.create(
            store,
            Key(service.state.key),
            "flow",
            plan.flow,
            by=person(by),
            trigger=webhooks.chosen(plan.flow, named, trigger),
            signed=signed,
            rate=rate,
        )
        logged.detail["id"] = made.webhook.id
    _show_made(made, known, form)
    return 0


def _show_made(made: Made, known: Known, form: str) -> None:
    address = f"{known.url}/release-flows/{made.token}"
    if form == "json":
        shown = with_iso(as_data(made.webhook))
        shown["signing"] = made.signing
        say(json.dumps({**shown, "token": made.token, "url": address}, indent=2))
        return
    say(address)
    note(f"the webhook {made.webhook.id} of the flow {clean(made.webhook.target)}")
    note("  it is shown this once; `rflow webhook rotate` makes another address")
    if known.note:
        note(f"  {known.note}")
    if made.signing:
        note(f"  its signing secret: {made.signing}")


@command("list", example="rflow webhook list release")
@click.argument("flow", required=False)
@format_option()
@state_option
def list_(flow: str | None, form: str, state: str | None) -> int:
    """List the webhooks, those included that were revoked."""
    from rflow.server import webhooks

    if (client := _asked(state)) is not None:
        listed = client.get("/webhooks", flow=flow)["items"]
        found = [decoded(webhooks.Webhook, one) for one in listed]
    else:
        with open_stored(state) as (_, store):
            found = webhooks.listed(store, flow)
    if form == "json":
        listed = [{**with_iso(as_data(one)), "signing": bool(one.signing)}
                  for one in found]  # fmt: skip
        say(json.dumps(listed, ensure_ascii=False, indent=2))
        return 0
    if not found:
        note("there is no webhook")
        return 0
    columns = [Column("webhook"), Column("starts", flexible=True), Column("made", rank=2),
               Column("used", rank=1), Column("state")]  # fmt: skip
    rows = []
    for one in found:
        used = times.day_time(one.used_at) if one.used_at else "never"
        ended = "revoked" if one.revoked_at else "signed" if one.signing else "open"
        made = times.day_time(one.created_at)
        rows.append([one.id, clean(one.target), made, used, ended])
    for line in lay_out(columns, rows, app().room, app().out):
        say(line)
    return 0


@command("rotate", example="rflow webhook rotate 7k2mxp3a")
@id_argument
@url_option
@as_option
@format_option()
@state_option
def rotate(id_: str, url: str | None, by: str | None, form: str, state: str | None) -> int:
    """Give a webhook another address; the old one ends at once."""
    if (client := _asked(state)) is not None:
        person(by)
        made = _made(client.ask("POST", _path(id_, "rotate")))
        _show_made(made, _there(url, client), form)
        return 0
    from rflow.runner.secrets import Key
    from rflow.server import audit, webhooks

    with (
        open_stored(state) as (service, store),
        audit.change(store, _who(by), "webhook.rotate", id_),
    ):
        known = address_of_server(url, service)
        made = webhooks.rotate(store, Key(service.state.key), id_)
    _show_made(made, known, form)
    return 0


@command("revoke", example="rflow webhook revoke 7k2mxp3a")
@id_argument
@as_option
@state_option
def revoke(id_: str, by: str | None, state: str | None) -> int:
    """End a webhook at once."""
    from rflow.server import audit, webhooks

    if (client := _asked(state)) is not None:
        person(by)
        client.ask("DELETE", _path(id_))
    else:
        with open_stored(state) as (_, store), audit.change(store, _who(by), "webhook.revoke", id_):
            webhooks.revoke(store, id_)
    say(f"the webhook {clean(id_)} is ended")
    return 0


for _one in (create, list_, rotate, revoke):
    webhook.add_command(_one)
