"""`rflow freeze`, `rflow thaw`, `rflow pass`: stopping the line, and letting one thing through."""

from __future__ import annotations

import datetime
import re
import time
from typing import TYPE_CHECKING

import click
from rflow.cli import times
from rflow.cli.cells import clean
from rflow.cli.command import command, note, say
from rflow.cli.complete import node_argument, run_argument, stage_argument
from rflow.cli.decide import mention_driver
from rflow.cli.failure import Failure
from rflow.cli.logged import logged
from rflow.cli.target import (
    as_option,
    find_node,
    find_run,
    find_stage,
    open_state,
    person,
    state_option,
)

if TYPE_CHECKING:
    from rflow.runner.service import Service
    from rflow.runner.view import NodeView

FREEZE_EXAMPLE = """
rflow freeze production --until 4h --reason "the database moves"
rflow freeze production --until 09:00 --reason "no releases at night"
"""
THAW_EXAMPLE = """
rflow thaw production
"""
HELD_EXAMPLE = """
rflow pass 7k2m web --reason "the fix for the outage"
"""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+[smhd])+")

_FULL = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*")
"""`pipeline.stage`."""

reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")


@command("freeze", example=FREEZE_EXAMPLE)
@stage_argument
@click.option(
    "--until",
    required=True,
    metavar="TIME",
    help="A length (`4h`, `1h30m`) or a time (`14:05`, `2026-03-01 09:00`), local unless it says.",
)
@reason_option
@as_option
@state_option
def freeze(stage: str | None, until: str, reason: str, by: str | None, state: str | None) -> int:
    """Let no effect begin on a stage until a time.

    Runs may start and go on up to their next effect, then they wait. Undo and rollback pass.
    """
    service = open_state(state)
    name = _to_freeze(service, stage)
    now = time.time()
    end = moment(until, now)
    if end <= now:
        raise Failure(f"`--until {clean(until)}` is past", help="give a time to come, or `4h`")
    who = person(by)
    with logged(service, state, who, "stage.freeze", name, until=end, reason=reason):
        service.freeze(name, until=end, reason=reason, by=who)
    say(f"{name} is frozen until {times.day_time(end)} ({times.relative(end, now)})")
    note(f"  end it: rflow thaw {name}")
    note('  let one node through: rflow pass RUN NODE --reason "…"')
    return 0


def _to_freeze(service: Service, text: str | None) -> str:
    """The stage that is meant; one that no run was created for yet goes by its whole name."""
    from rflow.runner.problems import StateError

    try:
        return find_stage(service, text)
    except (Failure, StateError):
        if text is None or not _FULL.fullmatch(text):
            raise
    note(f"no run was created for {clean(text)} yet: it holds as soon as one is; check the name")
    return text


@command("thaw", example=THAW_EXAMPLE)
@stage_argument
@as_option
@state_option
def thaw(stage: str | None, by: str | None, state: str | None) -> int:
    """End the freeze of a stage before its time. `rflow audit` says who did."""
    service = open_state(state)
    name = stage if stage is not None and _FULL.fullmatch(stage) else find_stage(service, stage)
    with logged(service, state, person(by), "stage.thaw", name):
        service.thaw(name)
    say(f"{name} is not frozen any more")
    return 0


@command("pass", example=HELD_EXAMPLE)
@run_argument
@node_argument
@reason_option
@as_option
@state_option
def pass_(run: str | None, node: str | None, reason: str, by: str | None, state: str | None) -> int:
    """Let a node through that waits for a freeze to end or for its stage to open.

    Only this node: what comes behind it waits again. Without NODE, the only one that waits.
    """
    service = open_state(state)
    id_ = find_run(service, run, status="waiting")
    if node is None:
        node = _only_held(service.view(id_).nodes, id_)
    find_node(service, id_, node)
    name = person(by)
    service.let_pass(id_, node, by=name, reason=reason)
    say(f"{clean(node)} of run {id_} is let through as {clean(name)}")
    mention_driver(service, id_)
    return 0


def _only_held(nodes: list[NodeView], run: str) -> str:
    held = [node.id for node in nodes if node.answer.startswith("rflow pass")]
    if len(held) == 1:
        return held[0]
    if not held:
        raise Failure(
            f"no node of run {run} is held by a freeze or a closed window",
            help=f"`rflow show {run}` shows what the run waits for",
        )
    listed = ", ".join(f"`{clean(node)}`" for node in held)
    raise Failure(f"several nodes of run {run} are held: {listed}", help="name one")


def moment(text: str, now: float) -> float:
    """The time that is meant, in seconds since 1970. Failure where it is none."""
    text = text.strip()
    if _DURATION.fullmatch(text):
        parts = re.findall(r"(\d+)([smhd])", text)
        return now + sum(int(number) * _UNITS[unit] for number, unit in parts)
    today = datetime.datetime.fromtimestamp(now).astimezone()
    try:
        if re.fullmatch(r"\d{1,2}:\d\d", text):
            hour, minute = map(int, text.split(":"))
            at = today.replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None)
            if at.astimezone().timestamp() <= now:
                at += datetime.timedelta(days=1)
        else:
            at = datetime.datetime.fromisoformat(text)
        return at.timestamp()
    except (ValueError, OverflowError):
        raise Failure(
            f"`{clean(text)}` is neither a length nor a time",
            help="a length is `4h` or `1h30m`, a time `14:05` or `2026-03-01 09:00`",
        ) from None
