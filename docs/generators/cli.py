"""The page on the commands, from what click knows of them."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rflow.cli import entry
from rflow.cli.main import COMMANDS, EXAMPLE, SECTIONS, rflow

from generators.markdown import cell, code, constants, fence, paragraphs, table

PAGE = """\
# Commands

Results go to stdout, diagnostics and notes to stderr. Lists and looks take `--format json`, in
which times are ISO 8601. `-` is standard input. A run is named by its id, the beginning of its id,
its name, or `last`; a node as `rflow show` lists it: `web`, `web[eu]`, `check.ping`.

"""


def page() -> str:
    """The page."""
    names = ["-h", "--help"]
    root = click.Context(rflow, info_name="rflow", help_option_names=names)
    parts = [PAGE, fence(EXAMPLE, "sh"), _contents(), _exit_codes()]
    parts += ["## Options of every command\n\n", _options(rflow.get_params(root))]
    for title, commands in SECTIONS.items():
        parts.append(f"## {title}\n\n")
        for name in commands:
            command = rflow.get_command(root, name)
            assert command is not None
            parts += _command(command, f"rflow {name}", root)
    return "".join(parts).rstrip() + "\n"


def _contents() -> str:
    rows = [(f"[`rflow {name}`](#rflow-{name})", one.about) for name, one in COMMANDS.items()]
    return table(("command", "what it does"), rows)


def _exit_codes() -> str:
    rows = [
        (str(getattr(entry, name)), said.removeprefix("Exit code: ").removeprefix("Exit code "))
        for name, said in constants(entry).items()
        if said.startswith("Exit code")
    ]
    return "## Exit codes\n\n" + table(
        ("code", "meaning"), [("0", "fine"), *((number, said.rstrip(".")) for number, said in rows)]
    )


def _command(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    ctx = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    yield f"### {name}\n\n"
    yield paragraphs(command.help or "")
    usage = " ".join([name, *command.collect_usage_pieces(ctx)])
    yield fence(f"{usage}\n\n{getattr(command, 'example', '').strip()}", "sh")
    yield _options([param for param in command.params if "--color" not in param.opts])
    if isinstance(command, click.Group):
        for sub in command.list_commands(ctx):
            found = command.get_command(ctx, sub)
            assert found is not None
            yield from _command(found, f"{name} {sub}", ctx)


def _options(params: list[click.Parameter]) -> str:
    rows = []
    for param in params:
        if not isinstance(param, click.Option):
            continue
        names = ", ".join(code(name) for name in (*param.opts, *param.secondary_opts))
        shape = param.metavar or ("" if param.is_flag else _shape(param))
        rows.append((f"{names} {code(shape) if shape else ''}", _help(param)))
    return table(("option", "meaning"), rows)


def _shape(param: click.Option) -> str:
    if isinstance(param.type, click.Choice):
        return "|".join(map(str, param.type.choices))
    return "N" if isinstance(param.type, click.types.IntParamType) else "TEXT"


def _help(param: click.Option) -> str:
    said = cell(param.help or "")
    if isinstance(param.type, click.Choice) and isinstance(param.default, str):
        said += f" Default: {code(param.default)}."
    return said + (" May be given several times." if param.multiple else "")
