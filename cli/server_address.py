"""Where the server of a state is reached, for those who tell others: a hook, a webhook.

Known from `--url`, else from the server that served the state last, else from its settings; that
nothing is known is said, never hidden.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rflow.cli.cells import clean
from rflow.cli.failure import Failure

if TYPE_CHECKING:
    from rflow.runner.service import Service

url_option = click.option(
    "--url", metavar="URL", help="Where the server is reached; else where it last was."
)

OTHER = "`--url` names another address"


class Known(NamedTuple):
    """An address without a `/` at its end; `note` says why it is this one, "" if it was given."""

    url: str
    note: str


def address_of_server(given: str | None, service: Service) -> Known:
    """Where the server is reached. Failure for what is no address."""
    from rflow.server.config import NAME, Config, read_config
    from rflow.server.listening import last_served

    if given is not None:
        if not given.startswith(("http://", "https://")):
            raise Failure(f"`{clean(given)}` is no web address", help="`--url https://…`")
        return Known(given.rstrip("/"), "")
    if url := last_served(service.journal):
        return Known(url, f"that is where the server was last reached; {OTHER}")
    for folder in (Path.cwd(), service.state.root.parent):
        if (folder / NAME).exists():
            return Known(read_config(folder / NAME).url, f"that is what `{NAME}` says; {OTHER}")
    return Known(
        Config().url, f"no server has served this state yet: that is the usual address; {OTHER}"
    )
