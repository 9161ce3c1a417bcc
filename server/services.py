"""The runner on the served state, once for each thread that asks for it."""

from __future__ import annotations

import threading
from pathlib import Path

from rflow.plugins.host import Host
from rflow.runner.children import CompileAgain
from rflow.runner.service import Service


class Services:
    """Hands out the `Service` of the calling thread; each has a journal object of its own."""

    def __init__(self, state: Path, host: Host, compile_again: CompileAgain | None = None) -> None:
        self.state, self.host, self.compile_again = state, host, compile_again
        self._here = threading.local()

    def here(self) -> Service:
        """The calling thread's service. StateError if the state cannot be used."""
        found: Service | None = getattr(self._here, "service", None)
        if found is None:
            found = self._here.service = Service.open(self.state, self.host)
            found.compile_again = self.compile_again
        return found

    def leave(self) -> None:
        """Close the calling thread's service, if it has one."""
        found: Service | None = getattr(self._here, "service", None)
        if found is not None:
            found.close()
            del self._here.service
