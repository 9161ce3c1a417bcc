"""Who goes on with the runs that the server created: one thread a run while it has work to do.

Theory of operation. A run that the server is to drive has a note in the journal, written in the
transaction that creates the run, so that a crash loses none. One thread looks at the notes: a run
whose turn it is gets a thread, which claims and drives it until it has ended or has nothing to do
but wait. A run that waits holds no thread: it is taken up again when somebody asked something of
it, when its next time has come, or when what holds it may have changed. Runs that other processes
drive are left to them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from itertools import pairwise

from msgspec import Struct
from rflow.runner.asking import SERVED
from rflow.runner.begin import FROZEN, LOCK_HELD, WINDOW_CLOSED
from rflow.runner.claims import FileClaim, claim
from rflow.runner.events import Reason, Record, RunHeld
from rflow.runner.journal import Journal, RunSummary, Stale
from rflow.runner.line import freeze_of
from rflow.runner.problems import StateError
from rflow.runner.service import Service, Stop, first_of_queues
from rflow.runner.state_dir import StateDir
from rflow.server.services import Services

NOTE = SERVED
LOOK_S = 0.1
REST_MAX_S = 0.2
TOLD_MAX = 20
"""So many runs are told at one look what they wait for: the others' turn must not wait for it."""

log = logging.getLogger("rflow.server")


class Parked(Struct):
    """A run that waits: until `due` (None: only for people), for one of the locks to be free, for
    the freeze of its stage to end (`frozen`), or for what is asked of it."""

    due: float | None = None
    locks: frozenset[str] = frozenset()
    frozen: bool = False


def adopt(journal: Journal, run: str) -> None:
    """Note that the server drives this run; to be called in the transaction that creates it."""
    journal.put_note(NOTE, run, {})


class Drivers:
    """Drives the runs that have a note. `runs_max` is how many work at one time."""

    def __init__(self, services: Services, *, runs_max: int = 32, parallel: int = 4) -> None:
        self.services, self.runs_max, self.parallel = services, runs_max, parallel
        self._going: dict[str, tuple[threading.Thread, Stop]] = {}
        self._parked: dict[str, Parked] = {}
        self._failed: dict[str, str] = {}
        self._behind: dict[str, str] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ended = False
        self._serving: FileClaim | None = None
        self._thread = threading.Thread(target=self._loop, name="drivers", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._say_so()
        self._thread.start()

    def wake(self) -> None:
        """Look again at once: something was created or asked."""
        self._wake.set()

    def close(self) -> None:
        """Leave all runs as they are, at once; they are taken up at the next start."""
        self._ended = True
        self._wake.set()
        with self._lock:
            going = list(self._going.values())
        for _, stop in going:
            stop.now()
        for thread, _ in going:
            thread.join()
        if self._thread.is_alive():
            self._thread.join()
        if self._serving is not None:
            self._serving.release()

    def adopt(self, run: str) -> None:
        """Go on with a run that another process has left."""
        adopt(self.services.here().journal, run)
        with self._lock:
            self._parked.pop(run, None)
            self._failed.pop(run, None)
        self.wake()

    def trouble(self, run: str) -> str:
        """Why the server could not go on with a run, "" if it could."""
        return self._failed.get(run, "")

    # -- the looking thread ----------------------------------------------------------------------

    def _loop(self) -> None:
        version = -1
        while not self._ended:
            self._wake.wait(LOOK_S)
            woken = self._wake.is_set()
            self._wake.clear()
            began = time.monotonic()
            try:
                service = self.services.here()
                self._say_so()
                now_version = service.journal.version()
                changed, version = now_version != version, now_version
                if woken or changed or self._is_due():
                    self._look(service)
                    # Many looks close together would find little: one waits as long as it took.
                    time.sleep(min(time.monotonic() - began, REST_MAX_S))
            except StateError as error:
                log.error("the journal cannot be read: %s", error.message)
                self._wake.wait(1.0)
        self.services.leave()

    def _say_so(self) -> None:
        """Let other processes see that there is a server; of several, one is enough."""
        if self._serving is None:
            self._serving = claim(StateDir(self.services.state).serving)

    def _is_due(self) -> bool:
        now = time.time()
        return any(p.due is not None and p.due <= now for p in self._parked.values())

    def _look(self, service: Service) -> None:
        noted = service.journal.notes(NOTE)
        if not noted:
            return
        active = sorted(
            service.runs(concluded=False, limit=1_000_000), key=lambda run: run.created_at
        )
        there = {run.run for run in active}
        for id in noted:
            if id not in there and id not in self._going:
                service.journal.delete_note(NOTE, id)
                self._parked.pop(id, None)
        asked, first = service.journal.asked(), first_of_queues(active)
        for run in active:
            if len(self._going) >= self.runs_max or self._ended:
                return
            if run.run not in noted or run.run in self._going or run.run in self._failed:
                continue
            wanted = run.run in asked or (
                self._may_go_on(service, run)
                if run.run in self._parked
                else not run.queue or first[run.queue] == run.run
            )
            if wanted and service.journal.claimed(run.run) is None:
                self._begin(run.run)
        self._tell_queued(service, active, noted.keys())

    def _tell_queued(
        self, service: Service, active: list[RunSummary], noted: Collection[str]
    ) -> None:
        """Write down for runs that have not begun which one they come after."""
        self._behind = {run: self._behind.get(run, "") for run in noted}
        queued = [
            (run, other)
            for run, other in behind(active)
            if self._behind.get(run.run, other) != other and run.run not in self._going
        ]
        for run, other in queued[:TOLD_MAX]:
            if service.journal.claimed(run.run) is not None:
                continue
            said = service.journal.latest(run.run, RunHeld)
            reason = Reason("queued", {"run": other})
            if not isinstance(said, RunHeld) or said.reason != reason:
                with contextlib.suppress(Stale):
                    service.journal.transact(run.run, run.length, [RunHeld(reason)], time.time())
            self._behind[run.run] = other

    def _may_go_on(self, service: Service, run: RunSummary) -> bool:
        parked, now = self._parked[run.run], time.time()
        return (
            (parked.due is not None and parked.due <= now)
            or bool(parked.locks - {lock.name for lock in service.journal.locks()})
            or (parked.frozen and freeze_of(service.journal, run.stage, now) is None)
        )

    def _begin(self, run: str) -> None:
        stop = Stop()
        thread = threading.Thread(target=self._drive, args=(run, stop), name=f"run {run}")
        with self._lock:
            self._parked.pop(run, None)
            self._going[run] = (thread, stop)
        thread.start()

    # -- a run's thread ----------------------------------------------------------------------------

    def _drive(self, run: str, stop: Stop) -> None:
        parked: Parked | None = None
        try:
            service = self.services.here()
            summary = service.drive(
                run, parallel=self.parallel, stop=stop, until="wait", observe=_logged(run)
            )
            if not summary.concluded:
                parked = _parked(service, run)
        except StateError as error:
            log.error("run %s cannot go on: %s", run, error.message, extra={"run": run})
            self._failed[run] = error.message
        except Exception:
            log.exception("run %s: a fault of rflow's own", run, extra={"run": run})
            self._failed[run] = "a fault of rflow's own; the server's log says more"
        finally:
            self.services.leave()
            with self._lock:
                self._going.pop(run, None)
                if parked is not None:
                    self._parked[run] = parked
            self._wake.set()


def behind(active: Iterable[RunSummary]) -> list[tuple[RunSummary, str]]:
    """The runs of queues that have not begun, each with the one right before it."""
    order = sorted(
        (run for run in active if run.queue),
        key=lambda run: (
            run.queue,
            run.started_at is None,
            run.kind != "rollback",
            run.created_at,
        ),
    )
    return [
        (run, other.run)
        for other, run in pairwise(order)
        if other.queue == run.queue and run.started_at is None
    ]


def _parked(service: Service, run: str) -> Parked:
    """What a run waits for, from its state."""
    state = service.fold(run)
    dues: list[float] = []
    locks: set[str] = set()
    frozen = False
    for node in (state.node(id) for id in state.live):
        values = node.reason.values
        match node.reason.code:
            case code if code == LOCK_HELD:
                locks.add(str(values["lock"]))
            case code if code == FROZEN:
                frozen = True
                dues.append(float(str(values["until"])))
            case code if code == WINDOW_CLOSED:
                dues.append(float(str(values["opens"])))
            case _:
                if node.due:
                    dues.append(node.due)
    return Parked(min(dues, default=None), frozenset(locks), frozen)


def _logged(run: str) -> Callable[[Record], None]:
    def told(record: Record) -> None:
        event = record.event
        extra = {"run": run, "node": getattr(event, "node", None), "number": record.number}
        log.info("%s", type(event).__name__, extra=extra)

    return told
