"""A stage that two runners release to, in memory: the world, the runners, and what must hold.

The runner's own service, driver, scheduler and fold, on a journal that two processes share. Only
the edges are simulated: the world that effects change, and the dispatcher. Steps of the two are
interleaved as the test says; a process may die before or after any transaction, or be replaced
without noticing.

What must hold is worked out from the world's own history, never from the ledger.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from rflow.compiler.codec import digest, dumps
from rflow.compiler.expr import Literal
from rflow.compiler.plan import Contract, Node, Place, Plan, Retry, SourceFile, Stage
from rflow.plugins.host import Host
from rflow.plugins.types import Json
from rflow.runner import creating
from rflow.runner import events as ev
from rflow.runner.artifacts import ArtifactStore
from rflow.runner.command import (
    Command,
    Failed,
    Intends,
    Message,
    NotDone,
    Stopped,
    Succeeded,
    Take,
)
from rflow.runner.drive import Driver
from rflow.runner.events import Event, Record
from rflow.runner.journal import Claim, Stale
from rflow.runner.ledger import deployed, digests_in
from rflow.runner.memory import MemoryJournal, MemoryStore
from rflow.runner.node_state import UNDO
from rflow.runner.prepare import Prepared
from rflow.runner.service import Service, Stop
from rflow.runner.state_dir import StateDir

PLACE = Place(0, 0, 0)
STAGE = Stage("shop", "production")
NAME = "shop.production"
FLOWS = ("release", "hotfix")
RESOURCES = ("web", "config", "dns")
BY = "lead@example.com"
HOST = Host.load()
MOVING = "moving"
"""Stands in a snapshot for a resource that somebody was about to change."""


class Violation(AssertionError):
    """Something that must hold does not."""


class Crash(Exception):
    """The process died."""


@dataclass(frozen=True)
class Piece:
    """What a node does: it brings an artifact to a resource; it fails `failures` times, `half`
    after its effect was made. Without a resource it changes data, which stays."""

    resource: str | None
    version: int
    after: bool
    failures: int
    half: bool
    contract: str = "keep"


def plan_of(flow: str, pieces: Iterable[Piece], digests: list[str], undo: bool) -> Plan:
    """The plan of a flow for the stage. Who changes a resource holds the lock of its name."""
    nodes: list[Node] = []
    for number, piece in enumerate(pieces):
        of = piece.resource is not None
        contract = Contract("self") if of else Contract(piece.contract, "as it is")  # type: ignore[arg-type]
        value: Json = {"artifact": digests[piece.version]}
        nodes.append(
            Node(
                f"n{number}",
                "file.write" if of else "sh",
                "main",
                (nodes[-1].id,) if piece.after and nodes else (),
                PLACE,
                inputs={"value": Literal(value), "resource": Literal(piece.resource)},
                retry=Retry(2, (1.0,), 0.5),
                lock=Literal(piece.resource) if of else None,
                contract=contract,
                effect="thing",
                repeatable=of,
            )
        )
    source = SourceFile("f.rflow", "")
    return Plan(
        flow,
        "",
        STAGE,
        "queue",
        None,
        (),
        (),
        (),
        {},
        (),
        (),
        tuple(nodes),
        (),
        undo,
        {"file.write": "1", "sh": "1"},
        (source,),
    )


@dataclass(frozen=True)
class Act:
    """A change of a resource in the world."""

    resource: str
    run: str
    before: Json
    after: Json
    mode: str


@dataclass
class World:
    """What the runs change, and what is known of them from outside the journal."""

    values: dict[str, Json] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)
    failures: dict[tuple[str, str], int] = field(default_factory=dict)
    pieces: dict[str, list[Piece]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    done_keys: set[str] = field(default_factory=set)
    snapshots: dict[str, dict[str, tuple[Json, str]]] = field(default_factory=dict)
    moving: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Resource → the run and node that have announced a change of it; the attempt goes on."""
    began: dict[str, tuple[int, set[str]]] = field(default_factory=dict)
    """Of each rollback, how much had been done when it was created, and which runs went on."""
    away: dict[str, set[str]] = field(default_factory=dict)
    """Of each rollback, the artifacts that it took away."""
    lasting: list[tuple[str, str]] = field(default_factory=list)
    """Run and node of what nothing can undo."""
    lasted: dict[str, int] = field(default_factory=dict)
    """Run → how much of that there was when it last ended."""
    frozen: bool = False
    clock: float = 1_000_000.0

    def now(self) -> float:
        """The time."""
        return self.clock

    def act(self, resource: str, run: str, value: Json, mode: str) -> None:
        """A run changes a resource. What an undo takes back was never there for later ones."""
        before, by = self.values.get(resource), self.holder.get(resource, "")
        self.acts.append(Act(resource, run, before, value, mode))
        self.values[resource], self.holder[resource] = value, run
        if mode == "undo":
            first = self._first(resource, run)
            self.holder[resource] = first
            for snapshot in self.snapshots.values():
                if resource in snapshot and snapshot[resource][1] == run == by:
                    snapshot[resource] = (value, first)

    def _first(self, resource: str, run: str) -> str:
        """Who had given a resource its value before the run did."""
        mine = [n for n, a in enumerate(self.acts) if a.resource == resource and a.run == run]
        earlier = [a for a in self.acts[: mine[0]] if a.resource == resource]
        return earlier[-1].run if earlier else ""

    def take_snapshot(self, run: str) -> None:
        """What the stage is when a run ends."""
        self.snapshots[run] = {
            resource: (MOVING, "")
            if self.moving.get(resource, (run, ""))[0] != run
            else (self.values.get(resource), self.holder.get(resource, ""))
            for resource in RESOURCES
        }


@dataclass
class Fate:
    """At which transaction a process dies: before (n) or after (-n) it is on disk."""

    at: int | None = None
    count: int = 0


class Journal(MemoryJournal):
    """Dies as its process is to; tells the world what is on disk."""

    def __init__(self, store: MemoryStore, world: World, fate: Fate) -> None:
        super().__init__(store)
        self.world, self.fate = world, fate

    def transact(self, run: str, expected: int, events: Any, at: float, **given: Any) -> Any:
        fate = self.fate
        fate.count += 1
        if fate.at == fate.count:
            raise Crash
        records = super().transact(run, expected, events, at, **given)
        for event in events:
            self._told(run, event)
        if fate.at == -fate.count:
            raise Crash
        return records

    def _told(self, run: str, event: Event) -> None:
        world, release = self.world, self.world.kinds[run] == "release"
        match event:
            case ev.AttemptStarted() if release and world.frozen and UNDO not in event.node:
                if event.reason.code not in ("cut-off", "redo"):
                    raise Violation(f"{event.node} of {run} began on a frozen stage")
            case ev.Intended():
                world.moving[event.resource] = run, event.node
                away = {digest for taken in world.away.values() for digest in taken}
                if release and away.intersection(digests_in(event.after)):
                    raise Violation(f"{run} brings back what was taken away")
            case ev.RunStarted() if release:
                runs = self.store.tables.runs
                for other in runs.values():
                    going = other.kind == "rollback" and not other.concluded
                    if going and other.queue == runs[run].queue:
                        raise Violation(f"{run} began before the rollback {other.run}")
            case ev.RunEnded():
                world.take_snapshot(run)
                world.lasted[run] = len(world.lasting)
                if not any(act.run == run for act in world.acts):
                    world.away.pop(run, None)  # it took nothing away
            case ev.RetryRequested() | ev.UndoRequested():
                for _, before in world.began.values():
                    before.discard(run)
            case _:
                pass


@dataclass
class Going:
    """An attempt that goes on; it is the reply to its own intent."""

    command: Command
    asked: bool = False
    allowed: bool = False
    refused: bool = False
    stopped: bool = False

    def done(self) -> None:
        self.allowed = True

    def refuse(self, why: str) -> None:
        self.refused = True


class Dispatcher:
    """Carries the commands of a run out on the world, a step at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.going: dict[str, Going] = {}
        self.messages: deque[Message] = deque()

    def prepare(self, command: Command) -> None:
        assert command.node not in self.going

    def submit(self, command: Command) -> None:
        if command.node in self.going:
            raise Violation(f"two attempts of {command.node} at once")
        self.going[command.node] = Going(command)

    def stop(self, node: str) -> None:
        if node in self.going:
            self.going[node].stopped = True

    def next(self, timeout_s: float | None, take: Take | None = None) -> Message | None:
        return self.messages.popleft() if self.messages else None

    def close(self) -> None:
        """The attempts end; those that were allowed to act may have."""
        for number, going in enumerate([*self.going.values()]):
            command = going.command
            if going.allowed and (len(self.world.acts) + number) % 2 and command.mode == "run":
                self._act(command)
            self._leave(command)
        self.going.clear()

    def advance(self, choice: int) -> bool:
        """Let an attempt do its next thing; whether there was one that could."""
        able = [g for g in self.going.values() if not g.asked or g.allowed or g.refused]
        if able:
            self._advance(able[choice % len(able)])
        return bool(able)

    def _say(self, going: Going, body: Any) -> None:
        command = going.command
        if not isinstance(body, Intends):
            del self.going[command.node]
            self._leave(command)
        self.messages.append(Message(command.node, command.attempt, body))

    def _leave(self, command: Command) -> None:
        for resource, by in [*self.world.moving.items()]:
            if by == (command.run, command.node) and command.mode in ("run", "restore"):
                del self.world.moving[resource]

    def _advance(self, going: Going) -> None:
        command, world = going.command, self.world
        if command.mode == "recover":
            done = command.key in world.done_keys
            self._say(going, Succeeded({}, {}) if done else NotDone())
        elif going.stopped or going.refused:
            failed = Failed("refused", False) if going.refused else Stopped()
            self._say(going, failed)
        elif command.mode == "undo":
            for resource, before, _ in command.effects:
                world.act(resource, command.run, before, "undo")
            self._say(going, Succeeded({}, {}))
        elif command.mode == "restore":
            self._restore(going)
        else:
            self._run(going)

    def _restore(self, going: Going) -> None:
        ((resource, now, value),) = going.command.effects
        if not going.asked:
            going.asked = True
            self._say(going, Intends(resource, now, value, going))
            return
        self.world.act(resource, going.command.run, value, "restore")
        self._say(going, Succeeded({}, {}))

    def _run(self, going: Going) -> None:
        command, world = going.command, self.world
        piece = world.pieces[command.run][int(command.plan_node[1:])]
        key = (command.run, command.node)
        fails = world.failures.get(key, 0) < piece.failures
        if piece.resource is not None and not (fails and not piece.half):
            if not going.asked:
                going.asked = True
                before = self._before(command, piece.resource)
                intends = Intends(piece.resource, before, command.inputs["value"], going)
                self._say(going, intends)
                return
            self._act(command)
        if fails:
            world.failures[key] = world.failures.get(key, 0) + 1
        else:
            world.done_keys.add(command.key)
            if piece.contract == "irreversible" and piece.resource is None:
                world.lasting.append(key)
        self._say(going, Failed("as drawn") if fails else Succeeded({}, {}))

    def _before(self, command: Command, resource: str) -> Json:
        """As a kind finds it: what the node itself announced is not the value before."""
        now = self.world.values.get(resource)
        own = [before for of, before, after in command.effects if (of, after) == (resource, now)]
        return own[0] if own else now

    def _act(self, command: Command) -> None:
        resource = str(command.inputs["resource"])
        if command.key not in self.world.done_keys:
            self.world.act(resource, command.run, command.inputs["value"], "run")


@dataclass
class Drive:
    """A run that a runner drives, with a journal of its own."""

    driver: Driver
    service: Service
    dispatcher: Dispatcher
    claim: Claim


class Runner:
    """A process: services of its own on the journal that all share."""

    def __init__(self, stage: StageWorld) -> None:
        self.stage = stage
        self.drives: dict[str, Drive] = {}
        self.replaced: list[Drive] = []
        self.fate = Fate()
        self.service = self._service()

    def _service(self) -> Service:
        journal = Journal(self.stage.store, self.stage.world, self.fate)
        return Service(self.stage.state, journal, HOST)

    def dies_in(self, transactions: int) -> None:
        """Die at a transaction to come: before it is on disk, or (negative) after."""
        ahead = self.fate.count
        self.fate.at = transactions + (ahead if transactions > 0 else -ahead)

    def take(self, run: str) -> bool:
        """Drive a run from now on, if nobody does and it is its turn."""
        if run in self.drives:
            return True
        service = self._service()
        claim = service.journal.claim(run)
        if claim is None:
            return False
        stop = Stop(at_once=True)
        if service.fold(run).ended or not service._may_begin(run, stop, None):
            claim.release()
            return False
        dispatcher = Dispatcher(self.stage.world)
        driver = Driver(
            run=run,
            journal=service.journal,
            fold=lambda: service.fold(run),
            dispatcher=dispatcher,
            clock=self.stage.world,
            filters={},
            guard="guard",
        )
        self.drives[run] = Drive(driver, service, dispatcher, claim)
        self._guarded(run, driver.start)
        return True

    def step(self, choice: int) -> bool:
        """Go on with one of the runs that it drives; whether anything came of it."""
        if not self.drives:
            return False
        turn, which = divmod(choice, len(self.drives))
        run = [*self.drives][which]
        drive = self.drives[run]
        moved = turn % 3 != 2 and drive.dispatcher.advance(turn)
        return self._guarded(run, lambda: drive.driver.step(wait=False)) or moved

    def _guarded(self, run: str, act: Any) -> bool:
        drive = self.drives[run]
        try:
            moved = act() is not False
        except Stale:
            self._let_go(run)
            return True
        except Crash:
            self.crash()
            return True
        if drive.driver.state.ended:
            drive.service.settle_quarantine(run)
            self._let_go(run)
        return moved

    def _let_go(self, run: str) -> None:
        drive = self.drives.pop(run)
        drive.dispatcher.close()
        drive.claim.release()

    def crash(self) -> None:
        """The process dies, another takes its place."""
        for drive in self.drives.values():
            drive.dispatcher.close()
            drive.claim.release()
        self.drives.clear()
        self.fate = Fate()
        self.service = self._service()

    def lose(self, other: Runner) -> None:
        """Another process takes the runs over, and this one does not notice: what it had begun
        is ended, what that had said may still come."""
        for run, drive in [*self.drives.items()]:
            del self.drives[run]
            drive.dispatcher.close()
            drive.claim.release()
            if other.take(run):
                self.replaced.append(drive)

    def step_replaced(self) -> None:
        """Runs that were taken over: it must notice, and do nothing."""
        for drive in self.replaced:
            length = len(self.service.journal.read(drive.driver.run))
            if length == drive.driver.state.length:
                continue  # the one who took it has written nothing yet
            try:
                wrote = drive.driver.step(wait=False)
            except (Stale, Crash):
                wrote = False
            if wrote or drive.dispatcher.going:
                raise Violation("a driver that lost the run goes on")
        self.replaced.clear()


class Same(Random):
    """Ids and seeds of runs that are the same in every game."""

    randbits = Random.getrandbits


class StageWorld:
    """The stage, its two runners, and the checks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.random, creating.random = creating.random, Same(0)  # type: ignore[assignment]
        self.state = StateDir(folder / ".rflow").make()
        self.store, self.world = MemoryStore(), World()
        kept = ArtifactStore(self.state.artifacts)
        self.digests = [kept.put_bytes(b"version %d" % number) for number in range(4)]
        self.runners = [Runner(self), Runner(self)]

    def close(self) -> None:
        """The game is over."""
        creating.random = self.random
        shutil.rmtree(self.folder)

    # -- what people do ------------------------------------------------------------------------

    def release(self, runner: Runner, flow: str, pieces: list[Piece], undo: bool) -> str:
        """Create a release."""
        plan = plan_of(flow, pieces, self.digests, undo)
        data = dumps(plan)
        prepared = Prepared(
            plan,
            data,
            digest(data),
            self.folder,
            "",
            "",
            BY,
            {"kind": "manual"},
            {},
            {},
            {},
            {},
            {},
        )
        run = f"r{len(self.world.kinds)}"
        self.world.kinds[run], self.world.pieces[run] = "release", pieces
        return runner.service.create(prepared, run=run)

    def rollback(self, runner: Runner, run: str, cancel: bool) -> str | None:
        """Create a rollback; StateError where it is refused."""
        preview = runner.service.rollback_preview(run)
        if runner.service.summary(run).status != "success":
            raise Violation(f"{run} is a target and did not end well")
        asked = preview.unacknowledged(())
        for other, node in self.world.lasting[self.world.lasted[run] :]:
            if other != run and node not in asked:
                raise Violation(f"nobody is told that {node} of {other} stays")
        new = runner.service.rollback(
            run, by=BY, acknowledge=preview.unacknowledged(()), cancel_running=cancel
        )
        if new is not None:
            self.world.kinds[new] = "rollback"
            steps = preview.steps
            kept = {digest for step in steps for digest in digests_in(step.target)}
            away = {digest for step in steps for digest in digests_in(step.now)}
            self.world.away[new] = away - kept
            for taken in self.world.away.values():
                taken -= kept
            started = {run for run in self.going() if self.store.tables.runs[run].started_at}
            self.world.began[new] = len(self.world.acts), {*started, new}
        return new

    # -- to the end ----------------------------------------------------------------------------

    def going(self) -> list[str]:
        """The runs that have not ended, in order of creation."""
        tables = self.store.tables.runs
        return [run for run, summary in tables.items() if not summary.concluded]

    def settle(self) -> None:
        """Everything goes to its end: nobody dies any more, and people answer."""
        for runner in self.runners:
            runner.fate.at = None
            runner.step_replaced()
        for turn in range(3000):
            going = self.going()
            if not going:
                return
            moved = False
            for number, run in enumerate(going):
                runner = self.runners[(turn + number) % 2]
                before = len(runner.drives)
                runner.take(run)
                moved |= len(runner.drives) != before
            for runner in self.runners:
                for choice in range(3 * len(runner.drives)):
                    moved |= runner.step(choice + turn)
            if not moved and self.going() == going:
                self._help()
        raise Violation(f"these do not end: {self.going()}")

    def _help(self) -> None:
        drives = [d for runner in self.runners for d in runner.drives.values()]
        service = self.runners[0].service
        for drive in drives:
            state = drive.driver.state
            for id in sorted(state.live):
                node = state.node(id)
                if node.asked and node.key:
                    took = node.key in self.world.done_keys
                    run = drive.driver.run
                    service.answer(run, id, "done" if took else "redo", BY)
                    return
        if self.world.frozen:
            service.thaw(NAME)
            self.world.frozen = False
            return
        due = [at for drive in drives if (at := drive.driver.next_due()) is not None]
        if not due:
            raise Violation(f"nothing moves, and nothing is waited for: {self._told()}")
        self.world.clock = max(self.world.clock, min(due))

    def _told(self) -> list[str]:
        """Where each run that has not ended stands."""
        said = []
        for run in self.going():
            state = self.runners[0].service.fold(run)
            nodes = {n.id: f"{n.status} {n.reason.code}" for n in state.nodes}
            drivers = [number for number in (0, 1) if run in self.runners[number].drives]
            said.append(f"{run} {state.phase} {nodes} {drivers}")
        return said

    # -- what must hold ------------------------------------------------------------------------

    def check_ledger(self) -> None:
        """The ledger says what the world is, but for what is being changed or in doubt."""
        held = deployed(self.runners[0].service.journal.ledger(NAME))
        for resource in RESOURCES:
            one = held.get(resource)
            said, is_ = (one.value if one else None), self.world.values.get(resource)
            if said != is_ and not (one and one.doubt):
                raise Violation(f"the ledger says {said} of {resource}, it is {is_}")

    def check_undone(self, run: str) -> None:
        """After an undo that went well, what a run changed and nobody else did since is as it was
        before the run."""
        state = self.runners[0].service.fold(run)
        if state.created.kind != "release" or not state.undos:
            return
        if any(undo.status not in ("success", "skipped") for undo in state.undos.values()):
            return
        acts = self.world.acts
        skipped = [n for n, undo in state.undos.items() if "since" in undo.reason.code]
        taken = {resource for number in skipped for resource in state.nodes[number].intents}
        for resource in {act.resource for act in acts if act.run == run} - taken:
            mine = [n for n, act in enumerate(acts) if (act.run, act.resource) == (run, resource)]
            last = [act for act in acts if act.resource == resource][-1]
            others = any(
                act.run != run and act.resource == resource for act in acts[mine[0] : mine[-1]]
            )
            if last.run != run or others:
                continue
            if last.after != acts[mine[0]].before:
                raise Violation(f"{run} has left {resource} changed after its undo")

    def others(self, run: str) -> bool:
        """Whether a run that began, or went on again, after the rollback was created changed the
        stage: what it did is its own affair."""
        since, before = self.world.began[run]
        return any(act.run not in before for act in self.world.acts[since:]) or bool(
            {*self.going()} - before
        )

    def check_rolled_back(self, run: str) -> None:
        """After a rollback that went well the stage is what it was; twice changes nothing more."""
        service = self.runners[0].service
        created = service.fold(run).created
        if service.summary(run).status != "success":
            return
        others = self.others(run)
        target = str(created.trigger["to"])
        end = service.journal.ended_at_change(target)
        doubt = {r for r, h in deployed(service.journal.ledger(NAME), end).items() if h.doubt}
        for resource, (value, _) in self.world.snapshots[target].items():
            now = self.world.values.get(resource)
            if not others and value != MOVING and resource not in doubt and now != value:
                raise Violation(f"after {run} {resource} is {now}; when {target} ended, {value}")
        if others or service._why_no_target(service.summary(target)):
            return
        again = service.rollback_preview(target)
        if again.steps:
            raise Violation(f"rolling back to {target} twice changes {again.steps}")


__all__ = ["FLOWS", "MOVING", "NAME", "RESOURCES", "Piece", "Record", "StageWorld", "Violation"]
