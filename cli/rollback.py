"""`rflow rollback`: back to a release, shown, asked, driven."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rflow.cli import flow_files, rollback_view
from rflow.cli.cells import clean, wrap
from rflow.cli.command import app, command, format_option, note, say
from rflow.cli.complete import run_argument
from rflow.cli.failure import Failure
from rflow.cli.question import agreed, answer, must_be_able_to_ask
from rflow.cli.resources import meant
from rflow.cli.target import as_option, find_run, open_state, person, state_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from rflow.compiler.plan import Stage
    from rflow.runner.rollback import Rollback
    from rflow.runner.service import Service

EXAMPLE = """
rflow rollback 7k2m --plan                  what it would take; touches nothing
rflow rollback 7k2m --reason "checkout is slow"
rflow rollback 7k2m --acknowledge migrate   with a migration that stays
rflow rollback --resume                     go on with one that failed midway
"""


@command("rollback", example=EXAMPLE)
@run_argument
@click.option("--plan", "only_plan", is_flag=True, help="Show what it takes, and touch nothing.")
@click.option("--only", metavar="RESOURCE", multiple=True, help="Set back only this resource.")
@click.option(
    "--acknowledge",
    metavar="NODE",
    multiple=True,
    help="It is known that what this node did stays as it is.",
)
@click.option("--with-flow", is_flag=True, help="Put that run's flow files back as well.")
@click.option("--cancel-running", is_flag=True, help="Cancel what runs on the stage first.")
@click.option(
    "--resume", "again", is_flag=True, help="Go on with a rollback, or an undo, that failed midway."
)
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the rollback.")
@as_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask before it starts.")
@click.option("-d", "--detach", is_flag=True, help="Start it in the background.")
@click.option("--parallel", type=click.IntRange(1, 256), default=4, help="Nodes at once (4).")
@format_option()
@state_option
def rollback(
    run: str | None,
    only_plan: bool,
    only: tuple[str, ...],
    acknowledge: tuple[str, ...],
    with_flow: bool,
    cancel_running: bool,
    again: bool,
    reason: str,
    by: str | None,
    yes: bool,
    detach: bool,
    parallel: int,
    form: str,
    state: str | None,
) -> int:
    """Bring a stage back to what it was when RUN ended. `rflow releases` lists the targets.

    Shows first what changes, and what was done since that stays as it is. It is a run of its own,
    through the same kinds and checks; nothing of RUN's flow runs again. Data is not undone. What
    is taken away does not come back to the stage until `rflow release lift`.
    """
    service = open_state(state)
    if again:
        return _resume(service, run, person(by), form=form, parallel=parallel, yes=yes)
    if detach and with_flow:
        raise Failure(
            "`--with-flow` puts the files back when the rollback has ended",
            help="leave out `--detach`",
        )
    if run is None:
        raise Failure("back to which release?", help="`rflow releases` lists them")
    target = find_run(service, run)
    stage = _stage(service, target)
    if stage is not None:
        name = f"{stage.pipeline}.{stage.name}"
        only = tuple(meant(only, [h.resource for h in service.stage(name).resources], name))
    found = service.rollback_preview(target, only)
    assert stage is not None  # else it is no target
    _check_acknowledged(found, acknowledge)
    there = {"with_flow": True} if with_flow and app().remote is not None else {}
    files = _flow_files(service, target) if with_flow and not there else []
    if form != "json":
        rollback_view.show(service, found, stage, acknowledge)
        for change in files:
            say(f"  {change.path} becomes that of run {target}")
    if only_plan:
        if form == "json":
            planned = rollback_view.as_json(found, stage, acknowledge)
            say(json.dumps(planned, ensure_ascii=False, indent=2))
        return 0
    who = person(by)
    if found.steps:
        _refuse(service, found, acknowledge, cancel_running)
        if not _agreed(found, stage, who, yes, form):
            note("nothing was touched")
            return 0
    going = _going(service, found.stage) if cancel_running else []
    for run in going:
        note(f"run {run} is cancelled first")

    def create() -> str | None:
        return service.rollback(
            target,
            by=who,
            reason=reason,
            only=only,
            acknowledge=acknowledge,
            cancel_running=cancel_running,
        )

    code = _go_back(service, create, detach=detach, form=form, parallel=parallel)
    if code is None:
        note(f"{found.stage} is as it was when run {target} ended; nothing is done")
    if not code:
        _put(files, target)
    elif files:
        note("the flow's files were left as they are")
    return code or 0


def _go_back(
    service: Service,
    create: Callable[[], str | None],
    *,
    detach: bool,
    form: str,
    parallel: int,
) -> int | None:
    """Create the rollback and drive it, anew where the stage changed before it could begin; the
    exit code, None where there is nothing to do."""
    from rflow.cli import following

    while True:
        new = create()
        if new is None:
            return None
        if detach:
            say(f'{{"run": "{new}"}}' if form == "json" else new)
            following.detach(service, new)
            return 0
        _begin(service, new, form)
        code = _drive(service, new, form=form, parallel=parallel)
        state = service.fold(new)
        if not state.ended or state.reason.code != "stage-changed":
            return code
        note("the stage changed before the rollback could begin; it is prepared anew")


def _stage(service: Service, run: str) -> Stage | None:
    return service.fold(run).graph.plan.stage


def _check_acknowledged(found: Rollback, given: tuple[str, ...]) -> None:
    """A name that needs no acknowledgement is a slip, and might hide that another does."""
    known = [c.node for c in found.crossed] + found.absent
    for name in given:
        if name not in known:
            from rflow.dsl.diagnostics import closest

            near = closest(name, sorted(set(known)))
            open_ = ", ".join(f"`{each}`" for each in found.unacknowledged(()))
            step = (
                f"did you mean `{near}`?" if near else f"to be acknowledged: {open_ or 'nothing'}"
            )
            raise Failure(f"nothing called `{clean(name)}` is crossed", help=step)


def _refuse(
    service: Service, found: Rollback, acknowledge: tuple[str, ...], cancel_running: bool
) -> None:
    """What the runner would refuse is said before anybody is asked."""
    if found.lost or found.unacknowledged(acknowledge):
        return
    going = _going(service, found.stage)
    if going and not cancel_running:
        from rflow.runner import refusals
        from rflow.runner.problems import StateError

        raise StateError(
            refusals.STAGE_BUSY,
            f"run {going[0]} is going on on {found.stage}",
            "wait for it, or add `--cancel-running`",
        )


def _agreed(found: Rollback, stage: Stage, who: str, yes: bool, form: str) -> bool:
    """Ask; on a protected stage for the name under which it is done."""
    must_be_able_to_ask("roll back", yes, form)
    if not stage.protected or stage.rollback_by:
        return yes or agreed(f"Roll {clean(found.stage)} back?")
    note(f"{found.stage} is protected: this is confirmed by {clean(who)}")
    return yes or answer(app().out.bold("Type that name to roll back: ")) == who


def _going(service: Service, stage: str) -> list[str]:
    runs = service.runs(stage=stage, concluded=False, limit=1000)
    return [run.run for run in runs if run.started_at is not None]


def _begin(service: Service, run: str, form: str) -> None:
    if form != "json":
        say(f"run {run}")
        return
    from rflow.cli.watch import json_line

    for record in service.records(run):
        say(json_line(run, record))


def _drive(service: Service, run: str, *, form: str, parallel: int) -> int:
    from rflow.cli import following

    code = following.drive(service, run, form=form, parallel=parallel)
    if code and service.summary(run).started_at is not None and service.summary(run).concluded:
        note("what was set back stays so, the rest is as it was")
        note(f"  go on with it: rflow rollback {run} --resume")
    return code


# -- a rollback that failed midway -------------------------------------------------------------


def _resume(
    service: Service, text: str | None, who: str, *, form: str, parallel: int, yes: bool
) -> int:
    if text is not None and service.summary(found := find_run(service, text)).kind == "release":
        left = service.undo_left(found)
        if left:
            return _finish_undo(service, found, left, who, form=form, parallel=parallel, yes=yes)
    run = _unfinished(service, text)
    summary = service.summary(run)
    if summary.status == "success":
        note(f"the rollback {run} has ended well; nothing is left")
        return 0
    if summary.concluded:
        _check_untouched(service, run)
        preview = service.retry_preview(run)
        if form != "json":
            say(app().out.bold(f"rollback {run}"))
            for title, nodes in (("is left", preview.again), ("is done", preview.reused)):
                said = f"  {title}: {', '.join(nodes) or 'nothing'}"
                say(wrap(said, app().width, "    "))
        must_be_able_to_ask("go on", yes, form)
        if not yes and not agreed("Go on?"):
            note("nothing was touched")
            return 0
        service.retry(run, by=who)
    return _drive(service, run, form=form, parallel=parallel)


def _finish_undo(
    service: Service, run: str, left: list[str], who: str, *, form: str, parallel: int, yes: bool
) -> int:
    """Undo what a run that did not end well has left."""
    from rflow.cli import following

    if form != "json":
        say(app().out.bold(f"undo of run {run}"))
        say(wrap(f"  is left: {', '.join(left)}", app().width, "    "))
    must_be_able_to_ask("go on", yes, form)
    if not yes and not agreed("Undo it?"):
        note("nothing was touched")
        return 0
    service.undo_again(run, by=who)
    following.drive(service, run, form=form, parallel=parallel)
    left = service.undo_left(run)
    if left:
        note(f"not undone: {', '.join(left)}; `rflow why {run} undo:{left[0]}` says why")
    return 3 if left else 0


def _unfinished(service: Service, text: str | None) -> str:
    """The rollback that is meant: itself, the last one to that release, or the last one."""
    named = None if text is None else find_run(service, text)
    rollbacks = [run for run in service.runs(limit=1000) if run.kind == "rollback"]
    for run in rollbacks:
        if named in (None, run.run) or service.fold(run.run).created.trigger.get("to") == named:
            return run.run
    to = "" if named is None else f" to run {named}"
    raise Failure(f"there is no rollback{to}", help="`rflow rollback RUN` starts one")


def _check_untouched(service: Service, run: str) -> None:
    """What others did to the stage since must not be undone by an old plan."""
    summary = service.summary(run)
    assert summary.stage is not None
    end = service.journal.ended_at_change(run) or 0
    for change in service.journal.ledger(summary.stage):
        if change.seq > end and change.run != run and change.state != "undone":
            to = service.fold(run).created.trigger.get("to")
            raise Failure(
                f"run {change.run} has changed {clean(change.resource)} since",
                help=f"start anew with what is there now: `rflow rollback {to}`",
            )


# -- its flow ----------------------------------------------------------------------------------


def _flow_files(service: Service, run: str) -> list[flow_files.Change]:
    """The files of a release's flow; of a rollback, those of the release that it went back to."""
    created = service.fold(run).created
    while created.kind == "rollback":
        created = service.fold(str(created.trigger.get("to"))).created
    plan = service.fold(created.run).graph.plan
    return flow_files.changes(plan, Path(created.directory), run)


def _put(files: list[flow_files.Change], run: str) -> None:
    if not files:
        return
    flow_files.put(files)
    for change in files:
        note(f"{change.path} is that of run {run} again")
        if change.kept:
            note(f"  what it held is in {change.kept}")
