"""rflow's own lines in a body: `retry`, `timeout`, `lock`, `each`, `keep "why"`.

This module owns what each clause takes, and that it stands once; contracts and approvals have
modules of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from rflow.compiler.checks import clause_codes as codes
from rflow.compiler.checks import labels as rules
from rflow.compiler.checks.inputs import Inputs
from rflow.compiler.checks.sites import Site
from rflow.compiler.expr import Expr, Literal
from rflow.compiler.lower import Lowering, seconds
from rflow.compiler.scope import LATE, Demand, Loop, Member, Retry
from rflow.compiler.types import (
    ANY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    Constant,
    List,
    Optional,
    Type,
    Union,
    a_type,
)
from rflow.dsl import ast
from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import closest

ATTEMPTS_MAX = 100
CONSTANT_SITE = Site(roots=(), where="in a default", reads=None)

_WORDS: dict[type, str] = {
    ast.When: "when",
    ast.Each: "each",
    ast.Retry: "retry",
    ast.Timeout: "timeout",
    ast.Lock: "lock",
    ast.ContinueOnFailure: "continue on failure",
    ast.By: "by",
    ast.Count: "count",
    ast.Within: "within",
    ast.SelfApproval: "self",
    ast.Concurrency: "concurrency",
    ast.Protect: "protect",
    ast.RollbackPolicy: "rollback",
}


class Clauses:
    """Checks the clauses of one flow."""

    def __init__(self, lowering: Lowering, inputs: Inputs) -> None:
        self.lowering = lowering
        self.inputs = inputs
        self.report = lowering.report

    def once(self, clauses: Iterable[object], first: object) -> None:
        """Report a clause that stands a second time, after `first`."""
        same = [clause for clause in clauses if clause.__class__ is first.__class__]
        word = _WORDS[first.__class__]
        start = same[0].span  # type: ignore[attr-defined]
        for clause in same[1:]:
            self.report.error(
                codes.TWICE,
                clause.span,  # type: ignore[attr-defined]
                f"`{word}` stands here twice",
                labels=(self.report.label(start, "first here"),),
                help="keep one of them",
            )

    # -- retry and timeout -----------------------------------------------------------------------

    def retry(self, node: ast.Retry) -> Retry | None:
        """How often and by which policy, None after a mistake."""
        if not 1 <= node.attempts <= ATTEMPTS_MAX:
            self.report.error(
                codes.ATTEMPTS,
                node.span,
                f"a node is tried 1 to {ATTEMPTS_MAX} times, not {node.attempts}",
                help="the first attempt counts: `retry 3` is one attempt and two more; "
                "`retry none` is one alone",
            )
            return None
        name = node.policy.text
        spec = self.lowering.specs.policies.get(name)
        if spec is None:
            meant = closest(name, list(self.lowering.specs.policies))
            self.report.error(
                codes.UNKNOWN_POLICY,
                node.policy.span,
                f"there is no retry policy `{name}`",
                help=None if meant else "`rflow plugins` lists those that are installed",
                suggestion=meant,
            )
            return None
        size = len(self.report.found)
        references = self.lowering.references
        references.site = CONSTANT_SITE
        given = self.inputs.give(
            node.inputs, spec.inputs, f"the policy `{name}`", node.policy.span, node.span, {}
        )
        if len(self.report.found) > size:
            return None
        if name == "none" and node.attempts > 1:
            self.report.error(
                codes.ATTEMPTS,
                node.span,
                "the policy `none` allows one attempt",
                help="write `retry none`, or another policy",
            )
            return None
        retry = Retry(node.attempts, name, span=node.span)
        for item in node.inputs:
            expr = given[item.name.text]
            if not isinstance(expr, Literal):
                self.constant(item.value.span, "the input of a policy")
                return None
            retry.inputs[item.name.text] = expr.value
        return retry if self._delays(node, retry) else None

    def _delays(self, node: ast.Retry, retry: Retry) -> bool:
        for item in node.inputs:
            value = retry.inputs[item.name.text]
            if isinstance(item.value, ast.Duration) and not self.duration(item.value):
                return False
            if item.name.text == "min" and isinstance(value, int | float):
                largest = retry.inputs.get("max")
                if isinstance(largest, int | float) and largest < value:
                    self.report.error(
                        codes.NOT_POSITIVE,
                        item.value.span,
                        "the first delay is longer than the longest",
                        help="write the shorter one first: `backoff 1s..30s`",
                    )
                    return False
        return True

    def duration(self, node: ast.Duration) -> bool:
        """Whether a duration is longer than nothing; reports it if not."""
        if node.ms > 0:
            return True
        self.report.error(codes.NOT_POSITIVE, node.span, f"`{node.text or '0s'}` is no time at all")
        return False

    def timeout(self, node: ast.Timeout) -> float | None:
        """Seconds, None after a mistake."""
        return seconds(node.after) if self.duration(node.after) else None

    # -- texts -----------------------------------------------------------------------------------

    def text(self, node: ast.Str, place: str) -> str | None:
        """A string that must be plain: without references, and not empty."""
        for part in node.parts:
            if not isinstance(part, str):
                self.constant(part.span, place)
                return None
        text = "".join(str(part) for part in node.parts)
        if not text.strip():
            self.report.error(codes.CONSTANT, node.span, f"{place} is empty")
            return None
        return text

    def constant(self, span: Span, place: str) -> None:
        """Report a value that depends on the run where a plain one is needed."""
        self.report.error(
            codes.CONSTANT,
            span,
            f"{place} is fixed when the flow is compiled: it cannot be computed",
            help="write the value itself",
        )

    def lock(self, node: ast.Lock) -> Expr | None:
        """The name of a lock."""
        expr, type_, labels = self.lowering.lower(node.name)
        if type_ is None:
            return None
        rules.no_secret(self.lowering.flow, labels, node.name.span, "the name of a lock")
        return expr

    # -- each ------------------------------------------------------------------------------------

    def each(self, loop: Loop, owner: Member) -> None:
        """Type and lower what a loop ranges over."""
        node = loop.tree
        self._loop_name(loop, owner)
        if node.at_most is not None and node.at_most < 1:
            self.report.error(
                codes.AT_MOST,
                node.span,
                f"`at most {node.at_most}` lets nothing run",
                help="`at most 1` runs one turn after the other",
            )
        size = len(self.report.found)
        expr, type_, labels = self.lowering.lower(node.over)
        if type_ is None:
            return
        if isinstance(type_, Optional):
            self.lowering.misfits.missing(node.over.span, type_)
            return
        if type_ != ANY and not (isinstance(type_, List) and _scalar(type_.item)):
            self.report.error(
                codes.NOT_A_LIST,
                node.over.span,
                f"`each` ranges over a list of strings, numbers or bools, but this is "
                f"{a_type(type_)}",
            )
            return
        self._early(loop, labels)
        rules.no_secret(self.lowering.flow, labels, node.over.span, "the name of an instance")
        self._different(node.over)
        if len(self.report.found) == size:
            loop.over = expr
        loop.type = type_.item if isinstance(type_, List) else ANY
        loop.labels = labels
        loop.filled = isinstance(node.over, ast.ListExpr) and bool(node.over.items)

    def _loop_name(self, loop: Loop, owner: Member) -> None:
        for outer in owner.loops:
            if outer is not loop and outer.tree.name.text == loop.tree.name.text:
                self.report.error(
                    codes.LOOP_TWICE,
                    loop.tree.name.span,
                    f"a loop around this has the variable `{loop.tree.name.text}` already",
                    labels=(self.report.label(outer.tree.name.span, "the outer one"),),
                    help="give one of them another name",
                )

    def _early(self, loop: Loop, labels: int) -> None:
        span = loop.tree.over.span
        flow = self.lowering.flow
        if labels & LATE:
            self.report.error(
                codes.TOO_LATE,
                span,
                "what `each` ranges over must be known when the run starts",
                text="this is known only while the run goes on",
                help="what will run can then be read before it runs; take the list from an "
                "argument, or let one node go through the list itself",
            )
            return
        late = rules.late_args(labels, len(flow.args))
        if late:
            text = "what `each` ranges over must be known when the run starts"
            flow.demands.append(Demand(late, "early", flow.file, span, text))

    def _different(self, over: ast.Expr) -> None:
        if not isinstance(over, ast.ListExpr):
            return
        seen: dict[str, Span] = {}
        for item in over.items:
            if isinstance(item, ast.Str):
                if not all(isinstance(part, str) for part in item.parts):
                    continue
                text = "".join(str(part) for part in item.parts)
            elif isinstance(item, ast.Int | ast.Float | ast.Bool):
                text = str(item.value).lower()
            else:
                continue
            if text in seen:
                self.report.error(
                    codes.SAME_ELEMENT,
                    item.span,
                    f"`{text}` stands in the list twice",
                    labels=(self.report.label(seen[text], "first here"),),
                    help="instances are called by their elements, so these must differ",
                )
            seen.setdefault(text, item.span)


def _scalar(type_: Type) -> bool:
    if isinstance(type_, Union):
        return all(_scalar(member) for member in type_.members)
    return isinstance(type_, Constant) or type_ in (STRING, INT, FLOAT, BOOL, DURATION, ANY)
