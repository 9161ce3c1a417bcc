"""`rflow deliveries`, `rflow why trigger`: what came in, and what each trigger said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click
from rflow.cli import times
from rflow.cli.cells import clean, wrap
from rflow.cli.command import Family, app, color_option, command, format_option, note, say
from rflow.cli.data import as_data
from rflow.cli.show import with_iso
from rflow.cli.table import Column, lay_out
from rflow.cli.target import as_option, on_server, open_stored, person, state_option
from rflow.cli.trigger import show_rules

if TYPE_CHECKING:
    from rflow.cli.client import Client
    from rflow.server.deliveries import Delivery, Told
    from rflow.server.store import Store

EXAMPLE = """
rflow deliveries                  what came in, and what started
rflow why trigger 7k2mxp          which rules were looked at, and what each said
rflow deliveries replay 7k2mxp    work it off once more
"""
WHY_EXAMPLE = """
rflow why trigger             the newest delivery
rflow why trigger 7k2mxp      one of `rflow deliveries`, or its sender's own id for it
"""
OUTCOMES = {
    "started": "green",
    "no": "",
    "waits": "yellow",
    "paused": "yellow",
    "refused": "red",
    "failed": "red",
}


class Source(Protocol):
    """Where deliveries are looked at: the state of this machine, or a server."""

    def latest(self, limit: int, flow: str | None) -> list[Delivery]: ...

    def told(self, id: str) -> tuple[Delivery, list[Told]]: ...

    def replay(self, id: str, by: str | None) -> str: ...


class _Here:
    def __init__(self, store: Store) -> None:
        self._store = store

    def latest(self, limit: int, flow: str | None) -> list[Delivery]:
        from rflow.server import deliveries

        return deliveries.latest(self._store, limit=limit, flow=flow)

    def told(self, id: str) -> tuple[Delivery, list[Told]]:
        from rflow.server import deliveries

        found = deliveries.find(self._store, id)
        return found, deliveries.verdicts(self._store, found.id)

    def replay(self, id: str, by: str | None) -> str:
        from rflow.server import audit, deliveries
        from rflow.server.tokens import Principal

        who = Principal(person(by), "admin", "", "command line")
        with audit.change(self._store, who, "delivery.replay", id):
            return deliveries.replay(self._store, deliveries.find(self._store, id))


class _There:
    def __init__(self, client: Client) -> None:
        self._client = client

    def latest(self, limit: int, flow: str | None) -> list[Delivery]:
        from rflow.cli.decoding import decoded
        from rflow.server.deliveries import Delivery

        found = self._client.all("/deliveries", limit, flow=flow)
        return [decoded(Delivery, item) for item in found]

    def told(self, id: str) -> tuple[Delivery, list[Told]]:
        from rflow.cli.client import path_of
        from rflow.cli.decoding import decoded
        from rflow.server.deliveries import Delivery, Told

        found = self._client.get(path_of("deliveries", id))
        told = [decoded(Told, item) for item in found["verdicts"]]
        return decoded(Delivery, found["delivery"]), told

    def replay(self, id: str, by: str | None) -> str:
        from rflow.cli.client import path_of

        found: str = self._client.ask("POST", path_of("deliveries", id, "replay"))["delivery"]["id"]
        return found


@contextmanager
def source(state: str | None) -> Iterator[Source]:
    """Where the deliveries are."""
    remote = on_server(state)
    if remote is not None:
        yield _There(remote.client)
        return
    with open_stored(state) as (_, store):
        yield _Here(store)


@click.group("deliveries", cls=Family, example=EXAMPLE)
@click.option("--flow", help="Only those that this flow's triggers were asked about.")
@click.option("--limit", type=click.IntRange(1), default=20, help="At most so many (20).")
@format_option()
@state_option
@color_option
@click.pass_context
def deliveries(
    ctx: click.Context, flow: str | None, limit: int, form: str, state: str | None
) -> None:
    """List what came in that may start runs, the newest first: messages of git hosts, calls of
    webhooks, times of cron triggers."""
    if ctx.invoked_subcommand is not None:
        return
    with source(state) as asked:
        found = asked.latest(limit, flow)
        told = {one.id: asked.told(one.id)[1] for one in found}
    if form == "json":
        say(json.dumps([as_json(one, told[one.id]) for one in found], ensure_ascii=False, indent=2))
        return
    if not found:
        note("nothing has come in")
        return
    columns = [Column("delivery"), Column("at", rank=2), Column("from", rank=1), Column("event"),
               Column("became", flexible=True)]  # fmt: skip
    rows = [
        [one.id, times.day_time(one.received_at), clean(one.host), clean(one.event),
         _became(one, told[one.id])]
        for one in found
    ]  # fmt: skip
    for line in lay_out(columns, rows, app().room, app().out):
        say(line)


def _became(delivery: Delivery, told: list[Told]) -> str:
    """What became of a delivery, in a line."""
    pen = app().out
    if delivery.state != "done":
        return pen.yellow("is worked off" if not delivery.trouble else clean(delivery.trouble))
    started = [one for one in told if one.run]
    if started:
        return pen.green(", ".join(f"{clean(one.flow)}: run {one.run}" for one in started))
    if told:
        first = told[0]
        more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
        return pen(
            OUTCOMES.get(first.outcome, ""), f"{clean(first.flow)}: {clean(first.why)}{more}"
        )
    return pen.dim(clean(delivery.note) or "nothing")


@command("replay", example="rflow deliveries replay 7k2mxp")
@click.argument("delivery")
@as_option
@state_option
def replay(delivery: str, by: str | None, state: str | None) -> int:
    """Work a delivery off once more, as if it had just come in; a server does it."""
    with source(state) as asked:
        id = asked.replay(delivery, by)
    say(id)
    note(f"  what becomes of it: rflow why trigger {id}")
    return 0


deliveries.add_command(replay)


def why_trigger(id: str | None, form: str, state: str | None) -> int:
    """Say what each trigger said of a delivery."""
    with source(state) as asked:
        if id is None:
            newest = asked.latest(1, None)
            if not newest:
                note("nothing has come in")
                return 0
            id = newest[0].id
        delivery, told = asked.told(id)
    if form == "json":
        say(json.dumps(as_json(delivery, told), ensure_ascii=False, indent=2))
        return 0
    _show(delivery, told)
    return 0


def _show(delivery: Delivery, told: list[Told]) -> None:
    pen, width = app().out, app().width
    again = f", again {delivery.replay_of}" if delivery.replay_of else ""
    head = f"{pen.bold(delivery.id)}  {clean(delivery.event)} from {clean(delivery.host)}{again}"
    say(wrap(f"{head}, {times.day_time(delivery.received_at)}", width, "  "))
    if delivery.trouble:
        say(wrap(f"  {pen.yellow('not done yet: ' + clean(delivery.trouble))}", width, "    "))
    if delivery.note:
        say(wrap(f"  {clean(delivery.note)}", width, "    "))
    for one in told:
        say()
        run = f": run {one.run}" if one.run else ""
        became = pen(OUTCOMES.get(one.outcome, ""), f"{one.outcome}{run}")
        name = ".".join(part for part in (one.flow, one.trigger) if part)
        say(wrap(f"{pen.bold(clean(name))}  {clean(one.about)}: {became}", width, "  "))
        if not one.run and all(rule.why != one.why for rule in one.rules):
            say(wrap(f"  {clean(one.why)}", width, "    "))
        show_rules(one.rules)


def as_json(delivery: Delivery, told: list[Told]) -> dict[str, Any]:
    """A delivery with its verdicts."""
    shown = with_iso(as_data(delivery))
    return {**shown, "verdicts": [as_data(one) for one in told]}
