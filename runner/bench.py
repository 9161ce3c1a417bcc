"""What all attempts of one run work with, gathered once. It does nothing by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from msgspec import Struct, field
from rflow.compiler.expr import Root
from rflow.compiler.plan import Json, Node, Plan
from rflow.plugins import node as author
from rflow.plugins.context import Deployed, NodeError
from rflow.runner.artifacts import ArtifactStore
from rflow.runner.artifacts_shared import artifact_store
from rflow.runner.command import Command
from rflow.runner.guard import Guard
from rflow.runner.guard_process import GRACE_S
from rflow.runner.scratch import Scratch
from rflow.runner.scrub import Scrubber
from rflow.runner.secrets import Key
from rflow.runner.state_dir import StateDir

StartRun = Callable[[str, dict[str, Json], str], str]
"""Starts a run of a flow with arguments and an idempotency key, in any thread; the run's id."""


LookUp = Callable[[str], Deployed]
"""See `Context.deployed`. In any thread."""


def _no_stages(_: str) -> Deployed:
    raise NodeError("stages cannot be looked at from here", retry=False)


def _no_runs(*_: object) -> str:
    raise NodeError("runs cannot be started from here", retry=False)


class Bench(Struct, dict=True):
    """What all attempts of one run work with.

    `kinds` is `Host.node`. `reveal` gives the value of a secret that a command's late inputs read,
    by root and path. `environment` is `spawn.base_environment`. `mark` is the guard's for this
    start of the run. `early` are the kinds whose attempts may be got ready before they may act.
    """

    run: str
    run_name: str
    plan: Plan
    directory: Path
    state: StateDir
    kinds: Callable[[str], type[author.Node]]
    filters: Mapping[str, Callable[..., Json]]
    reveal: Callable[[Command, Root, tuple[str | int, ...]], Json]
    environment: Mapping[str, str]
    guard: Guard
    mark: str
    scrubber: Scrubber = field(default_factory=Scrubber)
    start_run: StartRun = _no_runs
    run_status: Callable[[str], str] = _no_runs
    deployed: LookUp = _no_stages
    grace_s: float = GRACE_S
    early: frozenset[str] = frozenset()

    @cached_property
    def key(self) -> Key:
        """The key of the state folder."""
        return Key(self.state.key)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The artifact store of the state folder."""
        return artifact_store(self.state)

    @cached_property
    def folder(self) -> str:
        """The run's folder in the state."""
        return str(self.state.run(self.run))

    @cached_property
    def workspace(self) -> Path:
        """The run's workspace; made when it is first asked for."""
        self.state.make_run(self.run)
        return self.state.workspace(self.run)

    @cached_property
    def scratch(self) -> Scratch:
        """The scratch folders of the run."""
        return Scratch(self.state.scratch(self.run))

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes of the plan by id."""
        return {node.id: node for node in self.plan.nodes}

    def declared(self, command: Command) -> dict[str, str]:
        """The types of the outputs that the attempt is to give."""
        if command.mode == "undo" or command.from_contract:
            return {}
        return self.nodes[command.plan_node].outputs or {}
