"""The plan and the artifacts that a run's events name by digest, held against their digests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from rflow.compiler import codec
from rflow.compiler.plan import Plan
from rflow.runner.artifacts import VALUE_MARK, ArtifactStore
from rflow.runner.journal import Journal
from rflow.runner.problems import BAD_ARTIFACT, NO_ARTIFACT, StateError
from rflow.runner.verdict import Body, Finding, Verdict

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def check_plan(found: Verdict, journal: Journal, bodies: list[Body]) -> Plan | None:
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


def check_artifacts(
    found: Verdict, store: ArtifactStore, bodies: list[Body], plan: Plan | None
) -> None:
    """Artifacts of the run, and long values that the journal keeps as artifacts."""
    values: dict[str, Body] = {}
    named: dict[str, Body] = {}
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


def _artifact_outputs(bodies: list[Body], plan: Plan | None) -> set[str]:
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
