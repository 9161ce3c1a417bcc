"""The dispatcher of a run on this machine: a pool of attempts and what they work with.

It gathers what the attempts of one run need (the secrets' values, what masks them, the guard) and
makes sure that nothing of a runner that died is still going on before anything is begun. It must
never write to the journal.
"""

from __future__ import annotations

import os
import threading
from functools import cached_property
from pathlib import Path

from rflow.compiler.expr import Root
from rflow.compiler.plan import Json, Plan
from rflow.plugins.context import NodeError
from rflow.plugins.host import Host
from rflow.runner.bench import Bench, LookUp, StartRun
from rflow.runner.command import Command, Message, Take
from rflow.runner.context import texts
from rflow.runner.events import AttemptSucceeded, RunCreated
from rflow.runner.expand import RunGraph, expand
from rflow.runner.guard import Guard, kill_leftovers
from rflow.runner.guard_process import GRACE_S
from rflow.runner.pool import Pool
from rflow.runner.scope import dig
from rflow.runner.scrub import Scrubber
from rflow.runner.secrets import Key, open_output
from rflow.runner.spawn import base_environment
from rflow.runner.sqlite import SqliteJournal
from rflow.runner.state_dir import StateDir

__all__ = ["LocalDispatcher", "LookUp", "StartRun"]

Path_ = tuple[str | int, ...]


class LocalDispatcher:
    """See `runner.command.Dispatcher`.

    `secrets` are the values of the plan's secrets by name; `previous_guard` is the mark of the
    run's last start, "" for none. What that left going on is ended before this returns.
    """

    def __init__(
        self,
        *,
        state: StateDir,
        host: Host,
        created: RunCreated,
        plan: Plan,
        secrets: dict[str, str],
        previous_guard: str = "",
        start_run: StartRun | None = None,
        deployed: LookUp | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        kill_leftovers(state.guards, previous_guard, grace_s)
        self._state = state
        self._created = created
        self._plan = plan
        self._secrets = secrets
        self._key = Key(state.key)
        self._guard = Guard(state.guards)
        self.guard = self._guard.mark()
        self.scrubber = Scrubber(secrets.values())
        self._outputs = _SealedOutputs(state, created.run)
        self._args = {
            name: self._key.open(sealed, f"{created.run} args.{name}")
            for name, sealed in created.sealed.items()
        }
        self.scrubber.add(*self._args.values())
        if any(node.secret_outputs for node in plan.nodes):
            for (node, name), sealed in self._outputs.now().items():
                self.scrubber.add(*texts(self._open(node, name, sealed)))
        bench = Bench(
            run=created.run,
            run_name=created.name,
            plan=plan,
            directory=Path(created.directory),
            state=state,
            kinds=host.node,
            filters=host.filters(),
            reveal=self._reveal,
            environment=base_environment(os.environ),
            guard=self._guard,
            mark=self.guard,
            scrubber=self.scrubber,
            run_status=self._run_status,
            early=frozenset(kind for kind, spec in host.specs().nodes.items() if spec.early),
            grace_s=grace_s,
        )
        if start_run is not None:
            bench.start_run = start_run
        if deployed is not None:
            bench.deployed = deployed
        bench.scratch.clear()
        self._scratch = bench.scratch
        self._pool = Pool(bench)

    def prepare(self, command: Command) -> None:
        """Do what nobody can see of a command that is about to be submitted; returns at once."""
        self._pool.prepare(command)

    def submit(self, command: Command) -> None:
        """Begin; returns at once."""
        self._pool.submit(command)

    def stop(self, node: str) -> None:
        """End the node's attempt; its outcome still comes."""
        self._pool.stop(node)

    def next(self, timeout_s: float | None, take: Take | None = None) -> Message | None:
        """The next message; see `Dispatcher.next`."""
        return self._pool.next(timeout_s, take)

    def close(self) -> None:
        """End everything that still goes on, and wait for it."""
        self._pool.close()
        self._guard.close()
        self._scratch.clear()

    # -- in the attempts' threads --------------------------------------------------------------

    def _reveal(self, command: Command, root: Root, path: Path_) -> Json:
        """The value of a secret that an input reads."""
        name = str(path[0])
        match root:
            case "secret":
                return dig(self._secrets[name], path[1:])
            case "arg":
                return dig(self._args[name], path[1:])
            case "node" | "all":
                return self._read_outputs(command, root == "all", name, path[1:])
            case "done":
                sealed = (command.sealed_done or {}).get(name)
                node = command.node.removeprefix("undo:")
                return None if sealed is None else dig(self._open(node, name, sealed), path[1:])
            case _:
                raise NodeError(f"a secret cannot be read from `{root}`", retry=False)

    @cached_property
    def _graph(self) -> RunGraph:
        return expand(self._plan, self._created.loops)

    def _read_outputs(self, command: Command, every: bool, node: str, path: Path_) -> Json:
        """A secret output of the instance in the same turns, or of all that are in them."""
        graph, sealed = self._graph, self._outputs.now()
        own = graph.instances[graph.by_id[command.node.removeprefix("undo:")]].turns
        found: list[Json] = []
        for number in graph.by_node.get(node, []):
            instance = graph.instances[number]
            shared = 0
            while shared < min(len(own), len(instance.turns)) and (
                own[shared] == instance.turns[shared]
            ):
                shared += 1
            same = {loop for loop, _ in own} & {loop for loop, _ in instance.turns[shared:]}
            text = sealed.get((instance.id, str(path[0])))
            if same or text is None or not (every or shared == len(instance.turns)):
                continue
            found.append(dig(self._open(instance.id, str(path[0]), text), path[1:]))
        return found if every else next(iter(found), None)

    def _open(self, node: str, name: str, sealed: str) -> Json:
        return open_output(self._key, self._created.run, node, name, sealed)

    def _run_status(self, run: str) -> str:
        journal = SqliteJournal(self._state)
        try:
            found = journal.summary(run)
        finally:
            journal.close()
        if found is None:
            raise NodeError(f"there is no run `{run}`", retry=False)
        return found.status


class _SealedOutputs:
    """The secret outputs of a run's nodes, sealed, as the journal has them. For all threads."""

    def __init__(self, state: StateDir, run: str) -> None:
        self._state, self._run = state, run
        self._mutex = threading.Lock()
        self._known: dict[tuple[str, str], str] = {}
        self._length = 0

    def now(self) -> dict[tuple[str, str], str]:
        """By node and output, the last of each."""
        with self._mutex:
            journal = SqliteJournal(self._state)
            try:
                records = journal.read(self._run, self._length)
            finally:
                journal.close()
            for record in records:
                if isinstance(record.event, AttemptSucceeded):
                    for name, sealed in record.event.sealed.items():
                        self._known[record.event.node, name] = sealed
            self._length += len(records)
            return dict(self._known)
