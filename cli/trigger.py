"""`rflow trigger test`: what the triggers of a flow would say of an event, without a server."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rflow.cli.cells import clean, pad, wrap
from rflow.cli.command import Family, app, command, format_option, say
from rflow.cli.complete import file_argument, flow_argument
from rflow.cli.failure import Failure
from rflow.cli.files import Unreadable, read_file, read_stdin
from rflow.cli.flows import Flows, flows_of
from rflow.cli.target import state_option

if TYPE_CHECKING:
    from rflow.server.events import GitEvent
    from rflow.server.matching import Rule, Verdict
    from rflow.server.mirror import Mirror
    from rflow.server.triggers import Listening

EXAMPLE = """
rflow trigger test release.rflow --commit HEAD
rflow trigger test release.rflow --event push.json --host github
"""
SIGNS = {"yes": ("yes", "green"), "no": ("no", "red"), "open": ("?", "yellow")}


@click.group("trigger", cls=Family, example=EXAMPLE)
@click.pass_context
def trigger(ctx: click.Context) -> None:
    """What starts runs by itself, tried out."""
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())


@dataclass(frozen=True)
class _Told:
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
@click.option("--commit", metavar="SHA", help="A commit of this repository, as if it was pushed.")
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
            help="a message of a git host, or a commit of this repository",
        )
    flows = flows_of(file)
    place = flows.project.directory
    if commit is not None:
        root, events = _of_commit(place, commit, branch, tag)
    else:
        assert payload is not None
        root, events = None, _of_message(payload, host, event_name)
    plan = flows.plan(flows.choose(flow))
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


# -- the event -------------------------------------------------------------------------------------


def _of_message(path: str, host: str | None, name: str | None) -> tuple[GitEvent, ...]:
    from rflow.server.events import Ignored
    from rflow.server.hosts import HOSTS, recognised
    from rflow.server.hosts.reading import Malformed, parse

    try:
        content = read_stdin() if path == "-" else read_file(path, path)
        payload = parse(content.source.text.encode())
        known = host or recognised(payload)
        if known is None:
            raise Failure(
                "this message is of no host that rflow knows", help="say of which with `--host`"
            )
        found = HOSTS[known].read(_headers(known, name), payload)
    except Unreadable as error:
        raise Failure(error.diagnostic.message, help=error.diagnostic.help) from None
    except Malformed as error:
        raise Failure(
            f"`{clean(path)}` is no message of a git host: {clean(str(error))}",
            help="`--host` and `--event-name` say what it is",
        ) from None
    if isinstance(found, Ignored):
        raise Failure(f"this can start nothing: {clean(found.why)}")
    return found


def _headers(host: str, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    return {f"x-{host}-event": name, "x-event-key": name}


def _of_commit(
    place: Path, commit: str, branch: str | None, tag: str | None
) -> tuple[Path, tuple[GitEvent, ...]]:
    """The repository that the flow lies in, and the event of the commit being pushed there."""
    from rflow.server.events import GitEvent
    from rflow.server.mirror import GitError, git

    def ask(*words: str) -> str:
        return git(*words, folder=place).decode("utf-8", "replace").strip()

    try:
        root = Path(ask("rev-parse", "--show-toplevel"))
        sha = ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
        now = ask("rev-parse", "--abbrev-ref", "HEAD")
        before = ask("rev-list", "--parents", "-1", sha).split()[1:2]
    except GitError as error:
        raise Failure(
            f"there is no commit `{clean(commit)}` here: {clean(str(error))}",
            help=f"it is looked for in the repository of `{clean(str(place))}`",
        ) from None
    if tag is not None:
        return root, (GitEvent("tag", (str(root),), sha, tag=tag),)
    where = branch or now
    return root, (
        GitEvent("push", (str(root),), sha, branch=where, before=before[0] if before else ""),
    )


# -- what is said of it ----------------------------------------------------------------------------


def _asked(
    flows: Flows, plan: Any, events: tuple[GitEvent, ...], root: Path | None, state: str | None
) -> Any:
    """What each git trigger says of each event."""
    from rflow.server.triggers import triggers_of

    host, place = flows.kinds.host, flows.project.directory
    for event in events:
        for one in triggers_of(plan, host, place):
            if one.kind == "git":
                yield _ask(flows, plan, one, event, root, state)


def _ask(
    flows: Flows, plan: Any, one: Listening, event: GitEvent, root: Path | None, state: str | None
) -> _Told:
    from rflow.server.facts import complete
    from rflow.server.mirror import GitError

    address = str(one.inputs.get("repo", ""))
    if root is not None:  # a commit of this repository stands for one of the trigger's
        event = dataclasses.replace(event, repos=(address,))
    verdict = one.asked(event)
    if verdict.outcome in ("ask", "start", "wait") and (verdict.needs or event.head is None):
        try:
            event = complete(event, _mirror(flows, str(root or address), state))
        except GitError as error:
            why = f"the repository cannot be asked: {clean(str(error))}"
            return _Told(event, one, verdict, (why,))
        verdict = one.asked(event)
    problems = _problems(flows, plan, one, event) if verdict.outcome == "start" else ()
    return _Told(event, one, verdict, problems)


def _mirror(flows: Flows, address: str, state: str | None) -> Mirror:
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
        "rules": [dataclasses.asdict(rule) for rule in one.verdict.rules],
        "problems": list(one.problems),
    }
