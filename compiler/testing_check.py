"""Checks the `test` blocks of a program, and lowers them to `testing.Test`.

This module owns what each clause may say; what it names is looked up by `testing_targets`, what
can never hold is `testing_expectations`' to say. Flows must have been checked before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from rflow.compiler import testing
from rflow.compiler.calendar import zone_problem
from rflow.compiler.checks.declarations import plain
from rflow.compiler.checks.report import Report, listed
from rflow.compiler.checks.sites import Site
from rflow.compiler.expr import Expr
from rflow.compiler.lower import Lowering, seconds
from rflow.compiler.plan import Place
from rflow.compiler.scope import File, Flow, Member, Program, Trigger
from rflow.compiler.testing_codes import (
    INCOMPLETE,
    NO_DECISION,
    NO_FAULT,
    NO_FLOW,
    NO_SUCH,
    NO_TIME,
    NO_VALUE,
    TOLD_TWICE,
)
from rflow.compiler.testing_expectations import Expectations, written
from rflow.compiler.testing_targets import Found, find
from rflow.compiler.types import Optional, Type
from rflow.dsl import ast
from rflow.plugins.types import Specs

SITE = Site(roots=(), where="in a test", reads=None)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(?:\s+(\S+))?")


def check_tests(
    program: Program, tests: list[tuple[File, ast.Test]], specs: Specs
) -> list[testing.Test]:
    """The tests without mistakes; the mistakes of the others are reported."""
    found: list[testing.Test] = []
    names: dict[tuple[int, str], ast.Str] = {}
    for file, tree in tests:
        name = plain(tree.name) or ""
        first = names.setdefault((file.index, name), tree.name)
        if first is not tree.name:
            label = file.report.label(first.span, "the first")
            file.report.error(
                TOLD_TWICE,
                tree.name.span,
                "two tests have the same name",
                labels=(label,),
                help="give one of them another name",
            )
        test = TestCheck(program, file, tree, specs).check()
        if test is not None:
            found.append(test)
    return found


class TestCheck:
    """Checks one test."""

    __test__ = False

    def __init__(self, program: Program, file: File, tree: ast.Test, specs: Specs) -> None:
        self.program, self.file, self.tree, self.specs = program, file, tree, specs
        self.report: Report = file.report
        self.before = len(self.report.found)
        # The values of a test read nothing of the flow: they have a scope of their own.
        self.lowering = Lowering(Flow(ast.Flow(ast.Name("test")), file), specs)
        self.lowering.references.site = SITE
        self.seen: dict[str, ast.Span] = {}

    def check(self) -> testing.Test | None:
        """The test; None after a mistake."""
        tree, report = self.tree, self.report
        if report.damaged(tree.span):
            return None
        run = self._run()
        if run is None:
            return None
        flow = self.program.flows.get(run.flow.text)
        if flow is None:
            report.unknown(
                NO_FLOW,
                run.flow.span,
                run.flow.text,
                f"there is no flow `{run.flow.text}`",
                list(self.program.flows),
                help=f"there are {listed(list(self.program.flows))}",
                imported=True,
            )
            return None
        by = self._text(run.by) if run.by is not None else testing.STARTER
        args = self._args(flow, run)
        triggers = self._triggers(flow)
        self._missing(flow, run, args, triggers)
        expectations = Expectations(flow, tree, report, self.lowering)
        test = testing.Test(
            plain(tree.name) or "",
            Place(self.file.index, *tree.name.span),
            flow.name,
            by,
            self._moment(run.at),
            args,
            triggers,
            tuple(self._mocks(flow)),
            tuple(self._answers(flow, by)),
            tuple(self._faults(flow)),
            tuple(self._cancels(flow)),
            tuple(expectations.all()),
        )
        return test if len(report.found) == self.before else None

    # -- the run -------------------------------------------------------------------------------

    def _run(self) -> ast.TestRun | None:
        runs = [clause for clause in self.tree.clauses if isinstance(clause, ast.TestRun)]
        if len(runs) > 1:
            self._twice("a test starts one run", runs[1].span, runs[0].span)
        if not runs:
            self.report.error(
                INCOMPLETE,
                self.tree.name.span,
                "this test starts no run",
                help="write `run FLOW { … }` with the arguments of the flow",
            )
            return None
        if not any(isinstance(clause, ast.Expectation) for clause in self.tree.clauses):
            self.report.error(
                INCOMPLETE,
                self.tree.name.span,
                "this test expects nothing",
                help="write `expect run success`, or what else is to be so",
            )
        return runs[0]

    def _twice(self, message: str, span: ast.Span, first: ast.Span) -> None:
        label = self.report.label(first, "the first")
        self.report.error(TOLD_TWICE, span, message, labels=(label,), help="keep one of them")

    def _text(self, node: ast.Str) -> str:
        text = plain(node)
        if text is None:
            self.report.error(NO_DECISION, node.span, "a person is a plain string, and not empty")
        return text or ""

    def _moment(self, node: ast.Str | None) -> str:
        if node is None:
            return testing.AT
        text = (plain(node) or "").strip()
        form = _MOMENT.fullmatch(text)
        problem = None if form else f"`{text}` is no date and time"
        if form is not None:
            problem = zone_problem(form[3]) if form[3] else None
            try:
                datetime.fromisoformat(f"{form[1]} {form[2]}")
            except ValueError:
                problem = f"there is no time `{form[1]} {form[2]}`"
        if problem is not None:
            help = 'write it as `at "2030-03-15 17:30 Europe/Berlin"`; without a zone it is UTC'
            self.report.error(NO_TIME, node.span, problem, help=help)
        return text

    def _args(self, flow: Flow, run: ast.TestRun) -> dict[str, Expr]:
        types = {name: arg.type for name, arg in flow.args.items()}
        return self._values(run.args, types, f"the flow `{flow.name}` has no argument", "argument")

    def _values(
        self, given: tuple[ast.Input, ...], types: dict[str, Type | None], none: str, what: str
    ) -> dict[str, Expr]:
        """The values that stand in a block, by name, each of the type of its name."""
        found: dict[str, Expr] = {}
        seen: dict[str, ast.Span] = {}
        for item in given:
            name = item.name.text
            if name not in types:
                self.report.unknown(
                    NO_SUCH,
                    item.name.span,
                    name,
                    f"{none} `{name}`",
                    list(types),
                    help=f"there are {listed(list(types))}" if types else "it has none",
                )
                continue
            if name in seen:
                self._twice(f"`{name}` is given twice", item.name.span, seen[name])
                continue
            seen[name] = item.name.span
            type_ = types[name]
            if type_ is None:
                continue
            lowered = self.lowering.value(item.value, written(type_), f"the {what} `{name}`")
            if lowered is not None:
                found[name] = lowered[0]
        return found

    # -- triggers ------------------------------------------------------------------------------

    def _triggers(self, flow: Flow) -> dict[str, dict[str, Expr]]:
        found: dict[str, dict[str, Expr]] = {}
        for clause in self._givens():
            name = _trigger_name(clause.target)
            if name is None:
                continue
            trigger = flow.triggers.get(name)
            if trigger is None or name in found or clause.takes is not None:
                self._no_trigger(flow, clause, name, known=trigger is not None)
                continue
            fields = trigger.fields or {}
            types = {field: value.type for field, value in fields.items()}
            found[name] = self._values(
                clause.values, types, f"the trigger `{name}` brings no", "value"
            )
        return found

    def _no_trigger(self, flow: Flow, clause: ast.Given, name: str, *, known: bool) -> None:
        span = clause.target.span
        if not known:
            self.report.unknown(
                NO_SUCH,
                span,
                name,
                f"the flow `{flow.name}` has no trigger `{name}`",
                list(flow.triggers),
                help=f"it has {listed(list(flow.triggers))}" if flow.triggers else "it has none",
            )
        elif clause.takes is not None:
            self.report.error(NO_FAULT, span, "a trigger takes no time", help="leave `takes` out")
        else:
            self._twice(f"`refs.{name}` is given twice", span, span)

    def _givens(self) -> Iterator[ast.Given]:
        return (clause for clause in self.tree.clauses if isinstance(clause, ast.Given))

    def _missing(
        self,
        flow: Flow,
        run: ast.TestRun,
        args: dict[str, Expr],
        triggers: dict[str, dict[str, Expr]],
    ) -> None:
        """Report arguments and fields of triggers that the run needs and nobody gives."""
        said = {item.name.text for item in run.args}
        for name, arg in flow.args.items():
            needed = arg.tree.default is None and not isinstance(arg.type, Optional)
            if needed and name not in said:
                self.report.error(
                    NO_VALUE,
                    run.flow.span,
                    f"the flow `{flow.name}` needs the argument `{name}`",
                    help=f"write `run {flow.name} {{ {name} = … }}`",
                )
        given = {_trigger_name(clause.target) for clause in self._givens()}
        for name, field in read_of_triggers(flow):
            trigger = flow.triggers.get(name)
            if trigger is None or field in triggers.get(name, {}):
                continue
            if not _derived(trigger, field) and (name not in given or name in triggers):
                label = self.report.label(self.tree.name.span, "")
                self.report.error(
                    NO_VALUE,
                    run.flow.span,
                    f"the flow `{flow.name}` reads `refs.{name}.{field}`, and this test gives no"
                    " value for it",
                    labels=(label,) if label.text else (),
                    help=f"write `given refs.{name} {{ {field} = … }}`",
                )

    # -- nodes ---------------------------------------------------------------------------------

    def _find(self, flow: Flow, target: ast.Target) -> Found | None:
        return find(flow, target, self.report)

    def _one(self, flow: Flow, target: ast.Target, word: str) -> tuple[Found, Member, Flow] | None:
        """The node that is meant, where it must be one node and no gate."""
        found = self._find(flow, target)
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

    def _mocks(self, flow: Flow) -> Iterator[testing.Mock]:
        for clause in self._givens():
            if _trigger_name(clause.target) is not None:
                continue
            one = self._one(flow, clause.target, "puts out nothing by itself")
            if one is None:
                continue
            found, member, _ = one
            first = self.seen.setdefault(found.aim.text, clause.target.span)
            if first is not clause.target.span:
                self._twice(f"`{found.aim.text}` is given twice", clause.target.span, first)
            types = {name: value.type for name, value in (member.outputs or {}).items()}
            values = self._values(clause.values, types, f"{member.word} has no output", "output")
            takes = seconds(clause.takes) if clause.takes is not None else None
            yield testing.Mock(found.aim, values, takes)

    def _faults(self, flow: Flow) -> Iterator[testing.Fault]:
        from rflow.compiler.planner import retry_of

        for clause in self.tree.clauses:
            if not isinstance(clause, ast.Fail):
                continue
            one = self._one(flow, clause.target, "does not fail by itself")
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
            message = self._text(clause.message) if clause.message is not None else ""
            yield testing.Fault(
                found.aim,
                clause.first,
                last,
                clause.undo,
                clause.halfway,
                message or testing.FAULT,
            )

    # -- people --------------------------------------------------------------------------------

    def _answers(self, flow: Flow, starter: str) -> Iterator[testing.Answered]:
        for clause in self.tree.clauses:
            if not isinstance(clause, ast.Answer):
                continue
            found = self._find(flow, clause.target)
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
                who = self._text(node)
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

    def _cancels(self, flow: Flow) -> Iterator[testing.Cancelled]:
        for clause in self.tree.clauses:
            if not isinstance(clause, ast.Cancel):
                continue
            if clause.at is None:
                after = seconds(clause.after) if clause.after is not None else 0.0
                yield testing.Cancelled(after, None, clause.rollback)
                continue
            found = self._find(flow, clause.at)
            if found is not None:
                yield testing.Cancelled(None, found.aim, clause.rollback)


def _trigger_name(target: ast.Target) -> str | None:
    """`main` for `refs.main`."""
    first, _, rest = target.steps[0].name.text.partition(".")
    return rest if first == "refs" else None


def read_of_triggers(flow: Flow) -> list[tuple[str, str]]:
    """The fields of triggers that a flow reads, each once, in the order of the text."""
    found: dict[tuple[str, str], None] = {}
    for node in ast.walk(flow.tree):
        if isinstance(node, ast.Path) and node.parts[0] == "refs" and len(node.parts) > 2:
            name = str(node.parts[1])
            if name == "trigger" and name not in flow.members and flow.git_trigger is not None:
                name = flow.git_trigger
            if name in flow.triggers and name not in flow.members:
                found[name, str(node.parts[2])] = None
    return list(found)


def _derived(trigger: Trigger, field: str) -> bool:
    """Whether the field has a value without being given: it may be missing, or follows."""
    fields = trigger.fields
    if fields is None or field not in fields or isinstance(fields[field].type, Optional):
        return True
    if trigger.tree.kind.text == "cron":
        return True
    if trigger.tree.kind.text != "git":
        return False
    if field == "repo_url":
        return True
    if field != "branch":
        return False
    branches = [item.value for item in trigger.tree.inputs if item.name.text == "branches"]
    items = branches[0].items if branches and isinstance(branches[0], ast.ListExpr) else ()
    names = (plain(item) for item in items)
    return any(name and not set(name) & set("*?[!") for name in names)
