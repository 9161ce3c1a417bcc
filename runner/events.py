"""The facts of a run: a closed set of events, and their JSON form.

An event says what happened, in the past tense, and why: `reason` is a code with the values that
decided it. The journal keeps each with its number in the run and its time (`Record`). Events are
versioned JSON without NUL, lone surrogates or NaN; a secret's value is never in one.

`node` is the id of an instance, `web[eu]`; the node that undoes it is `undo:web[eu]`. Times are
seconds since 1970 as floats.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field
from rflow.compiler.plan import Json
from rflow.runner.json_writer import writer

EVENT_VERSION = 1


class Reason(Struct, frozen=True):
    """Why: a code (see `runner.reasons`) and the values that decided it."""

    code: str
    values: dict[str, Json] = field(default_factory=dict)


NO_REASON = Reason("")


# -- the run -----------------------------------------------------------------------------------


class RunCreated(Struct, frozen=True):
    """A run exists.

    `args` are the bound arguments but for secret ones, which are in `sealed` (name → sealed
    text). `overrides` are inputs of nodes given for this run: node → input → value. `triggers`
    are the values of each trigger; `trigger` says how the run came about: `{kind, name?, …}`.
    `loops` is the expansion: loop id → key of the loop around it ("" for none) → elements.
    """

    run: str
    plan: str
    flow: str
    stage: str | None
    kind: Literal["release", "rollback"]
    name: str
    description: str
    by: str
    trigger: dict[str, Json]
    triggers: dict[str, dict[str, Json]]
    args: dict[str, Json]
    sealed: dict[str, str]
    overrides: dict[str, dict[str, Json]]
    loops: dict[str, dict[str, list[Json]]]
    seed: int
    directory: str = ""
    rerun_of: str | None = None


class RunHeld(Struct, frozen=True):
    """The run cannot start yet: queued behind another."""

    reason: Reason


class RunStarted(Struct, frozen=True):
    """Execution began. `guard` marks the processes that it starts, see `runner.guard`."""

    guard: str
    reason: Reason = NO_REASON


class RunResumed(Struct, frozen=True):
    """Another process went on with the run."""

    guard: str
    reason: Reason = NO_REASON


class RunRenamed(Struct, frozen=True):
    """Its name or description was edited."""

    name: str
    description: str
    by: str


class CancelRequested(Struct, frozen=True):
    """Somebody cancelled the run; `rollback` undoes what it did. The second ends `finally`."""

    by: str
    rollback: bool = False
    reason: Reason = NO_REASON


class RunTimedOut(Struct, frozen=True):
    """The run has been going on for longer than its flow allows; what runs is ended."""

    reason: Reason


class RetryRequested(Struct, frozen=True):
    """The run goes on from these nodes; all behind them runs again. `overrides` as above."""

    by: str
    nodes: tuple[str, ...]
    overrides: dict[str, dict[str, Json]] = field(default_factory=dict)
    reason: Reason = NO_REASON


class UndoRequested(Struct, frozen=True):
    """What the run did is undone, after all or again: it had ended with effects left, and goes on
    with undoing those."""

    by: str
    reason: Reason = NO_REASON


class PhaseStarted(Struct, frozen=True):
    """The run left its main part: it undoes, runs `on failure`, or runs `finally`."""

    phase: Literal["main", "undo", "failure", "finally"]
    reason: Reason = NO_REASON


class RunEnded(Struct, frozen=True):
    """It is over. `warnings` are nodes that failed with `continue on failure`."""

    status: Literal["success", "failed", "cancelled"]
    outputs: dict[str, Json] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    reason: Reason = NO_REASON


# -- nodes and attempts ------------------------------------------------------------------------


class AttemptStarted(Struct, frozen=True):
    """An attempt is about to begin; `inputs` with secrets masked. `key` stays the same when an
    attempt that was cut off is started again."""

    node: str
    attempt: int
    key: str
    inputs: dict[str, Json] = field(default_factory=dict)
    reason: Reason = NO_REASON


class Intended(Struct, frozen=True):
    """The attempt is about to change `resource` from `before` to `after`.

    `anew`: another run has changed it since the node last did, so that `before` is what an undo
    goes back to; else that is the value before the node's first attempt.
    """

    node: str
    attempt: int
    resource: str
    before: Json
    after: Json
    anew: bool = False


class AttemptSucceeded(Struct, frozen=True):
    """The attempt, and with it the node, ended well; secret outputs are in `sealed`.

    `recovered`: known from asking, after a crash, whether it had taken effect.
    """

    node: str
    attempt: int
    outputs: dict[str, Json] = field(default_factory=dict)
    sealed: dict[str, str] = field(default_factory=dict)
    recovered: bool = False
    reason: Reason = NO_REASON


class AttemptFailed(Struct, frozen=True):
    """The attempt failed. `error` is `{message, retry: bool, code?, detail?}`."""

    node: str
    attempt: int
    error: dict[str, Json]
    reason: Reason = NO_REASON


class AttemptLost(Struct, frozen=True):
    """The runner died while the attempt was going on; what it did is not known."""

    node: str
    attempt: int
    reason: Reason = NO_REASON


class RetryScheduled(Struct, frozen=True):
    """The next attempt begins at `due`."""

    node: str
    attempt: int
    due: float
    reason: Reason = NO_REASON


class Parked(Struct, frozen=True):
    """The attempt waits, without a worker, for `wait` until `due`."""

    node: str
    attempt: int
    wait: str
    due: float
    reason: Reason = NO_REASON


class Woke(Struct, frozen=True):
    """What a parked attempt waited for has come; it goes on."""

    node: str
    attempt: int
    wait: str


class NodeHeld(Struct, frozen=True):
    """The node could start but for a lock, a window or a freeze."""

    node: str
    reason: Reason


class HoldPassed(Struct, frozen=True):
    """Somebody let a node through that a freeze or a closed window held."""

    node: str
    by: str
    comment: str = ""


class NodeSkipped(Struct, frozen=True):
    """It does not run: its condition did not hold, or (for an undo) there is nothing to do."""

    node: str
    reason: Reason


class NodeFailed(Struct, frozen=True):
    """It failed for good."""

    node: str
    reason: Reason


class NodeCancelled(Struct, frozen=True):
    """It was ended, or never started, since the run failed or was cancelled."""

    node: str
    reason: Reason


class ApprovalAsked(Struct, frozen=True):
    """A gate waits for people until `due`. `slice` is the digest of what it binds to, `binds`
    what that digest is made from, for showing a difference when it is asked again."""

    node: str
    round: int
    slice: str
    binds: dict[str, Json]
    due: float
    reason: Reason = NO_REASON


class Decided(Struct, frozen=True):
    """Somebody approved or rejected."""

    node: str
    round: int
    by: str
    decision: Literal["approve", "reject"]
    comment: str = ""


class PersonAsked(Struct, frozen=True):
    """After a crash nobody can tell what the attempt did: a person must say."""

    node: str
    attempt: int
    reason: Reason


class PersonAnswered(Struct, frozen=True):
    """What a person said of an attempt that was cut off: run it again, or it is done, or failed."""

    node: str
    attempt: int
    by: str
    answer: Literal["redo", "done", "fail"]


Event = (
    RunCreated
    | RunHeld
    | RunStarted
    | RunResumed
    | RunRenamed
    | CancelRequested
    | RunTimedOut
    | RetryRequested
    | UndoRequested
    | PhaseStarted
    | RunEnded
    | AttemptStarted
    | Intended
    | AttemptSucceeded
    | AttemptFailed
    | AttemptLost
    | RetryScheduled
    | Parked
    | Woke
    | NodeHeld
    | HoldPassed
    | NodeSkipped
    | NodeFailed
    | NodeCancelled
    | ApprovalAsked
    | Decided
    | PersonAsked
    | PersonAnswered
)

KINDS: dict[str, type[Event]] = {cls.__name__: cls for cls in Event.__args__}


class Record(Struct, frozen=True):
    """An event in the journal: its number in the run, from 1, and when it was written."""

    number: int
    at: float
    event: Event


_FIELDS = {cls: tuple(cls.__struct_fields__) for cls in KINDS.values()}
_REASONED = {cls for cls, names in _FIELDS.items() if "reason" in names}
_TUPLES: dict[type[Event], str] = {RetryRequested: "nodes", RunEnded: "warnings"}


_written = writer(ensure_ascii=False, separators=(",", ":"))


def encode(event: Event) -> str:
    """The event's body as JSON; the kind is stored beside it. ValueError for what JSON or the
    journal cannot hold (NaN, NUL, lone surrogates)."""
    cls = type(event)
    body: dict[str, Any] = {name: getattr(event, name) for name in _FIELDS[cls]}
    if cls in _REASONED:
        reason: Reason = body["reason"]
        if reason is NO_REASON:
            del body["reason"]
        else:
            body["reason"] = [reason.code, reason.values] if reason.values else [reason.code]
    text = _written(body)
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
        raise ValueError("an event cannot hold a NUL character")
    text.encode()  # UnicodeEncodeError, a ValueError, on lone surrogates
    return text


def decode(kind: str, text: str) -> Event:
    """The event of this kind with this body; ValueError for a kind that is not known."""
    return _event(kind, json.loads(text))


def decode_all(kinds: Sequence[str], texts: Sequence[str]) -> list[Event]:
    """The same for many, in one go: a third of the time. Raises what `decode` does, and does not
    say for which."""
    bodies = json.loads(f"[{','.join(texts)}]")
    if len(bodies) != len(texts):
        raise ValueError("an event's body is not one value")
    return [*map(_event, kinds, bodies)]


def _event(kind: str, body: Any) -> Event:
    cls: Any = KINDS.get(kind)
    if cls is None:
        raise ValueError(f"an event of kind {kind!r} is not known to this version of rflow")
    if type(body) is not dict:
        raise ValueError("its body is no JSON object")
    if cls in _REASONED:
        reason = body.get("reason")
        body["reason"] = NO_REASON if reason is None else Reason(*reason)
    if cls in _TUPLES:
        name = _TUPLES[cls]
        body[name] = tuple(body[name])
    event: Event = cls(**body)
    return event
