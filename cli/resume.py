"""`rflow resume`: go on with a run, or say what became of an attempt that was cut off."""

from __future__ import annotations

from typing import Literal

import click
from rflow.cli.command import command, format_option, say
from rflow.cli.complete import run_argument
from rflow.cli.failure import Failure
from rflow.cli.target import as_option, find_run, open_state, person, state_option

Answer = Literal["redo", "done", "fail"]

EXAMPLE = """
rflow resume                     the run that was left
rflow resume 7k2m --redo deploy  run the attempt again that a crash cut off
rflow resume 7k2m --done deploy  it had taken effect
"""


@command("resume", example=EXAMPLE)
@run_argument
@click.option("--redo", metavar="NODE", multiple=True, help="Its last attempt is to run again.")
@click.option("--done", metavar="NODE", multiple=True, help="Its last attempt took effect.")
@click.option("--fail", metavar="NODE", multiple=True, help="Its last attempt failed.")
@click.option("-d", "--detach", is_flag=True, help="Go on in the background.")
@click.option("--parallel", type=click.IntRange(1, 256), default=4, help="Nodes at once (4).")
@as_option
@format_option()
@state_option
def resume(
    run: str | None,
    redo: tuple[str, ...],
    done: tuple[str, ...],
    fail: tuple[str, ...],
    detach: bool,
    parallel: int,
    by: str | None,
    form: str,
    state: str | None,
) -> int:
    """Go on with a run that was left, killed, or waits for an answer, and watch it.

    What is known to have succeeded does not run again. After a crash, an attempt of which nobody
    can tell whether it took effect waits for --redo, --done or --fail.
    """
    from rflow.cli import following
    from rflow.runner.refusals import after_end

    service = open_state(state)
    id_ = find_run(service, run, concluded=False)
    answers: list[tuple[Answer, tuple[str, ...]]]
    answers = [("redo", redo), ("done", done), ("fail", fail)]
    named = [node for _, nodes in answers for node in nodes]
    if len(set(named)) < len(named):
        raise Failure("one node cannot have two answers")
    for answer, nodes in answers:
        for node in nodes:
            service.answer(id_, node, answer, person(by))
    found = service.summary(id_)
    if found.concluded:
        raise Failure(
            f"run {id_} has ended: {found.status}",
            help=after_end(id_, found.status),
        )
    driver = service.journal.claimed(id_)
    if named and driver is not None:
        say(f"process {driver}, which drives run {id_}, goes on with the answer")
        return 0
    if detach:
        following.detach(service, id_)
        return 0
    return following.drive(service, id_, form=form, parallel=parallel)
