"""What is known of one node of a run, and which statuses follow which. Pure.

`TRANSITIONS` is the whole of what can happen to a node: an event that it does not list for a
status does not happen. The reference's diagram of statuses is drawn from it.
"""

from __future__ import annotations

from typing import Literal

from rflow.compiler.plan import Json
from rflow.runner import events as ev

Status = Literal[
    "pending", "running", "waiting", "retrying", "success", "failed", "skipped", "cancelled"
]
TERMINAL = frozenset({"success", "failed", "skipped", "cancelled"})
UNDO = "undo:"

TRANSITIONS: dict[type[ev.Event], dict[Status, Status]] = {
    ev.AttemptStarted: {
        "pending": "running",
        "retrying": "running",
        "waiting": "running",
        "running": "running",
    },
    ev.AttemptSucceeded: {"running": "success", "waiting": "success"},
    ev.AttemptFailed: {"running": "running", "waiting": "running"},
    ev.AttemptLost: {"running": "running"},
    ev.RetryScheduled: {"running": "retrying"},
    ev.Parked: {"running": "waiting"},
    ev.Woke: {"waiting": "running"},
    ev.NodeHeld: {"pending": "waiting", "waiting": "waiting", "retrying": "waiting"},
    ev.HoldPassed: {"waiting": "waiting"},
    ev.NodeSkipped: {"pending": "skipped", "waiting": "skipped"},
    ev.NodeFailed: {"pending": "failed", "running": "failed", "waiting": "failed"},
    ev.NodeCancelled: {
        "pending": "cancelled",
        "running": "cancelled",
        "waiting": "cancelled",
        "retrying": "cancelled",
    },
    ev.ApprovalAsked: {"pending": "waiting", "waiting": "waiting"},
    ev.Decided: {"waiting": "waiting"},
    ev.PersonAsked: {"running": "waiting"},
    ev.PersonAnswered: {"waiting": "running"},
}
"""Event → status before → status after; what is not in it does not happen."""


class Impossible(Exception):
    """An event that the state does not allow: a journal that is not a run's, or a bug."""


class NodeState:
    """What is known of an instance, or of the node that undoes it.

    `attempt` counts all attempts; `failures` those that failed since the node was last reset, by
    which retries are counted. `open` says that an attempt is going on (not parked). `intents`
    maps a resource to its value before the first and after the last intended change. `approved`
    is the slice of a gate that was approved, and by whom. `done` are the outputs, and the sealed
    ones, of the success that was to be done again, as long as it was not.
    """

    __slots__ = (
        "approved",
        "asked",
        "attempt",
        "binds",
        "decisions",
        "done",
        "due",
        "failures",
        "id",
        "inputs",
        "intents",
        "key",
        "open",
        "outputs",
        "passed",
        "reason",
        "round",
        "sealed",
        "slice",
        "started_at",
        "status",
        "wait",
        "woke",
    )

    def __init__(self, id: str) -> None:
        self.id = id
        self.status: Status = "pending"
        self.attempt = 0
        self.failures = 0
        self.open = False
        self.key = ""
        self.started_at = 0.0
        self.due = 0.0
        self.wait = ""
        self.woke: frozenset[str] = frozenset()
        self.inputs: dict[str, Json] = {}
        self.outputs: dict[str, Json] = {}
        self.sealed: dict[str, str] = {}
        self.intents: dict[str, tuple[Json, Json]] = {}
        self.reason = ev.NO_REASON
        self.round = 0
        self.slice = ""
        self.binds: dict[str, Json] = {}
        self.decisions: list[ev.Decided] = []
        self.asked = False
        self.passed = False
        self.approved: tuple[str, Json] | None = None
        self.done: tuple[dict[str, Json], dict[str, str]] | None = None

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens to it, unless the run is retried."""
        return self.status in TERMINAL

    def reset(self) -> None:
        """Forget how it went, since it is to run again.

        Attempts and rounds go on counting, and what it changed stays known: the value from before
        the run is that from before its first attempt.
        """
        if self.status == "success":
            self.done = self.outputs, self.sealed
        fresh = NodeState(self.id)
        for name in self.__slots__:
            if name not in ("attempt", "round", "slice", "binds", "intents", "approved", "done"):
                setattr(self, name, getattr(fresh, name))
