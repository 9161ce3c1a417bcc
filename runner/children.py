"""Runs that a run starts: `flow.run`.

A child is compiled from the source that its parent keeps, so that an edit of the file in between
changes nothing. Its id follows from the parent attempt's key: asked for again after a crash, the
same run is found and no second one is started.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rflow.compiler.plan import Json, Plan
from rflow.plugins.context import NodeError
from rflow.runner.events import RunCreated
from rflow.runner.problems import StateError

if TYPE_CHECKING:
    from rflow.runner.service import Service

CompileAgain = Callable[[Plan, str], Plan]
"""The plan of another flow of the file that a plan was made from; LookupError if it has none."""

LETTERS = "abcdefghjkmnpqrstvwxyz23456789"
ID_LENGTH = 8


def id_of(key: str) -> str:
    """The id of the run that an attempt with this key starts."""
    number = int.from_bytes(sha256(f"child {key}".encode()).digest()[:8])
    letters = []
    for _ in range(ID_LENGTH):
        number, letter = divmod(number, len(LETTERS))
        letters.append(LETTERS[letter])
    return "".join(letters)


def start_child(
    service: Service,
    compile_again: CompileAgain,
    parent: RunCreated,
    plan: Plan,
    flow: str,
    args: dict[str, Json],
    key: str,
) -> str:
    """Start a run of `flow`, or find the one that was started with this key; its id.

    In the attempt's thread; `service` is that thread's own. NodeError where it cannot start.
    """
    run = id_of(key)
    if service.journal.summary(run) is None:
        try:
            prepared = service.prepare(
                compile_again(plan, flow),
                directory=Path(parent.directory),
                args=args,
                triggers=parent.triggers,
                name=f"{parent.name} {flow}",
                by=parent.by,
                trigger={"kind": "flow", "run": parent.run},
                text=False,
            )
            service.create(prepared, run=run)
        except LookupError:
            raise NodeError(f"the file holds no flow `{flow}`", retry=False) from None
        except StateError as error:
            raise NodeError(f"`{flow}` cannot start: {error.message}", retry=False) from None
    summary = service.summary(run)
    if not summary.concluded and service.journal.claimed(run) is None:
        service.spawn(run)
    return run
