"""The shape of rflow's commands: an example first in the help, colours, exit codes.

Owns the classes that all commands are made of, and the state that one call of rflow shares.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct
from rflow.cli import terminal
from rflow.cli.terminal import Pen

if TYPE_CHECKING:
    from rflow.cli.remote import RemoteService

FORMAT_CHOICES = ("text", "json")
HELP_OPTION: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class App(Struct, dict=True):
    """What the parts of one call share: the words it was called with, and how to show things."""

    argv: tuple[str, ...] = ()
    color: str = "auto"
    server: str = ""
    """The server that is asked, "" for the state on this machine."""
    remote: RemoteService | None = None
    """The runner there, once it was asked for."""

    @cached_property
    def width(self) -> int:
        """The columns of a line."""
        return terminal.width()

    @cached_property
    def room(self) -> int:
        """The columns of a row of a table."""
        return terminal.room()

    @property
    def out(self) -> Pen:
        """The pen for results."""
        return Pen(terminal.has_color(sys.stdout, self.color))

    @property
    def err(self) -> Pen:
        """The pen for diagnostics."""
        return Pen(terminal.has_color(sys.stderr, self.color))


def app() -> App:
    """The state of the call that goes on."""
    return click.get_current_context().ensure_object(App)


def say(text: str = "") -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")


def note(text: str = "") -> None:
    """A line beside the result."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def complain(
    message: str,
    help: str | None = None,
    *,
    code: str | None = None,
    pen: Pen | None = None,
) -> None:
    """An error that has no place in a flow."""
    pen = pen or Pen(terminal.has_color(sys.stderr))
    label = pen("bold red", f"error[{code}]" if code else "error")
    note(f"{label}{pen.bold(':')} {message}")
    if help:
        note(f"  {pen.cyan('help:')} {help}")


class Formatter(click.HelpFormatter):
    """The formatter of click, with room for what is said where the terminal is small."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        small = self.width < 60
        super().write_dl([*rows], 10 if small else col_max, col_spacing)


class Context(click.Context):
    """The context of rflow's commands."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose function returns its exit code, or None for 0."""

    context_class = Context

    def __init__(self, *args: Any, example: str = "", **options: Any) -> None:
        options["context_settings"] = {**HELP_OPTION, **options.pop("context_settings", {})}
        super().__init__(*args, **options)
        self.example = example

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        return super().make_context(*args, **{"terminal_width": help_width(), **extra})

    def invoke(self, ctx: click.Context) -> Any:
        code = super().invoke(ctx)
        if isinstance(code, int) and code:
            ctx.exit(code)
        return code

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_example(formatter, self.example)
        super().format_help(ctx, formatter)


class Family(click.Group):
    """A command with commands of its own; without one of them it does something by itself."""

    command_class = Command
    context_class = Context

    def __init__(self, *args: Any, example: str = "", **options: Any) -> None:
        options["context_settings"] = {**HELP_OPTION, **options.pop("context_settings", {})}
        options["invoke_without_command"] = True
        super().__init__(*args, **options)
        self.example = example

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_example(formatter, self.example)
        super().format_help(ctx, formatter)


def write_example(formatter: click.HelpFormatter, example: str) -> None:
    """The lines of an example as they are; what they say goes below them if space is short."""
    for line in example.strip("\n").splitlines():
        if len(line) + 2 <= formatter.width:
            formatter.write(f"  {line}\n")
            continue
        called, _, about = line.partition("   ") if "   " in line else line.partition("  ")
        formatter.write(f"  {called}\n")
        if about.strip():
            formatter.write(f"      {about.strip()}\n")
    if example:
        formatter.write_paragraph()


def help_width() -> int:
    """The columns of help texts."""
    return min(terminal.width(), 90)


def _set_color(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(App).color = value


color_option = click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    expose_value=False,
    callback=_set_color,
    is_eager=True,
    help="Colour the output; `auto` asks the terminal and NO_COLOR.",
)


def command(
    name: str, *, example: str, **options: Any
) -> Callable[[Callable[..., int | None]], Command]:
    """Makes a function a command; `example` comes first in its help."""

    def make(function: Callable[..., int | None]) -> Command:
        made = click.command(name, cls=Command, example=example, **options)
        return made(color_option(function))

    return make


def format_option(*choices: str) -> Callable[[Any], Any]:
    """`--format`, with `text` as the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(choices or FORMAT_CHOICES),
        default="text",
        help="The form of the result.",
    )
