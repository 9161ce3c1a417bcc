"""`rflow trigger test`: what the triggers of a flow would say of an event, without a server."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct, structs
from rflow.cli.cells import clean, pad, wrap
from rflow.cli.command import Family, app, command, format_option, say
from rflow.cli.complete import file_argument, flow_argument
from rflow.cli.data import as_data
from rflow.cli.failure import Failure
from rflow.cli.flows import Flows, flows_of
from rflow.cli.target import state_option
from rflow.cli.trigger_event import of_commit, of_message
from rflow.cli.trigger_list import list_

if TYPE_CHECKING:
    from rflow.server.events import GitEvent
    from rflow.server.matching import Rule, Verdict
    from rflow.server.mirror import Mirror
    from rflow.server.triggers import Listening

EXAMPLE = """
rflow trigger list release.rflow
rflow trigger test release.rflow --commit HEAD
rflow trigger test release.rflow --commit main --repo ../shop
rflow trigger test release.rflow --event push.json --host github
"""
SIGNS = {"yes": ("yes", "green"), "no": ("no", "red"), "open": ("?", "yellow")}


@click.group("trigger", cls=Family, example=EXAMPLE)
@click.pass_context
def trigger(ctx: click.Context) -> None:
    """What starts runs by itself: listed, and tried out."""
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())


class _Told(Struct, frozen=True):
    """What one trigger says of one event, and what would become of the run."""

    event: GitEvent
    trigger: Listening
    verdict: Verdict
    problems: tuple[str, ...]


@command("test", example=EXAMPLE)
@file_argument
@flow_argument
@click.option("--event", "payload", metavar="FILE", help="A message of a git host (`-`: stdin).")
@click.option(
    "--host",
    type=click.Choice(("github", "gitlab", "gitea", "bitbucket", "plain")),
    help="The host it is of; else it is seen from the message.",
)
@click.option("--event-name", metavar="NAME", help="What the message is about: `push`.")
@click.option("--commit", metavar="SHA", help="A commit of a repository, as if it was pushed.")
@click.option(
    "--repo",
    metavar="PATH|URL",
    help="Of which repository; else that of the flow's file, else that of its triggers.",
)
@click.option("--branch", metavar="NAME", help="The branch it is pushed to; else the current one.")
@click.option("--tag", metavar="NAME", help="As if the commit was tagged so.")
@format_option()
@state_option
def test(
    file: str,
    flow: str | None,
    payload: str | None,
    host: str | None,
    event_name: str | None,
    commit: str | None,
    repo: str | None,
    branch: str | None,
    tag: str | None,
    form: str,
    state: str | None,
) -> int:
    """Say what would happen, and why: each rule of each git trigger, and what it says.

    Nothing is started. What the message does not say is asked of the trigger's repository, as the
    server would do it.
    """
    if (payload is None) == (commit is None):
        raise Failure(
            "give either `--event FILE` or `--commit SHA`",
            help="a message of a git host, or a commit of a repository",
        )
    flows = flows_of(file)
    plan = flows.plan(flows.choose(flow))
    if repo is not None and commit is None:
        raise Failure("`--repo` says where a `--commit` is", help="a message names its repository")
    if commit is not None:
        where = repo or _own(flows, plan)
        root, events = of_commit(where, partial(_mirror, flows, state), commit, branch, tag)
    else:
        assert payload is not None
        root, events = None, of_message(payload, host, event_name)
    told = list(_asked(flows, plan, events, root, state))
    if form == "json":
        say(json.dumps([_as_json(one) for one in told], ensure_ascii=False, indent=2))
        return 0
    if not told:
        raise Failure(f"the flow `{clean(plan.flow)}` has no git trigger")
    for number, one in enumerate(told):
        if number:
            say()
        _show(one, plan.flow)
    return 0


trigger.add_command(test)
trigger.add_command(list_)


# -- what is said of it ----------------------------------------------------------------------------


def _own(flows: Flows, plan: Any) -> str:
    """The repository that the flow lies in, else the one that its git triggers are about."""
    from rflow.server.mirror import GitError, git
    from rflow.server.triggers import triggers_of

    place = flows.project.directory
    try:
        git("rev-parse", "--git-dir", folder=place)
        return str(place)
    except GitError:
        listening = triggers_of(plan, flows.kinds.host, place)
    about = {str(one.inputs.get("repo", "")) for one in listening if one.kind == "git"}
    if len(about) == 1:
        (address,) = about
        return str(place / address) if (place / address).exists() else address
    raise Failure(
        f"`{clean(str(place))}` lies in no git repository"
        + (", and its triggers are about several" if about else ""),
        help="`--repo PATH|URL` says where the commit is",
    )


def _asked(
    flows: Flows, plan: Any, events: tuple[GitEvent, ...], root: str | None, state: str | None
) -> Any:
    """What each git trigger says of each event."""
    from rflow.server.triggers import triggers_of

    host, place = flows.kinds.host, flows.project.directory
    for event in events:
        for one in triggers_of(plan, host, place):
            if one.kind == "git":
                yield _ask(flows, plan, one, event, root, state)


def _ask(
    flows: Flows, plan: Any, one: Listening, event: GitEvent, root: str | None, state: str | None
) -> _Told:
    from rflow.server.facts import complete
    from rflow.server.mirror import GitError

    address = str(one.inputs.get("repo", ""))
    if root is not None:  # a commit of this repository stands for one of the trigger's
        event = structs.replace(event, repos=(address,))
    verdict = one.asked(event)
    if verdict.outcome in ("ask", "start", "wait") and (verdict.needs or event.head is None):
        try:
            event = complete(event, _mirror(flows, state, root or address))
        except GitError as error:
            why = f"the repository cannot be asked: {clean(str(error))}"
            return _Told(event, one, verdict, (why,))
        verdict = one.asked(event)
    problems = _problems(flows, plan, one, event) if verdict.outcome == "start" else ()
    return _Told(event, one, verdict, problems)


def _mirror(flows: Flows, state: str | None, address: str) -> Mirror:
    from rflow.runner.state_dir import locate
    from rflow.server.mirror import Mirror

    place = flows.project.directory
    found = locate(place / "flow.rflow", given=Path(state) if state is not None else None).make()
    if "://" not in address and (place / address).exists():
        address = str((place / address).resolve())
    return Mirror.within(found.root / "mirrors", address)


def _problems(flows: Flows, plan: Any, one: Listening, event: GitEvent) -> tuple[str, ...]:
    """Why a run would be refused all the same."""
    from rflow.runner.prepare import prepare
    from rflow.runner.refusals import Refused
    from rflow.server.triggers import secrets_of, values_of

    if event.pull_request is not None and event.pull_request.fork:
        names = secrets_of(plan, {})
        if names:
            return (f"a run of a fork gets no secrets, and the flow has {', '.join(names)}",)
    try:
        prepare(
            plan,
            flows.kinds.host,
            flows.project.directory,
            args={},
            saved={},
            overrides={},
            triggers={one.name: values_of(event)},
            by="trigger test",
            trigger={"kind": "git", "name": one.name},
        )
    except Refused as refused:
        return tuple(clean(problem.message) for problem in refused.problems)
    return ()


# -- showing it ------------------------------------------------------------------------------------


def ending(verdict: Verdict, problems: tuple[str, ...], flow: str) -> tuple[str, str]:
    """What would happen, in words, and its colour."""
    match verdict.outcome:
        case "start" if not problems:
            return f"a run of {flow} would start", "green"
        case "start":
            return f"a run of {flow} would be refused", "red"
        case "wait":
            return f"a run of {flow} would start once all checks have passed", "yellow"
        case "ask":
            return "it is not known what would happen", "yellow"
        case _:
            return "nothing would start", "red"


def show_rules(rules: tuple[Rule, ...]) -> None:
    """One line for each rule that was looked at."""
    pen = app().out
    width = max((len(rule.name) for rule in rules), default=0)
    for rule in rules:
        said, style = SIGNS[rule.said]
        line = f"  {pen.dim(pad(rule.name, width))}  {pen(style, f'{said:4}')}  {clean(rule.why)}"
        say(wrap(line, app().width, " " * (width + 10)))


def _show(one: _Told, flow: str) -> None:
    pen = app().out
    what, style = ending(one.verdict, one.problems, clean(flow))
    say(f"{pen.bold(clean(one.trigger.name))}  {clean(str(one.event))}: {pen(style, what)}")
    show_rules(one.verdict.rules)
    for problem in one.problems:
        say(wrap(f"  {pen.red(problem)}", app().width, "    "))


def _as_json(one: _Told) -> dict[str, Any]:
    return {
        "trigger": one.trigger.name,
        "event": str(one.event),
        "sha": one.event.sha,
        "outcome": one.verdict.outcome,
        "why": one.verdict.why,
        "rules": [as_data(rule) for rule in one.verdict.rules],
        "problems": list(one.problems),
    }
