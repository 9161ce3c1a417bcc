"""The server as one value: what its parts share, and the order in which they begin and end.

Everything is constructed here and passed on; there are no globals. Background parts are `Worker`s:
they begin after the store is open and end before it is closed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field
from rflow.plugins.host import Host
from rflow.runner.children import CompileAgain
from rflow.runner.problems import StateError
from rflow.runner.state_dir import StateDir
from rflow.server.catalog import Catalog
from rflow.server.changes import Changes
from rflow.server.compiling import Check, Compile, Restore
from rflow.server.config import Config
from rflow.server.driving import Drivers
from rflow.server.events import repository_key
from rflow.server.following import Followed, Following
from rflow.server.repositories import Repositories
from rflow.server.services import Services
from rflow.server.store import Store
from rflow.server.watching import Watching


class Worker(Protocol):
    """A part that works in the background."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End, and return when it has ended. What was not done is done after the next start."""


class Server(Struct):
    """What routes and workers are given."""

    config: Config
    host: Host
    state: StateDir
    services: Services
    store: Store
    catalog: Catalog
    changes: Changes
    drivers: Drivers
    compile: Compile
    check: Check
    restore: Restore
    repositories: Repositories
    following: Following | None = None
    workers: list[Worker] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        *,
        config: Config,
        root: Path,
        state: Path,
        host: Host,
        compile: Compile,
        check: Check,
        restore: Restore,
        compile_again: CompileAgain | None = None,
        follow: Followed | None = None,
    ) -> Server:
        """The server of a folder of flows, or of a branch of a repository (`follow`); then `root`
        is not read. StateError if its state, or the repository, cannot be used."""
        folder = StateDir(state)
        fresh = not folder.root.exists()
        folder.make()
        services = Services(state, host, compile_again)
        services.here()
        store = Store.beside(folder)
        changes = Changes(store, host.specs())
        drivers = Drivers(services)
        following: Following | None = None
        workers: list[Worker] = [drivers]
        repositories = Repositories(config, host, folder.root)
        if follow is None:
            catalog = Catalog(root, compile)
            workers.append(Watching(catalog, changes))
        else:
            key = repository_key(follow.url, folder.root.parent)
            try:
                following = Following(
                    follow,
                    state=folder,
                    store=store,
                    changes=changes,
                    compile=compile,
                    access=repositories.access(key, follow.url),
                )
            except StateError:
                services.leave()
                store.close()
                if fresh:  # a mistake in the address leaves nothing behind
                    shutil.rmtree(folder.root, ignore_errors=True)
                raise
            catalog = following.catalog
            workers.append(following)
        return cls(
            config=config,
            host=host,
            state=folder,
            services=services,
            store=store,
            catalog=catalog,
            changes=changes,
            drivers=drivers,
            compile=compile,
            check=check,
            restore=restore,
            repositories=repositories,
            following=following,
            workers=workers,
        )

    def start(self) -> None:
        """Let the background parts begin."""
        for worker in self.workers:
            worker.start()

    def close(self) -> None:
        """End the background parts, the last first, and close the files."""
        for worker in reversed(self.workers):
            worker.close()
        self.services.leave()
        self.store.close()
