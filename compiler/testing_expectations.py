"""The expectations of a test: what they name, and whether they can hold at all.

This module owns what the flow rules out. Whether an expectation does hold, only a run can say.
"""

from __future__ import annotations

from collections.abc import Iterator

from rflow.compiler import testing
from rflow.compiler.checks.report import Report, listed
from rflow.compiler.lower import Lowering, seconds
from rflow.compiler.scope import Flow
from rflow.compiler.testing_codes import NEVER, NO_SUCH
from rflow.compiler.testing_targets import Found, find
from rflow.compiler.types import (
    ARTIFACT,
    BOOL,
    STRING,
    List,
    Map,
    Optional,
    Type,
    TypeMismatch,
    apply_operator,
    present,
)
from rflow.dsl import ast

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class Expectations:
    """Checks the expectations of one test."""

    def __init__(self, flow: Flow, tree: ast.Test, report: Report, lowering: Lowering) -> None:
        self.flow, self.tree, self.report, self.lowering = flow, tree, report, lowering
        self.run: ast.ExpectRun | None = None

    def all(self) -> Iterator[testing.Expected]:
        """The expectations; what can never hold is reported."""
        for clause in self.tree.clauses:
            match clause:
                case ast.ExpectRun():
                    if self.run is not None and self.run.status != clause.status:
                        message = f"the run cannot be both {self.run.status} and {clause.status}"
                        self._never(clause.span, message, "keep one of them")
                    self.run = self.run or clause
                    yield testing.RunIs(clause.status, clause.span)
                case ast.ExpectWithin():
                    yield testing.RunWithin(seconds(clause.limit), clause.span)
                case ast.ExpectOutput():
                    yield from self._output(clause)
                case ast.ExpectStatus() | ast.ExpectAttempts() | ast.ExpectEffect():
                    found = find(self.flow, clause.target, self.report)
                    if found is not None:
                        yield self._about(clause, found)
                case ast.ExpectBefore():
                    first = find(self.flow, clause.first, self.report)
                    then = find(self.flow, clause.then, self.report)
                    if first is not None and then is not None:
                        yield self._before(clause, first, then)
                case _:
                    pass

    def _never(self, span: ast.Span, message: str, help: str | None = None) -> None:
        self.report.error(NEVER, span, message, help=help)

    def _about(
        self, clause: ast.ExpectStatus | ast.ExpectAttempts | ast.ExpectEffect, found: Found
    ) -> testing.Expected:
        match clause:
            case ast.ExpectStatus():
                self._status(clause, found)
                return testing.NodeIs(found.aim, clause.status, clause.span)
            case ast.ExpectAttempts():
                if all(member.kind == "approve" for member, _ in found.members.values()):
                    self._never(clause.span, f"{found.member.word} has no attempts")
                return testing.Attempts(found.aim, clause.count, clause.span)
            case ast.ExpectEffect():
                self._effect(clause, found)
                return testing.Changed(clause.which, found.aim, clause.span)

    def _status(self, clause: ast.ExpectStatus, found: Found) -> None:
        if clause.status != "skipped" or any(
            flow is not self.flow for _, flow in found.members.values()
        ):
            return
        if not any(member.conditions or member.loops for member, _ in found.members.values()):
            help = "without a `when` it runs, or is cancelled, or is not started"
            self._never(clause.span, f"{found.member.word} has no `when`: nothing skips it", help)

    def _effect(self, clause: ast.ExpectEffect, found: Found) -> None:
        able = [member for member, _ in found.members.values() if member.effect is not None]
        word = found.member.word
        if not able:
            self._never(clause.span, f"{word} has no effect", "what it does changes nothing")
            return
        if clause.which != "undone":
            return
        types = {member.contract.type for member in able if member.contract is not None}
        if not types & {"self", "undo"}:
            way = "is kept" if "keep" in types else "cannot be undone"
            self._never(clause.span, f"the effect of {word} {way}: its contract says so")
        elif not self._undoes():
            help = "write `on failure rollback` in the flow"
            self._never(clause.span, f"nothing in `{self.flow.name}` undoes what a run did", help)

    def _undoes(self) -> bool:
        """Whether a run of the flow can come to undoing."""
        if self.flow.rollback_on_failure:
            return True
        flows, stack = {id(self.flow)}, [self.flow]
        while stack:
            for member in stack.pop().all:
                if member.approval is not None and member.approval.otherwise == "rollback":
                    return True
                if member.used is not None and id(member.used) not in flows:
                    flows.add(id(member.used))
                    stack.append(member.used)
        return any(isinstance(c, ast.Cancel) and c.rollback for c in self.tree.clauses)

    def _before(self, clause: ast.ExpectBefore, first: Found, then: Found) -> testing.Expected:
        if set(first.members) & set(then.members) and first.aim.text == then.aim.text:
            self._never(clause.span, f"{first.member.word} does not come before itself")
        return testing.Before(first.aim, then.aim, clause.span)

    def _output(self, clause: ast.ExpectOutput) -> Iterator[testing.Expected]:
        name = clause.name.text
        output = self.flow.outputs.get(name)
        if output is None:
            known = list(self.flow.outputs)
            self.report.unknown(
                NO_SUCH,
                clause.name.span,
                name,
                f"the flow `{self.flow.name}` has no output `{name}`",
                known,
                help=f"it has {listed(known)}" if known else "it has none",
            )
            return
        failing = [c for c in self.tree.clauses if isinstance(c, ast.ExpectRun)]
        if any(c.status != "success" for c in failing):
            self._never(clause.span, "only a run that ends well has outputs")
        if clause.op not in COMPARISONS:
            message = f"`{clause.op}` compares nothing"
            self._never(clause.span, message, f"compare with {listed(COMPARISONS)}")
            return
        expr, type_, _ = self.lowering.lower(clause.value)
        if type_ is None:
            return
        if output.type is not None:
            try:
                own = written(output.type)
                if clause.op not in ("==", "!="):  # where it is missing, that is not met
                    own = present(own)
                fits = apply_operator(clause.op, (own, type_)) == BOOL
            except TypeMismatch as wrong:
                self._never(clause.span, f"the output `{name}`: {wrong}", None)
                return
            if not fits:
                self._never(clause.span, f"the output `{name}` cannot be compared with this")
                return
        yield testing.OutputIs(name, clause.op, expr, clause.span)


def written(type_: Type) -> Type:
    """The type that a value in a test is to have: an artifact may have any name there."""
    match type_:
        case Optional(item):
            return Optional(written(item))
        case List(item):
            return List(written(item))
        case Map(item):
            return Map(written(item))
        case _:
            return STRING if type_ == ARTIFACT else type_
