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
from rflow.compiler.lower import Lowering
from rflow.compiler.plan import Place
from rflow.compiler.scope import File, Flow, Program
from rflow.compiler.testing_actions import Actions
from rflow.compiler.testing_codes import (
    INCOMPLETE,
    NO_FAULT,
    NO_FLOW,
    NO_SUCH,
    NO_TIME,
    NO_VALUE,
    TOLD_TWICE,
)
from rflow.compiler.testing_expectations import Expectations
from rflow.compiler.testing_triggers import derived, read_of_triggers, trigger_name
from rflow.compiler.testing_values import Values
from rflow.compiler.types import Optional
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
        self.values = Values(self.lowering)

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
        by = self.values.person(run.by) if run.by is not None else testing.STARTER
        args = self._args(flow, run)
        triggers = self._triggers(flow)
        self._missing(flow, run)
        actions = Actions(flow, tree, report, self.values)
        expectations = Expectations(flow, tree, report, self.lowering)
        test = testing.Test(
            plain(tree.name) or "",
            Place(self.file.index, *tree.name.span),
            flow.name,
            by,
            self._moment(run.at),
            args,
            triggers,
            tuple(actions.mocks()),
            tuple(actions.answers(by)),
            tuple(actions.faults()),
            tuple(actions.cancels()),
            tuple(expectations.all()),
        )
        return test if len(report.found) == self.before else None

    # -- the run -------------------------------------------------------------------------------

    def _run(self) -> ast.TestRun | None:
        runs = [clause for clause in self.tree.clauses if isinstance(clause, ast.TestRun)]
        if len(runs) > 1:
            self.values.twice("a test starts one run", runs[1].span, runs[0].span)
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
        return self.values.read(
            run.args, types, f"the flow `{flow.name}` has no argument", "argument"
        )

    # -- triggers ------------------------------------------------------------------------------

    def _triggers(self, flow: Flow) -> dict[str, dict[str, Expr]]:
        found: dict[str, dict[str, Expr]] = {}
        for clause in self._givens():
            name = trigger_name(clause.target)
            if name is None:
                continue
            trigger = flow.triggers.get(name)
            if trigger is None or name in found or clause.takes is not None:
                self._no_trigger(flow, clause, name, known=trigger is not None)
                continue
            fields = trigger.fields or {}
            types = {field: value.type for field, value in fields.items()}
            found[name] = self.values.read(
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
            self.values.twice(f"`refs.{name}` is given twice", span, span)

    def _givens(self) -> Iterator[ast.Given]:
        return (clause for clause in self.tree.clauses if isinstance(clause, ast.Given))

    def _missing(self, flow: Flow, run: ast.TestRun) -> None:
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
        given: dict[str | None, set[str]] = {}
        for clause in self._givens():
            names = given.setdefault(trigger_name(clause.target), set())
            names.update(item.name.text for item in clause.values)
        for name, field in read_of_triggers(flow):
            trigger = flow.triggers.get(name)
            if trigger is None or field in given.get(name, ()):
                continue
            if not derived(trigger, field):
                self.report.error(
                    NO_VALUE,
                    run.flow.span,
                    f"the flow `{flow.name}` reads `refs.{name}.{field}`, and this test gives no"
                    " value for it",
                    help=f"write `given refs.{name} {{ {field} = … }}`",
                )
