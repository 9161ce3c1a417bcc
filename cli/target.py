"""Which state, which run and which person a command means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rflow.cli.command import App
from rflow.cli.failure import Failure

if TYPE_CHECKING:
    from rflow.cli.remote import RemoteService
    from rflow.runner.journal import RunSummary
    from rflow.runner.service import Service
    from rflow.runner.view import NodeRecord
    from rflow.server.store import Store

state_option = click.option(
    "--state",
    metavar="DIR",
    help="The state folder; else RFLOW_STATE, else the nearest `.rflow` upward.",
)
as_option = click.option(
    "--as", "by", metavar="NAME", help="Who does this; else RFLOW_AS, else your login name."
)


def person(given: str | None) -> str:
    """The name under which something is done; on a server it is that of the token."""
    context = click.get_current_context(silent=True)
    shared = context.find_object(App) if context is not None else None
    if shared is not None and shared.remote is not None:
        name = shared.remote.name()
        if given not in (None, name):
            raise Failure(
                f"the server knows you as {name}, by your token",
                help="leave `--as` out, or use the token of that name",
            )
        return name
    name = given if given is not None else os.environ.get("RFLOW_AS") or _login()
    name = name.strip()
    if not name or not name.isprintable():
        raise Failure("a decision needs a name", help="give one with `--as NAME`")
    return name


def _login() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


class _Later:
    """The plugins, loaded when they are first asked for something: looking at runs needs none,
    and must be possible when one is broken."""

    @cached_property
    def _host(self) -> Any:
        from rflow.cli.flows import Kinds

        return Kinds().host

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)


def _there(path: Path) -> bool:
    """Whether it exists, or cannot be looked at: then opening it says why."""
    try:
        return path.exists()
    except OSError:
        return True


def open_state(
    state: str | None, flow_file: Path | None = None, host: Any = None, *, here: bool = False
) -> Service:
    """The service on a state folder, or on the server that is asked. Without a flow file the
    state must exist; `here`: what is done cannot be done over a server."""
    if (remote := on_server(state)) is not None:
        if here:
            raise Failure(
                "that cannot be done over a server",
                help="do it on the machine where the state lies, with `--state DIR`",
            )
        return remote
    from rflow.runner.state_dir import locate

    beside = flow_file if flow_file is not None else Path.cwd() / "flow.rflow"
    place = locate(beside, given=Path(state) if state is not None else None)
    if flow_file is None and not _there(place.database):
        raise Failure(
            f"there are no runs here: `{place.root}` holds no state",
            help="go to the folder of the flow, or name its state with `--state DIR`",
        )
    from rflow.runner.service import Service

    plugins: Any = host or _Later()
    service = Service.open(place.root, plugins, create=flow_file is not None)
    service.compile_again = compile_again
    return service


@contextmanager
def open_stored(
    state: str | None, flow_file: Path | None = None, host: Any = None
) -> Iterator[tuple[Service, Store]]:
    """The service on a state folder of this machine with the server's own file beside it, whether
    a server runs or not; see `open_state`."""
    from rflow.server.store import Store

    with (
        closing(open_state(state, flow_file, host, here=True)) as service,
        closing(Store.beside(service.state)) as store,
    ):
        yield service, store


def on_server(state: str | None = None) -> RemoteService | None:
    """The runner on the server that is asked, None if none is: a state that is given is meant
    itself."""
    if state is not None:
        return None
    context = click.get_current_context(silent=True)
    shared = context.find_object(App) if context is not None else None
    if shared is None or not shared.server:
        return None
    if shared.remote is None:
        from rflow.cli.client import Client, server_url, token_for
        from rflow.cli.remote import RemoteService

        url = server_url(shared.server)
        later: Any = _Later()
        shared.remote = RemoteService(Client(url, token_for(url)), later)
    return shared.remote


def compile_again(plan: Any, flow: str) -> Any:
    """The plan of another flow of a run's source; for `flow.run`."""
    from rflow.cli import again
    from rflow.cli.flows import Kinds

    return again.compile_again(Kinds(), plan, flow)


def _suggest(error: Exception, code: str, word: str, candidates: list[str]) -> None:
    """Turn "there is none" into the same with the word that was probably meant."""
    from rflow.dsl.diagnostics import closest

    told: Any = error
    if told.code == code and (near := closest(word, candidates)) is not None:
        step = f"did you mean `{near}`?"
        raise Failure(told.message, help=step, code=code) from None


def find_node(service: Service, run: str, node: str) -> NodeRecord:
    """The record of a node of a run."""
    from rflow.runner.problems import StateError

    try:
        return service.node(run, node)
    except StateError as error:
        _suggest(error, "RF942", node, [view.id for view in service.view(run).nodes])
        raise


def _resolve(service: Service, text: str) -> str:
    from rflow.runner.problems import StateError

    try:
        return service.resolve(text)
    except StateError as error:
        found = service.runs(limit=200)
        _suggest(error, "RF930", text, [word for run in found for word in (run.run, run.name)])
        raise


def find_stage(service: Service, text: str | None) -> str:
    """The stage that is meant: `pipeline.stage`, or its own name where that is clear."""
    from rflow.runner.problems import StateError

    try:
        return service.find_stage(text)
    except StateError as error:
        known = service.journal.stages()
        words = [word for name in known for word in (name, name.partition(".")[2])]
        if text is not None:
            _suggest(error, "RF951", text, words)
        raise


def find_run(service: Service, text: str | None, **filters: Any) -> str:
    """The run that is meant: an id's beginning, a name, `last`; without a text, the only run that
    the filters leave, or the last one where there are no filters."""
    if text is not None:
        return _resolve(service, text)
    if not filters:
        return service.resolve("last")
    found: list[RunSummary] = service.runs(limit=20, **filters)
    if len(found) == 1:
        return found[0].run
    wanted = " ".join(str(value) for key, value in filters.items() if key == "status")
    if not found:
        raise Failure(f"no run is {wanted or 'going on'}", help="`rflow runs` lists the runs")
    listed = ", ".join(f"`{run.run}` ({run.flow})" for run in found[:5])
    raise Failure(f"{len(found)} runs are {wanted or 'going on'}: {listed}", help="name one")
