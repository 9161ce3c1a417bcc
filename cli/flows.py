"""From the path of a file to a checked flow and its plan: what most commands begin with."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from rflow.cli.failure import Failure, Problems
from rflow.cli.files import Unreadable
from rflow.cli.project import Project

if TYPE_CHECKING:
    from rflow.compiler.plan import Plan
    from rflow.compiler.program import Checked
    from rflow.dsl.diagnostics import Diagnostic
    from rflow.plugins.host import Host
    from rflow.plugins.types import Json, Specs


class Kinds(Struct, dict=True):
    """What the plugins offer: specs at once, the plugins themselves only when they are needed."""

    @cached_property
    def specs(self) -> Specs:
        """All that the compiler needs to know of them."""
        from rflow.plugins import cache

        return cache.specs()[0]

    @cached_property
    def host(self) -> Host:
        """The plugins, imported. Raises `PluginProblems` if one is broken."""
        from rflow.plugins import cache
        from rflow.plugins.discovery import PluginProblems

        host = cache.host()
        if host.problems:
            raise PluginProblems(host.problems)
        return host

    def delays(
        self, policy: str, inputs: dict[str, Json], attempts: int
    ) -> tuple[tuple[float, ...], float]:
        """See `compiler.program.Delays`."""
        return self.host.delays(policy, inputs, attempts)


class Flows(Struct):
    """A file, checked. `notes` are warnings."""

    project: Project
    checked: Checked
    kinds: Kinds

    @property
    def notes(self) -> list[Diagnostic]:
        """What is worth saying of a file without mistakes."""
        return [d for d in self.checked.diagnostics if d.code.severity == "warning"]

    def choose(self, name: str | None) -> str:
        """The flow with this name, or the only one there is."""
        names, file = self.checked.flows, self.project.entry.name
        listed = ", ".join(f"`{flow}`" for flow in names)
        if not names:
            raise Failure(f"`{file}` holds no flow")
        if name is None:
            if len(names) > 1:
                raise Failure(
                    f"`{file}` holds several flows: {listed}", help="name one behind the file"
                )
            return names[0]
        if name in names:
            return name
        from rflow.dsl.diagnostics import closest

        near = closest(name, names)
        step = f"did you mean `{near}`?" if near else f"it holds {listed}"
        raise Failure(f"`{file}` holds no flow `{name}`", help=step)

    def plan(self, name: str) -> Plan:
        """The plan of a flow. Raises `Problems` if a retry policy does not take its inputs."""
        from rflow.compiler.program import PolicyRefused

        try:
            return self.checked.plan(name, self.kinds.delays)
        except PolicyRefused as refused:
            raise Problems([refused.diagnostic]) from None


def check_file(path: str, *, lasting: bool = False) -> Flows:
    """A file, read and checked; its diagnostics are in `checked`. Raises `Unreadable`.

    `lasting`: this process lives on after it, so that what is there now may become garbage.
    """
    return check_project(lambda: Project.open(path), lasting=lasting)


def check_project(open: Callable[[], Project], *, lasting: bool = False) -> Flows:
    """A project, read and checked; see `check_file`."""
    # A tree of 10,000 nodes holds no garbage, and looking for some takes as long as checking.
    enabled = gc.isenabled()
    gc.disable()
    try:
        from rflow.compiler.program import check

        project = open()
        kinds = Kinds()
        checked = check(project.entry, kinds.specs, project.load)
        if any(checked.program.flows[name].triggers for name in checked.flows):
            checked.ask_triggers(kinds.host.trigger_mistakes, kinds.host.filters())
        return Flows(project, checked, kinds)
    finally:
        if not lasting:
            gc.freeze()
        if enabled:
            gc.enable()


def flows_of(path: str) -> Flows:
    """A file without mistakes. Raises `Problems` if there are any."""
    try:
        found = check_file(path)
    except Unreadable as error:
        raise Problems([error.diagnostic]) from None
    if not found.checked.ok:
        raise Problems(found.checked.diagnostics)
    return found
