"""A command: one attempt that is to be carried out, as a value.

It holds all that whoever carries it out needs, and no secret: where an input reads a secret, the
command names the secret and carries the expression's other values. It has a JSON form, so that a
queue can carry it to another machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, Protocol

from msgspec import Struct
from msgspec.structs import asdict
from rflow.compiler.plan import Json
from rflow.runner.events import Reason

Mode = Literal["run", "undo", "recover", "restore"]


class Command(Struct, frozen=True):
    """Carry out an attempt.

    `node` is the instance (or `undo:` and the instance), `plan_node` the node of the plan it
    comes from. `inputs` are its inputs with secrets masked, but for those in `late`, which are
    to be worked out where the secrets are; `values` are what those read besides, as
    (root, path, value). `program` are the variables of its scripts, likewise in `late_program`.
    `done` are the outputs of the node that is undone (None: in doubt). `effects` are its intents:
    (resource, before, after); in a rollback, what is to be restored, from and to. `timeout_s`
    None is no limit.
    """

    run: str
    plan: str
    node: str
    plan_node: str
    mode: Mode
    attempt: int
    key: str
    kind: str
    version: str
    inputs: dict[str, Json]
    program: dict[str, Json]
    late: tuple[str, ...]
    late_program: tuple[str, ...]
    values: tuple[tuple[str, tuple[str | int, ...], Json], ...]
    done: dict[str, Json] | None = None
    sealed_done: dict[str, str] | None = None
    effects: tuple[tuple[str, Json, Json], ...] = ()
    woke: tuple[str, ...] = ()
    timeout_s: float | None = None
    from_contract: bool = False

    @property
    def reads_secrets(self) -> bool:
        """Whether something of it is to be worked out where the secrets are."""
        return bool(self.late or self.late_program)

    def dumps(self) -> str:
        """The command as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def loads(cls, text: str) -> Command:
        """The command that `dumps` wrote."""
        body: dict[str, Any] = json.loads(text)
        for name in ("late", "late_program", "woke"):
            body[name] = tuple(body[name])
        body["values"] = tuple((root, tuple(path), value) for root, path, value in body["values"])
        body["effects"] = tuple(tuple(effect) for effect in body["effects"])
        return cls(**body)


# -- what comes back ---------------------------------------------------------------------------


class Succeeded(Struct, frozen=True):
    """The attempt ended well. From `recover`: it had taken effect."""

    outputs: dict[str, Json]
    sealed: dict[str, str]


class NotDone(Struct, frozen=True):
    """From `recover`: the attempt had not taken effect."""


class Failed(Struct, frozen=True):
    """The attempt failed; `retry` is False where trying again is useless."""

    message: str
    retry: bool = True
    code: str = ""
    detail: Json = None


class ParkedAt(Struct, frozen=True):
    """The attempt waits for `wait` until `due`, without a worker."""

    wait: str
    due: float
    why: Reason


class Stopped(Struct, frozen=True):
    """The attempt was ended because it was asked to."""


Outcome = Succeeded | NotDone | Failed | ParkedAt | Stopped


class Reply(Protocol):
    """How the driver answers an intent."""

    def done(self) -> None:
        """The intent is on disk."""

    def refuse(self, why: str) -> None:
        """It will not be written; the attempt must not act."""


class Intends(Struct, frozen=True):
    """The attempt asks for an intent to be put on disk, and waits."""

    resource: str
    before: Json
    after: Json
    reply: Reply


class Message(Struct, frozen=True):
    """What an attempt says to the driver."""

    node: str
    attempt: int
    body: Outcome | Intends


Take = Callable[[Message], Callable[[], None]]
"""Takes a step for a message, which may be prepared for others; what it returns puts the step on
disk. The dispatcher sees to it that nobody else drives the run between the two, or before `next`
has returned."""


class Dispatcher(Protocol):
    """Carries commands out: local processes, or a queue. All calls come from the driving thread,
    or from within `take`."""

    def prepare(self, command: Command) -> None:
        """This is about to be submitted, when its start is on disk: do what nobody can see; returns
        at once. If it is not submitted, only `close` follows."""

    def submit(self, command: Command) -> None:
        """Begin; returns at once."""

    def stop(self, node: str) -> None:
        """End the node's attempt; its outcome still comes. Doing so twice does nothing more."""

    def next(self, timeout_s: float | None, take: Take | None = None) -> Message | None:
        """The next message, None after `timeout_s` without one (None: wait for ever), or sooner.
        While it waits, whoever brings a message may hand it to `take` instead."""

    def close(self) -> None:
        """End everything that still goes on, and wait for it."""
