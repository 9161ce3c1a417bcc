"""`rflow serve`: the server on a folder of flows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rflow.cli.command import command, note
from rflow.cli.failure import Failure
from rflow.cli.target import state_option

if TYPE_CHECKING:
    from rflow.server.following import Followed

ADDRESS = re.compile(r"[\w.-]+@?[\w.-]*:(?!/)")
"""The short form of an address for git by ssh: `git@git.example.com:acme/flows.git`."""

EXAMPLE = """
rflow serve                      the flows of this folder, at http://127.0.0.1:8700
rflow serve flows --port 9000
rflow serve --config rflow-server.toml
rflow serve https://git.example.com/acme/flows.git --branch main
"""


@command("serve", example=EXAMPLE)
@click.argument("place", metavar="[DIR | URL]", default=".")
@click.option("--branch", metavar="NAME", help="Of a repository: the branch it follows.")
@click.option("--folder", metavar="PATH", help="Of a repository: the folder with the flows.")
@click.option("--listen", metavar="ADDRESS", help="Where it listens (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Its port (8700; 0: a free one).")
@click.option("--public-url", metavar="URL", help="The address by which people reach it.")
@click.option(
    "--config", metavar="FILE", help="Its settings; else `rflow-server.toml` in the folder."
)
@click.option(
    "--log",
    "log_form",
    type=click.Choice(("text", "json")),
    default="text",
    help="The form of its log, on standard error.",
)
@state_option
def serve(
    place: str,
    branch: str | None,
    folder: str | None,
    listen: str | None,
    port: int | None,
    public_url: str | None,
    config: str | None,
    log_form: Literal["text", "json"],
    state: str | None,
) -> int:
    """Serve flows: triggers, webhooks, an API and pages, in one process on one port.

    Given a folder it serves the flows in it, as they are; given a git URL, or the folder of a
    bare repository, those of a branch that it follows. A changed flow is checked and
    becomes current; a broken one is refused.
    Runs that it starts are the same runs as those of the command line, in the same state. Ended
    by Ctrl-C or SIGTERM it leaves its runs as they are, and goes on with them at the next start.
    """
    from msgspec import structs

    try:
        from rflow.cli import serving_loop
    except ModuleNotFoundError as error:
        raise Failure(
            f"the server needs the library `{error.name}`",
            help="install it with `pip install 'rflow[server]'`",
        ) from None
    from rflow.cli.flows import Kinds
    from rflow.cli.serving import check_text, compile_file, restore
    from rflow.cli.target import compile_again
    from rflow.runner.state_dir import locate
    from rflow.server.config import NAME, Config, public_address, read_config
    from rflow.server.core import Server

    follow = _followed(place, branch, folder)
    root = Path.cwd() if follow else Path(place).resolve()
    file = Path(config) if config is not None else root / NAME
    settings = read_config(file) if config is not None or file.exists() else Config()
    try:
        address = None if public_url is None else public_address(public_url)
    except ValueError as error:
        raise Failure(str(error).replace("`public_url`", "`--public-url`")) from None
    changed = {"listen": listen, "port": port, "public_url": address}
    given = {name: value for name, value in changed.items() if value is not None}
    settings = structs.replace(settings, **given)
    where = locate(root / "flow.rflow", given=Path(state) if state is not None else None)
    server = Server.open(
        config=settings,
        root=root,
        state=where.root,
        host=Kinds().host,
        compile=compile_file,
        check=check_text,
        restore=restore,
        compile_again=compile_again,
        follow=follow,
    )
    for refused in server.catalog.refused():
        note(refused.text.rstrip("\n"))
    return serving_loop.serve(server, log_form)


def _followed(place: str, branch: str | None, folder: str | None) -> Followed | None:
    """What is to be followed, None for a folder. Failure for what is neither."""
    from rflow.server.following import Followed

    there = Path(place).is_dir()
    if not there and ("://" in place or ADDRESS.match(place)):
        return Followed(place, branch or "", folder or "")
    if not there:
        raise Failure(
            f"`{place}` is no folder" if Path(place).exists() else f"there is no folder `{place}`",
            help="name the folder of your flows, or a git URL",
        )
    if branch is not None or _is_bare(Path(place)):
        return Followed(str(Path(place).resolve()), branch or "", folder or "")
    if folder is not None:
        raise Failure(
            "`--folder` is for a repository that is followed", help="name the folder itself"
        )
    return None


def _is_bare(folder: Path) -> bool:
    """Whether it is a repository without a working tree: no flow lies in it as a file."""
    inside = (folder / "HEAD").is_file() and (folder / "refs").is_dir()
    return inside and (folder / "objects").is_dir() and folder.name != ".git"
