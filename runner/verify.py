"""Verifying the record of a run: that it says today what it said when it was written.

What is checked: the chain of the events (`runner.chain`), the plan and the artifacts against
their digests, the run's lines in the list of runs and in the ledger of effects against the
events, and the last head against one that somebody was given, or that was noted beside the
journal when the run ended. Each difference names the record that differs.

What no check within the state folder can find is a whole record rewritten with all its heads and
notes by somebody who may write to the folder; for that a head is given to others.

This module must never write, repair or guess; what cannot be read is a finding.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal

from rflow.compiler import codec
from rflow.compiler.plan import Plan
from rflow.runner.artifacts import VALUE_MARK, ArtifactStore
from rflow.runner.chain import START, Stored, head_of, shown
from rflow.runner.events import RunCreated, decode
from rflow.runner.heads import Noted, noted_heads
from rflow.runner.journal import Journal, moves
from rflow.runner.problems import BAD_ARTIFACT, NO_ARTIFACT, StateError
from rflow.runner.state_dir import StateDir

Code = Literal[
    "changed",  # a record, a plan or an artifact has other bytes than its digest is of
    "head-changed",  # the stored head of a record was changed, not the record
    "missing",  # a record or a plan is not there
    "unreadable",  # it is there and cannot be read
    "unchained",  # the record has no heads
    "rewritten",  # the chain is whole, and ends in another head
    "cut",  # events that were there are not
    "line",  # the list of runs or the ledger says something else than the events
]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. `record` names it: `event 7`, `plan sha256:…`."""

    code: Code
    record: str
    message: str


@dataclass(slots=True)
class Verdict:
    """What was found of a run's record.

    `head` is the last head of the chain, as it comes out now. `against` is the head it was
    compared with, `source` where that came from; `at` the number of the event whose head that
    is, None if none has it. `missing` are artifacts that are not in the store any more, which
    takes nothing from the record.
    """

    run: str
    events: int = 0
    head: str = ""
    against: str = ""
    source: Literal["given", "noted", ""] = ""
    at: int | None = None
    plan: str = ""
    artifacts: int = 0
    missing: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all is as it was written."""
        return not self.findings


def verify(journal: Journal, state: StateDir, run: str, given: str = "") -> Verdict:
    """Verify the record of a run; `given` is a head (see `chain.read_head`), "" for none."""
    found = Verdict(run)
    try:
        events = journal.stored(run)
    except StateError as error:
        found.findings.append(Finding("unreadable", "journal", error.message))
        return found
    bodies = [*_bodies(events)]
    heads = _check_chain(found, events, bodies, run)
    _check_heads(found, heads, noted_heads(state, run), given)
    plan = _check_plan(found, journal, bodies)
    _check_line(found, journal, events, bodies)
    _check_ledger(found, journal, events)
    _check_artifacts(found, ArtifactStore(state.artifacts), bodies, plan)
    return found


# -- the chain -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Body:
    """What an event says, as far as it can be read."""

    number: int
    kind: str
    at: object
    says: dict[str, Any]

    @property
    def name(self) -> str:
        """`event 7 (AttemptSucceeded of web)`."""
        node = self.says.get("node")
        of = f" of {node}" if isinstance(node, str) else ""
        return f"event {self.number} ({self.kind}{of})" if self.kind else f"event {self.number}"


def _bodies(events: list[Stored]) -> Iterator[_Body]:
    for event in events:
        says: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            says = json.loads(event.body)
        kind = event.kind if event.kind.isidentifier() else ""
        yield _Body(event.number, kind, event.at, says if isinstance(says, dict) else {})


def _check_chain(
    found: Verdict, events: list[Stored], bodies: list[_Body], run: str
) -> dict[int, str]:
    """Name the events that differ; the heads that hold, by number."""
    found.events = len(events)
    if not events:
        found.findings.append(Finding("missing", "event 1", "the run has no events"))
        return {}
    if not any(event.head for event in events):
        message = "the run was written before rflow chained its events: nothing can be verified"
        found.findings.append(Finding("unchained", "journal", message))
        return {}
    heads: dict[int, str] = {}
    bases = [START]
    odd: tuple[_Body, str, str] | None = None
    """The last event, if it does not match: with the head that comes out and the stored one."""
    number = 0
    for event, body in zip(events, bodies, strict=True):
        for absent in range(number + 1, event.number):
            found.findings.append(Finding("missing", f"event {absent}", "is not there"))
            bases = []
        number = event.number
        if event.trouble:
            found.findings.append(Finding("unreadable", body.name, event.trouble))
            odd, bases = None, []
            continue
        results = [head_of(base, run, event) for base in bases]
        if not bases and event.head:  # what comes before is gone or cannot be read
            heads[number], bases = event.head, [event.head]
            continue
        matching = results.index(event.head) if event.head in results else None
        if odd is not None:
            _tell(found, odd, None if matching is None else bases[matching])
        odd = None
        if matching is None:
            odd, bases = (body, results[0], event.head), [results[0], event.head]
        else:
            bases = [event.head]
        heads[number] = event.head if matching is not None else results[0]
    if odd is not None:
        _tell(found, odd, None)
    found.head = shown(heads.get(number, ""))
    return heads


def _tell(found: Verdict, odd: tuple[_Body, str, str], base: str | None) -> None:
    """Say of an event that does not match which part of it the next one contradicts."""
    body, computed, _ = odd
    if base == computed:
        message = "its head is not the one that was stored with it; what it says is as it was"
        found.findings.append(Finding("head-changed", body.name, message))
    else:
        message = "it is not what was written: its bytes do not give its head"
        found.findings.append(Finding("changed", body.name, message))


def _check_heads(found: Verdict, heads: dict[int, str], noted: list[Noted], given: str) -> None:
    """Compare the heads with the one that was given, and with those noted when the run ended."""
    if not heads:
        found.against, found.source = shown(given), "given" if given else ""
        return
    for note in noted:
        if note.trouble:
            found.findings.append(Finding("unreadable", "noted head", note.trouble))
        elif note.number not in heads:
            message = f"the record ends before it, but the run had {note.number} events"
            found.findings.append(Finding("cut", f"event {note.number}", message))
        elif heads[note.number] != note.head and found.ok:
            message = (
                f"the chain is whole, but its head there is not {shown(note.head)}, which was "
                "noted when the run ended: events up to it were written anew"
            )
            found.findings.append(Finding("rewritten", f"event {note.number}", message))
        else:
            found.against, found.source, found.at = shown(note.head), "noted", note.number
    if not given:
        return
    found.against, found.source = shown(given), "given"
    found.at = next((number for number, head in heads.items() if head == given), None)
    if found.at is None:
        message = (
            "no event of the run has the head that was given: the record was cut or written anew, "
            "or it is the head of another run"
        )
        found.findings.append(Finding("rewritten", "head", message))


# -- what the events name --------------------------------------------------------------------


def _check_plan(found: Verdict, journal: Journal, bodies: list[_Body]) -> Plan | None:
    created = bodies[0].says if bodies else {}
    digest = created.get("plan")
    if not isinstance(digest, str):
        return None
    found.plan = digest
    name = f"plan {digest}"
    try:
        data = journal.plan(digest)
    except KeyError:
        found.findings.append(Finding("missing", name, "is not in the journal"))
        return None
    except StateError as error:
        found.findings.append(Finding("unreadable", name, error.message))
        return None
    if codec.digest(data) != digest:
        message = f"its bytes have the digest {codec.digest(data)}"
        found.findings.append(Finding("changed", name, message))
        return None
    try:
        return codec.loads(data)
    except codec.PlanError:  # another version of rflow wrote it; its digest is right
        return None


def _check_line(
    found: Verdict, journal: Journal, events: list[Stored], bodies: list[_Body]
) -> None:
    """The run's line in the list of runs, against the events."""
    try:
        summary = journal.summary(found.run)
    except (StateError, TypeError, ValueError) as error:
        found.findings.append(Finding("unreadable", "the run's line", str(error)))
        return
    if summary is None:
        message = "the run is not in the list of runs"
        found.findings.append(Finding("missing", "the run's line", message))
        return
    if summary.length > len(events):
        message = f"is not there: the run has {summary.length} events"
        for number in range(bodies[-1].number + 1 if bodies else 1, summary.length + 1):
            found.findings.append(Finding("cut", f"event {number}", message))
    elif summary.length < len(events):
        _add_line(found, "length", summary.length, len(events))
    if not bodies or bodies[0].kind != "RunCreated":
        return
    for column, value in _columns(bodies).items():
        if getattr(summary, column) != value:
            _add_line(found, column, getattr(summary, column), value)


def _columns(bodies: list[_Body]) -> dict[str, object]:
    """What the events say of the run, as far as the list of runs repeats it."""
    created = bodies[0].says
    names = ("flow", "stage", "kind", "name", "description", "by", "plan")
    columns: dict[str, object] = {name: created.get(name) for name in names}
    columns["created_at"] = bodies[0].at
    columns["concluded"] = False
    for body in bodies[1:]:
        match body.kind:
            case "RunRenamed":
                columns["name"] = body.says.get("name")
                columns["description"] = body.says.get("description")
            case "RunStarted":
                columns.setdefault("started_at", body.at)
            case "RetryRequested":
                columns["concluded"] = False
                columns.pop("status", None)
                columns.pop("ended_at", None)
            case "RunEnded":
                columns["concluded"] = True
                columns["status"] = body.says.get("status")
                columns["ended_at"] = body.at
            case _:
                pass
    return columns


def _add_line(found: Verdict, column: str, line: object, events: object) -> None:
    message = f"the list of runs says {line!r}, the events say {events!r}"
    found.findings.append(Finding("line", f"the run's {column}", message))


def _check_ledger(found: Verdict, journal: Journal, events: list[Stored]) -> None:
    """The run's lines in the ledger of effects, against the events, if these are as written."""
    if found.findings:
        return
    said = [decode(event.kind, event.body.decode()) for event in events]
    created = said[0]
    if not isinstance(created, RunCreated) or created.stage is None:
        return
    wanted: list[dict[str, object]] = []
    for move in moves(said):
        own = [line for line in wanted if line["node"] == move.node and line["state"] != "undone"]
        open_ = [line for line in own if line["state"] == "open"]
        if move.kind == "intended":
            same = [line for line in open_ if line["resource"] == move.resource]
            for line in same:
                line["after"] = move.after
            if not same:
                line = dict.fromkeys(_LEDGER, None) | {"state": "open"}
                wanted.append(line | {name: getattr(move, name) for name in _LEDGER[:4]})
        elif move.kind != "ended":
            for line in own if move.kind == "undone" else open_:
                line["state"] = move.kind
    try:
        lines = [line for line in journal.ledger(created.stage) if line.run == found.run]
    except (StateError, ValueError) as error:
        found.findings.append(Finding("unreadable", "the ledger", str(error)))
        return
    for line, change in zip_longest(wanted, lines):
        one = None if line is None else [line[name] for name in _LEDGER]
        two = None if change is None else [getattr(change, name) for name in _LEDGER]
        if one != two:
            node, resource = (two or one or ["", ""])[:2]
            message = f"the ledger says {_line(two)}, the events say {_line(one)}"
            found.findings.append(Finding("line", f"the effect of {node} on {resource}", message))


_LEDGER = ("node", "resource", "before", "after", "state")


def _line(line: list[Any] | None) -> str:
    if line is None:
        return "nothing"
    _, _, before, after, state = line
    return f"{json.dumps(before)} → {json.dumps(after)} ({state})"


def _check_artifacts(
    found: Verdict, store: ArtifactStore, bodies: list[_Body], plan: Plan | None
) -> None:
    """Artifacts of the run, and long values that the journal keeps as artifacts."""
    values: dict[str, _Body] = {}
    named: dict[str, _Body] = {}
    for body in bodies:
        for digest, is_value in _digests(body.says):
            (values if is_value else named).setdefault(digest, body)
    outputs = _artifact_outputs(bodies, plan)
    for digest, body in {**named, **values}.items():
        problem = _artifact_problem(store, digest)
        if problem is None:
            found.artifacts += 1
        elif problem == "":
            if digest in values:
                message = f"is not in the store: an output of {body.name} cannot be read"
                found.findings.append(Finding("missing", f"artifact {digest}", message))
            elif digest in outputs:
                found.missing.append(digest)
        else:
            found.findings.append(Finding("changed", f"artifact {digest}", problem))


def _artifact_problem(store: ArtifactStore, digest: str) -> str | None:
    """None if it is in the store and whole, "" if it is not there, else what is wrong."""
    try:
        with open(store.path(digest), "rb") as file:
            actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except StateError as error:
        if error.problem is NO_ARTIFACT:
            return ""
        return error.message if error.problem is not BAD_ARTIFACT else "its bytes are others"
    return None if actual == digest else f"its bytes have the digest {actual}"


def _digests(says: object) -> Iterator[tuple[str, bool]]:
    """All digests in what an event says, and whether a long value is kept under it."""
    stack = [says]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            mark = value.get(VALUE_MARK)
            if len(value) == 1 and isinstance(mark, str) and _DIGEST.fullmatch(mark):
                yield mark, True
            else:
                stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, str) and _DIGEST.fullmatch(value):
            yield value, False


def _artifact_outputs(bodies: list[_Body], plan: Plan | None) -> set[str]:
    """Digests that are artifacts for sure: outputs and arguments of that type."""
    if plan is None:
        return set()
    typed = {
        (node.id, name)
        for node in plan.nodes
        for name, type_ in (node.outputs or {}).items()
        if type_.rstrip("?") == "artifact"
    }
    found: set[str] = set()
    for body in bodies:
        values = body.says.get("outputs")
        if body.kind == "AttemptSucceeded" and isinstance(values, dict):
            node = re.sub(r"\[[^\]]*\]", "", str(body.says.get("node")))
            found |= {str(values[name]) for name in values if (node, name) in typed}
    created = bodies[0].says.get("args") if bodies else None
    if isinstance(created, dict):
        names = [arg.name for arg in plan.args if arg.type.rstrip("?") == "artifact"]
        found |= {str(created[name]) for name in names if name in created}
    return found


__all__ = ["Code", "Finding", "Verdict", "verify"]
