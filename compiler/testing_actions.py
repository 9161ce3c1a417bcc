"""What happens in a test: what nodes put out, which attempts fail, who answers, who cancels.

This module owns what of that can happen at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from rflow.compiler import testing
from rflow.compiler.checks.report import Report, listed
from rflow.compiler.lower import seconds
from rflow.compiler.scope import Flow, Member
from rflow.compiler.testing_codes import NO_DECISION, NO_FAULT
from rflow.compiler.testing_targets import Found, find
from rflow.compiler.testing_triggers import trigger_name
from rflow.compiler.testing_values import Values
from rflow.dsl import ast


class Actions:
    """Checks what happens in one test."""

    def __init__(self, flow: Flow, tree: ast.Test, report: Report, values: Values) -> None:
        self.flow, self.tree, self.report, self.values = flow, tree, report, values
        self.seen: dict[str, ast.Span] = {}

    def _find(self, target: ast.Target) -> Found | None:
        return find(self.flow, target, self.report)

    def _one(self, target: ast.Target, word: str) -> tuple[Found, Member, Flow] | None:
        """The node that is meant, where it must be one node and no gate."""
        found = self._find(target)
        if found is None:
            return None
        if found.member.kind != "node":
            first = next(iter(found.members), None)
            help = f"name a node of it, such as `{first}`" if first else None
            if found.member.kind == "approve":
                help = f"answer it: `answer {found.aim.text} reject by …`"
            self.report.error(
                NO_FAULT, target.span, f"{found.member.word} is no node and {word}", help=help
            )
            return None
        (member, around), *_ = found.members.values()
        return found, member, around

    def mocks(self) -> Iterator[testing.Mock]:
        for clause in self.tree.clauses:
            if not isinstance(clause, ast.Given) or trigger_name(clause.target) is not None:
                continue
            one = self._one(clause.target, "puts out nothing by itself")
            if one is None:
                continue
            found, member, _ = one
            first = self.seen.setdefault(found.aim.text, clause.target.span)
            if first is not clause.target.span:
                self.values.twice(f"`{found.aim.text}` is given twice", clause.target.span, first)
            types = {name: value.type for name, value in (member.outputs or {}).items()}
            values = self.values.read(
                clause.values, types, f"{member.word} has no output", "output"
            )
            takes = seconds(clause.takes) if clause.takes is not None else None
            yield testing.Mock(found.aim, values, takes)

    def faults(self) -> Iterator[testing.Fault]:
        from rflow.compiler.planner import retry_of

        for clause in self.tree.clauses:
            if not isinstance(clause, ast.Fail):
                continue
            one = self._one(clause.target, "does not fail by itself")
            if one is None:
                continue
            found, member, around = one
            assert member.contract is not None or member.spec is None
            contract = member.contract.type if member.contract is not None else "pure"
            span, last = clause.span, clause.last
            attempts = 3
            if not clause.undo and member.spec is not None:
                repeatable = member.spec.repeatable or contract == "pure"
                attempts = retry_of(member, member.spec, around, repeatable).attempts
            word = "the undo of " if clause.undo else ""
            if clause.undo and contract not in ("self", "undo"):
                message = f"{member.word} has nothing that undoes it"
                self.report.error(NO_FAULT, span, message, help="it says so: see its contract")
            elif clause.halfway and member.effect is None:
                message = f"{member.word} has no effect to be left by halves"
                self.report.error(NO_FAULT, span, message, help="leave `halfway` out")
            elif clause.first < 1 or (last is not None and last < clause.first):
                message = "attempts count from 1, and the first of them comes first"
                self.report.error(NO_FAULT, span, message)
            elif clause.first > attempts or (last is not None and last > attempts):
                most = "1 attempt" if attempts == 1 else f"{attempts} attempts"
                self.report.error(
                    NO_FAULT,
                    span,
                    f"{word}{member.word} has {most} at most",
                    help="`fail … always` fails each; `retry` in the flow says how many there are",
                )
            message = self.values.person(clause.message) if clause.message is not None else ""
            yield testing.Fault(
                found.aim,
                clause.first,
                last,
                clause.undo,
                clause.halfway,
                message or testing.FAULT,
            )

    # -- people --------------------------------------------------------------------------------

    def answers(self, starter: str) -> Iterator[testing.Answered]:
        for clause in self.tree.clauses:
            if not isinstance(clause, ast.Answer):
                continue
            found = self._find(clause.target)
            if found is None:
                continue
            approval = found.member.approval
            if approval is None:
                self.report.error(
                    NO_DECISION,
                    clause.target.span,
                    f"{found.member.word} asks nobody",
                    help="`answer` names an `approve` of the flow",
                )
                continue
            people: list[str] = []
            for node in clause.by:
                who = self.values.person(node)
                self._may_decide(node, who, found.member, starter, who in people)
                people.append(who)
            after = seconds(clause.after) if clause.after is not None else 0.0
            yield testing.Answered(found.aim, clause.decision, tuple(people), after)

    def _may_decide(self, node: ast.Str, who: str, gate: Member, starter: str, again: bool) -> None:
        approval = gate.approval
        assert approval is not None
        if again:
            message, help = f"`{who}` decides twice; it counts once", "name another person"
        elif approval.people and who not in approval.people:
            message = f"`{who}` may not decide on {gate.word}"
            help = f"those who may are {listed(approval.people)}"
        elif who == starter and not approval.self_ok:
            message = f"`{who}` started the run and may not decide on it"
            help = "let somebody else start it, or say `self` in the gate"
        else:
            return
        if who:
            self.report.error(NO_DECISION, node.span, message, help=help)

    def cancels(self) -> Iterator[testing.Cancelled]:
        for clause in self.tree.clauses:
            if not isinstance(clause, ast.Cancel):
                continue
            if clause.at is None:
                after = seconds(clause.after) if clause.after is not None else 0.0
                yield testing.Cancelled(after, None, clause.rollback)
                continue
            found = self._find(clause.at)
            if found is not None:
                yield testing.Cancelled(None, found.aim, clause.rollback)
