"""`rflow serve`: the server on a folder of flows."""

from __future__ import annotations

from pathlib import Path

import click
from rflow.cli.command import command, note
from rflow.cli.failure import Failure
from rflow.cli.target import state_option

EXAMPLE = """
rflow serve                      the flows of this folder, at http://127.0.0.1:8700
rflow serve flows --port 9000
rflow serve --config rflow-server.toml
"""


@command("serve", example=EXAMPLE)
@click.argument("place", metavar="[DIR]", default=".")
@click.option("--listen", metavar="ADDRESS", help="Where it listens (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Its port (8700; 0: a free one).")
@click.option("--public-url", metavar="URL", help="The address by which people reach it.")
@click.option(
    "--config", metavar="FILE", help="Its settings; else `rflow-server.toml` in the folder."
)
@state_option
def serve(
    place: str,
    listen: str | None,
    port: int | None,
    public_url: str | None,
    config: str | None,
    state: str | None,
) -> int:
    """Serve flows: triggers, webhooks, an API and pages, in one process on one port.

    Runs that it starts are the same runs as those of the command line, in the same state. Ended
    by Ctrl-C or SIGTERM it leaves its runs as they are, and goes on with them at the next start.
    """
    import dataclasses

    try:
        from rflow.cli import serving_loop
    except ModuleNotFoundError as error:
        raise Failure(
            f"the server needs the library `{error.name}`",
            help="install it with `pip install 'rflow[server]'`",
        ) from None
    from rflow.cli.flows import Kinds
    from rflow.cli.serving import compile_file
    from rflow.cli.target import compile_again
    from rflow.runner.state_dir import locate
    from rflow.server.config import NAME, Config, read_config
    from rflow.server.core import Server

    root = Path(place).resolve()
    if not root.is_dir():
        raise Failure(f"there is no folder `{place}`", help="name the folder of your flows")
    file = Path(config) if config is not None else root / NAME
    settings = read_config(file) if config is not None or file.exists() else Config()
    changed = {"listen": listen, "port": port, "public_url": public_url}
    given = {name: value for name, value in changed.items() if value is not None}
    settings = dataclasses.replace(settings, **given)  # type: ignore[arg-type]
    where = locate(root / "flow.rflow", given=Path(state) if state is not None else None)
    server = Server.open(
        config=settings,
        root=root,
        state=where.root,
        host=Kinds().host,
        compile=compile_file,
        compile_again=compile_again,
    )
    for refused in server.catalog.refused():
        note(refused.text.rstrip("\n"))
    return serving_loop.serve(server)
