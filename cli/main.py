"""The command line: which commands there are, and what becomes of what they raise.

A command's module is imported when the command is called. `COMMANDS` says where each lives and
what the overview says of it.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rflow.cli.command import (
    App,
    Command,
    Context,
    color_option,
    complain,
    help_width,
    write_example,
)
from rflow.cli.entry import INTERRUPTED, PROBLEMS, USAGE
from rflow.cli.failure import Failure, Problems

if TYPE_CHECKING:
    from rflow.dsl.diagnostics import Diagnostic


class Entry(NamedTuple):
    """Where a command lives: `module:attribute` in this folder; and its line in the overview."""

    place: str
    about: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Write flows": {
        "init": Entry("init:init", "Write a first flow."),
        "check": Entry("check:check", "Find all mistakes of a flow."),
        "fmt": Entry("fmt:fmt", "Put a flow into the one form."),
        "compile": Entry("compile:compile_flow", "Show or write the plan of a flow."),
        "test": Entry("test:test", "Play the tests of a flow."),
        "graph": Entry("compile:graph", "Draw the graph of a flow."),
        "explain": Entry("explain:explain", "Explain a diagnostic's code."),
    },
    "Run them": {
        "run": Entry("run:run", "Start a run of a flow and watch it."),
        "resume": Entry("resume:resume", "Go on with a run."),
        "retry": Entry("retry:retry", "Run the failed part of a run again."),
        "rerun": Entry("retry:rerun", "Start a new run like an old one."),
        "cancel": Entry("decide:cancel", "End a run."),
        "approvals": Entry("approvals:approvals", "List what waits for an approval."),
        "approve": Entry("decide:approve", "Let a run pass a gate."),
        "reject": Entry("decide:reject", "Refuse to let a run pass a gate."),
    },
    "Serve them": {
        "serve": Entry("serve:serve", "Serve flows: triggers, an API, pages."),
        "login": Entry("login:login", "Keep a token for a server."),
        "token": Entry("token:token", "Make and end tokens."),
        "args": Entry("pause:args", "Save arguments of a flow."),
        "pause": Entry("pause:pause", "Let no trigger start a flow."),
        "unpause": Entry("pause:unpause", "Let triggers start a flow again."),
        "audit": Entry("audit:audit", "Show who changed what."),
        "trigger": Entry("trigger:trigger", "Say what triggers would do, and why."),
        "deliveries": Entry("deliveries:deliveries", "List what came in, and what started."),
        "webhook": Entry("webhook:webhook", "Let other programs start a flow."),
        "hook": Entry("hook:hook", "Let a git repository tell of its pushes."),
        "subscriptions": Entry("subscriptions:subscriptions", "Tell other programs of events."),
    },
    "Take them back": {
        "stages": Entry("stages:stages", "Show what is deployed on each stage."),
        "releases": Entry("releases:releases", "List what a stage can go back to."),
        "rollback": Entry("rollback:rollback", "Bring a stage back to a release."),
        "freeze": Entry("line:freeze", "Let no effect begin on a stage."),
        "thaw": Entry("line:thaw", "End the freeze of a stage."),
        "pass": Entry("line:pass_", "Let a node through a freeze."),
        "release": Entry("releases:release", "Lift the quarantine of a release."),
    },
    "See what happened": {
        "runs": Entry("runs:runs", "List the runs."),
        "show": Entry("show:show", "Show a run, or one node of it."),
        "logs": Entry("logs:logs", "Print the log of a run, or follow it."),
        "why": Entry("why:why", "Say why a node did, or did not, run."),
        "verify": Entry("verify:verify", "Verify the record of a run."),
        "diff": Entry("diff:diff", "Compare two runs, or what a flow's change means."),
        "rename": Entry("runs:rename", "Change a run's name or description."),
        "locks": Entry("runs:locks", "List the locks that runs hold."),
        "gc": Entry("gc:gc", "Remove what nobody needs any more."),
    },
    "Learn about rflow": {
        "plugins": Entry("plugins:plugins", "List plugins; show one kind."),
        "schema": Entry("explain:schema", "Print the JSON Schema of a plan."),
        "completion": Entry("completion:completion", "Print the completion for a shell."),
        "version": Entry("explain:version", "Print the version."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}

MEANT = {
    "abort": "cancel",
    "apply": "run",
    "continue": "resume",
    "deploy": "run",
    "describe": "show",
    "format": "fmt",
    "history": "runs",
    "inspect": "show",
    "kill": "cancel",
    "lint": "check",
    "list": "runs",
    "ls": "runs",
    "new": "init",
    "plan": "compile",
    "ps": "runs",
    "server": "serve",
    "start": "run",
    "stop": "cancel",
    "tail": "logs",
    "undo": "rollback",
    "validate": "check",
}
"""What other tools call it."""

COMPLETE_VARIABLE = "_RFLOW_COMPLETE"

EXAMPLE = """
rflow init               write a first flow
rflow check hello.rflow  find its mistakes
rflow run hello.rflow    run it
"""


class Commands(click.Group):
    """The group of all commands; each is imported when it is asked for."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, attribute = entry.place.split(":")
        found = getattr(importlib.import_module(f"rflow.cli.{module}"), attribute)
        assert isinstance(found, Command | click.Group)
        return found

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        return super().make_context(*args, **{"terminal_width": help_width(), **extra})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in COMMANDS or ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        near = MEANT.get(name) or _closest(name, list(COMMANDS))
        step = f"did you mean `rflow {near}`?" if near else "`rflow --help` lists the commands"
        if name == "status":
            step = "`rflow runs` lists the runs, `rflow show RUN` shows how one goes"
        if name.endswith(".rflow"):
            step = f"to run it: `rflow run {name}`"
        raise Failure(f"there is no command `{name}`", help=step, exit_code=USAGE)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_example(formatter, EXAMPLE)
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.about) for name, entry in commands.items()])


def _set_server(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    ctx.ensure_object(App).server = value or ""


@click.group(
    cls=Commands,
    name="rflow",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`rflow COMMAND --help` shows an example and the options of each."
    " Exit codes: 0 fine, 1 problems in the flow, 2 bad usage, 3 the run failed,"
    " 4 rflow's own fault.",
)
@color_option
@click.option(
    "--server",
    metavar="URL",
    envvar="RFLOW_SERVER",
    expose_value=False,
    callback=_set_server,
    help="Ask this server, not the state on this machine; else RFLOW_SERVER.",
)
@click.version_option(package_name="rflow", message="rflow %(version)s")
def rflow() -> None:
    """Release software with flows that are checked before they run."""


def invoke(argv: list[str]) -> int:
    """Run a command; what it raises as a message becomes one, and an exit code."""
    shared = App(tuple(argv))
    try:
        return _call(argv, shared)
    except Problems as problems:
        from rflow.dsl.render import render_text

        sys.stdout.flush()
        sys.stderr.write(render_text(problems.diagnostics, color=shared.err.on, width=shared.width))
        return PROBLEMS
    except Failure as failure:
        complain(failure.message, failure.help, code=failure.code, pen=shared.err)
        return failure.exit_code
    except click.NoSuchOption as error:
        near = _closest(error.option_name, _options(error.ctx))
        step = f"did you mean `{near}`?" if near else _usage_help(error)
        if error.option_name == "--server" and error.ctx is not None:
            path = error.ctx.command_path
            step = f"it stands before the command: `{path.replace(' ', ' --server URL ', 1)} …`"
        complain(f"there is no option `{error.option_name}`", step, pen=shared.err)
        return USAGE
    except click.UsageError as error:
        complain(_lower(error.format_message()), _usage_help(error), pen=shared.err)
        return USAGE
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        complain(_lower(error.format_message()), pen=shared.err)
        return USAGE
    except Exception as error:
        return _told(error, shared)
    finally:
        if shared.remote is not None:
            shared.remote.close()


def _call(argv: list[str], shared: App) -> int:
    """What `Group.main` of click does, without its ways to end the process."""
    if instruction := os.environ.get(COMPLETE_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(rflow, {}, "rflow", COMPLETE_VARIABLE, instruction)
    try:
        with rflow.make_context("rflow", argv or ["--help"], obj=shared) as ctx:
            code = rflow.invoke(ctx)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    return code if isinstance(code, int) else 0


def _told(error: Exception, shared: App) -> int:
    """What the plugins or the runner raise on purpose becomes a message; the rest goes on."""
    raised: Any = error
    if type(error).__module__ == "rflow.plugins.discovery":
        return _show(list(raised.diagnostics), shared)
    if type(error).__module__.startswith("rflow.runner.") and hasattr(error, "help"):
        for problem in getattr(error, "problems", None) or [raised]:
            complain(problem.message, problem.help, code=_id(problem.code), pen=shared.err)
        return USAGE
    raise error


def _id(code: Any) -> str:
    return str(getattr(code, "id", code))


def _show(diagnostics: list[Diagnostic], shared: App) -> int:
    from rflow.dsl.render import render_text

    sys.stdout.flush()
    sys.stderr.write(render_text(diagnostics, color=shared.err.on, width=shared.width))
    return PROBLEMS


def _lower(message: str) -> str:
    """Messages of click begin with a capital and end with a stop; rflow's do not."""
    message = message.strip().removesuffix(".")
    return message[:1].lower() + message[1:]


def _closest(word: str, candidates: list[str]) -> str | None:
    from rflow.dsl.diagnostics import closest

    return closest(word, candidates)


def _options(ctx: click.Context | None) -> list[str]:
    params = ctx.command.get_params(ctx) if ctx else []
    return [name for param in params for name in param.opts if name.startswith("--")]


def _usage_help(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else "rflow"
    return f"`{path} --help` shows how it is used"
