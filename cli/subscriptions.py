"""`rflow subscriptions`: who is told of what happens in runs, and what became of the messages."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click
from rflow.cli import times
from rflow.cli.cells import clean
from rflow.cli.command import Family, app, command, format_option, note, say
from rflow.cli.data import as_data
from rflow.cli.table import Column, lay_out
from rflow.cli.target import as_option, state_option

if TYPE_CHECKING:
    from rflow.server.subscriptions import Message, Subscription

EXAMPLE = """
rflow subscriptions                                       list them
rflow subscriptions add https://hooks.example.com/rflow   tell a receiver of everything
rflow subscriptions deliveries ID                         what became of the messages
"""
ADD_EXAMPLE = """
rflow subscriptions add https://hooks.example.com/rflow
rflow subscriptions add - --event run.failed --flow release < address.txt
"""

id_argument = click.argument("id_", metavar="ID")


@click.group("subscriptions", cls=Family, example=EXAMPLE)
@click.pass_context
def subscriptions(ctx: click.Context) -> None:
    """Tell other programs of what happens in runs. The messages are sent by `rflow serve`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, form="text", state=None)


@command("add", example=ADD_EXAMPLE)
@click.argument("url")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="TYPE",
    help="An event that it wants: `run.failed`, `node.*`; all if none is given.",
)
@click.option("--flow", default="", metavar="NAME", help="Of this flow only.")
@click.option("--stage", default="", metavar="STAGE", help="Of this stage only.")
@format_option()
@as_option
@state_option
def add(
    url: str,
    events: tuple[str, ...],
    flow: str,
    stage: str,
    form: str,
    by: str | None,
    state: str | None,
) -> int:
    """Tell a receiver of what happens from now on.

    URL is its address; `-` reads it from standard input, so that it stands in no history of a
    shell. The secret that signs the messages is printed once.
    """
    from rflow.cli.subscribing import subscribing

    address = sys.stdin.readline().strip() if url == "-" else url
    with subscribing(state) as asked:
        made = asked.add(by, address, events, flow, stage)
    if form == "json":
        say(_json({"subscription": _told(made.subscription), "secret": made.secret}))
        return 0
    say(f"subscription {made.subscription.id}: {made.subscription.host}")
    say(f"  secret: {made.secret}")
    note("the secret is shown this once: give it to the receiver, who verifies signatures with it")
    return 0


@command("list", example="rflow subscriptions list")
@format_option()
@state_option
def list_(form: str, state: str | None) -> int:
    """List who is told of what."""
    from rflow.cli.subscribing import subscribing

    with subscribing(state) as asked:
        found = asked.listed()
    if form == "json":
        say(_json([_told(one) for one in found]))
        return 0
    if not found:
        say("nobody is subscribed")
        return 0
    columns = [
        Column("id"),
        Column("receiver", flexible=True),
        Column("events", rank=2, flexible=True),
        Column("of", rank=3),
        Column("waiting", rank=4),
        Column("", flexible=True, least=8),
    ]
    for line in lay_out(columns, [_row(one) for one in found], app().room, app().out):
        say(line)
    return 0


def _told(one: Subscription | Message) -> dict[str, Any]:
    """As JSON: the same names, and times as text."""
    told: dict[str, Any] = as_data(one)
    for name in ("created_at", "failing_since", "queued_at", "tried_at", "due"):
        if told.get(name) is not None:
            told[name] = times.iso(told[name])
    return told


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _row(one: Subscription) -> list[str]:
    pen = app().out
    of = " ".join(filter(None, (one.flow, one.stage))) or "all"
    how = pen.green("well")
    if one.disabled:
        how = pen.red(f"disabled: {clean(one.disabled)}")
    elif one.failing_since is not None:
        how = pen.yellow(f"failing since {times.relative(one.failing_since, time.time())}")
    waiting = str(one.waiting or "")
    return [pen.bold(one.id), clean(one.host), clean(", ".join(one.events)), of, waiting, how]


@command("remove", example="rflow subscriptions remove ID")
@id_argument
@as_option
@state_option
def remove(id_: str, by: str | None, state: str | None) -> int:
    """End a subscription. What was not sent yet is not sent any more."""
    from rflow.cli.subscribing import subscribing

    with subscribing(state) as asked:
        one = asked.remove(by, id_)
    say(f"{one.host} is not told any more")
    return 0


@command("enable", example="rflow subscriptions enable ID")
@id_argument
@as_option
@state_option
def enable(id_: str, by: str | None, state: str | None) -> int:
    """Tell a receiver again that was disabled, of what happens from now on."""
    from rflow.cli.subscribing import subscribing

    with subscribing(state) as asked:
        one = asked.enable(by, id_)
    say(f"{one.host} is told of what happens from now on")
    return 0


@command("test", example="rflow subscriptions test ID")
@id_argument
@as_option
@state_option
def test(id_: str, by: str | None, state: str | None) -> int:
    """Send a message that says nothing, `subscription.test`."""
    from rflow.cli.subscribing import subscribing

    with subscribing(state) as asked:
        number = asked.test(by, id_)
    say(f"message {number} is sent as soon as `rflow serve` runs")
    return 0


@command("deliveries", example="rflow subscriptions deliveries ID")
@id_argument
@click.option("--limit", type=click.IntRange(1), default=20, help="How many (20).")
@format_option()
@state_option
def deliveries(id_: str, limit: int, form: str, state: str | None) -> int:
    """List the last messages of a subscription, and what became of each."""
    from rflow.cli.subscribing import subscribing

    with subscribing(state) as asked:
        found = asked.messages(id_, limit)
    if form == "json":
        say(_json([_told(one) for one in found]))
        return 0
    if not found:
        say("nothing was sent")
        return 0
    columns = [
        Column("no"),
        Column("event"),
        Column("run"),
        Column("queued", rank=3),
        Column("tries", rank=4),
        Column("", flexible=True),
    ]
    for line in lay_out(columns, [_message(one) for one in found], app().room, app().out):
        say(line)
    return 0


def _message(one: Message) -> list[str]:
    pen, now = app().out, time.time()
    how = pen.green(f"delivered ({one.status})")
    if one.state == "failed":
        how = pen.red(f"failed: {clean(one.error)}")
    elif one.state == "waiting":
        due = one.due or now
        when = f"; again in {times.rough(due - now)}" if one.attempts and due > now else ""
        how = pen.yellow(f"waiting{': ' if one.error else ''}{clean(one.error)}{when}")
    queued = times.relative(one.queued_at, now)
    return [str(one.number), one.type, one.run, queued, str(one.attempts), how]


@command("resend", example="rflow subscriptions resend ID 12")
@id_argument
@click.argument("number", type=click.IntRange(1))
@as_option
@state_option
def resend(id_: str, number: int, by: str | None, state: str | None) -> int:
    """Send a message again, whatever became of it, under the same id.

    NUMBER is that of the message, as `rflow subscriptions deliveries` lists it.
    """
    from rflow.cli.subscribing import subscribing

    with subscribing(state) as asked:
        asked.resend(by, id_, number)
    say(f"message {number} is sent as soon as `rflow serve` runs")
    return 0


for each in (add, list_, remove, enable, test, deliveries, resend):
    subscriptions.add_command(each)
