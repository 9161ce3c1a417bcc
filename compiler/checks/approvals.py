"""Approvals: who must agree, how many of them, and by when."""

from __future__ import annotations

from rflow.compiler.checks.clauses import Clauses
from rflow.compiler.checks.declarations import check_count, who
from rflow.compiler.lower import seconds
from rflow.compiler.scope import Approval, Member, Program
from rflow.dsl import ast


def check_approval(member: Member, program: Program, clauses: Clauses) -> None:
    """Read the clauses of an approval, but for its `when`."""
    node = member.tree
    assert isinstance(node, ast.Approve)
    report = clauses.report
    approval = Approval((), ())
    seen: set[type] = set()
    count: ast.Count | None = None
    for clause in node.clauses:
        if clause.__class__ in seen:
            continue
        seen.add(clause.__class__)
        match clause:
            case ast.By():
                approval.by, approval.people = who(clause, program, report)
            case ast.Count():
                count = clause
                approval.count = clause.value
            case ast.Within():
                if clauses.duration(clause.limit):
                    approval.within_s = seconds(clause.limit)
                approval.otherwise = clause.otherwise
            case ast.SelfApproval():
                approval.self_ok = True
            case ast.When() | ast.ContinueOnFailure():
                pass
    if len(seen) < len(node.clauses):
        for cls in sorted(seen, key=lambda c: c.__name__):
            clauses.once(node.clauses, next(c for c in node.clauses if c.__class__ is cls))
    if count is not None:
        check_count(count.value, approval.people, True, report, count.span)
    member.approval = approval
