"""`use`: which flow is meant, whether it may stand here, and what it is given.

This module owns what a flow demands of those who use it: arguments, their labels, its stage. The
graph of a used flow is inlined by `inline`.
"""

from __future__ import annotations

from rflow.compiler.checks import labels as rules
from rflow.compiler.checks import use_codes as codes
from rflow.compiler.checks.clause_codes import TOO_LATE
from rflow.compiler.checks.inputs import MISSING_INPUT, Inputs
from rflow.compiler.checks.report import listed
from rflow.compiler.lower import Lowering
from rflow.compiler.scope import (
    ARG_BITS,
    LATE,
    SECRET,
    UNTRUSTED,
    Demand,
    Flow,
    Member,
    Program,
    Value,
    late_arg,
    untrusted_arg,
    untrusted_args,
)
from rflow.compiler.types import Optional
from rflow.dsl import ast
from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import Code, Label, closest

Given = dict[str, tuple[int, Span]]
"""The labels of what each argument of a used flow is given, and where."""


class Uses:
    """Checks the uses within one flow."""

    def __init__(self, lowering: Lowering, inputs: Inputs, program: Program) -> None:
        self.lowering = lowering
        self.flow = lowering.flow
        self.inputs = inputs
        self.program = program
        self.report = lowering.report

    def find(self, member: Member) -> None:
        """Find the flow that is used, and whether it may be."""
        node = member.tree
        assert isinstance(node, ast.Use)
        used = self.program.flows.get(node.flow.text)
        if used is None:
            self.flow.broken = True
            known = list(self.program.flows)
            self.report.unknown(
                codes.UNKNOWN_FLOW,
                node.flow.span,
                node.flow.text,
                f"there is no flow `{node.flow.text}`",
                known,
                help=f"there are {listed(known)}",
                imported=True,
            )
            return
        member.used = used
        for section, span in used.sections.items():
            word = "on failure" if section == "failure" else "finally"
            self.report.error(
                codes.NOT_USABLE,
                node.flow.span,
                f"the flow `{used.name}` has `{word}`, so it cannot be used in another",
                labels=(Label(used.file.source, (span[0], span[0] + len(word)), "here"),),
                help="what happens at the end is for the flow that is run to say; or start it as "
                "a run of its own with `flow.run`",
            )
        if used.tree.stage is not None and used.stage is not self.flow.stage:
            self._other_stage(node, used)

    def _other_stage(self, node: ast.Use, used: Flow) -> None:
        assert used.tree.stage is not None
        own = self.flow.tree.stage
        if used.stage is None or (own is not None and self.flow.stage is None):
            return  # one of the stages does not exist, which is reported
        said = f"is for `{own.text}`" if own is not None else "is for no stage"
        self.report.error(
            codes.OTHER_STAGE,
            node.flow.span,
            f"the flow `{used.name}` is for `{used.tree.stage.text}`, but `{self.flow.name}` "
            f"{said}",
            labels=(Label(used.file.source, used.tree.stage.span, "its stage"),),
            help="a flow for a stage can only be used in a flow for the same stage",
        )

    def give(self, member: Member) -> None:
        """Check and lower what the used flow is given, then say what it puts out."""
        node, used = member.tree, member.used
        assert isinstance(node, ast.Use)
        given: Given = {}
        seen: dict[str, Span] = {}
        for item in node.clauses:
            if not isinstance(item, ast.Input):
                continue
            name = item.name.text
            if used is None:
                self.lowering.lower(item.value)
                continue
            arg = used.args.get(name)
            if arg is None:
                self.inputs.unknown(item.name, f"the flow `{used.name}`", used.args)
                continue
            if name in seen:
                self.lowering.misfits.twice(item.name, "argument", seen[name])
                continue
            seen[name] = item.name.span
            if arg.type is None:
                self.lowering.lower(item.value)
                continue
            found = self.lowering.value(item.value, arg.type, f"the argument `{name}`")
            if found is None:
                continue
            member.inputs[name] = found[0]
            given[name] = (found[1], item.value.span)
            if found[1] & SECRET and not arg.secret:
                rules.no_secret(
                    self.flow,
                    found[1],
                    item.value.span,
                    f"the argument `{name}`",
                    help=f"if it may be one, declare it so: `arg {name}: secret`",
                )
        if used is None or not used.checked:
            return
        self._missing(node, used, seen)
        self._triggers(node, used)
        for demand in used.demands:
            self._demand(demand, used, given)
        member.outputs = {
            name: Value(output.type, self._labels(output.labels, used, given))
            for name, output in used.outputs.items()
        }

    def _missing(self, node: ast.Use, used: Flow, seen: dict[str, Span]) -> None:
        missing = [
            name
            for name, arg in used.args.items()
            if arg.tree.default is None
            and arg.type is not None
            and not isinstance(arg.type, Optional)
            and name not in seen
        ]
        wrong = [item.name.text for item in node.clauses if isinstance(item, ast.Input)]
        meant = {closest(word, missing) for word in wrong if word not in used.args}
        missing = [name for name in missing if name not in meant]
        if missing and not self.report.damaged(node.span):
            noun = "argument" if len(missing) == 1 else "arguments"
            self.report.error(
                MISSING_INPUT,
                node.flow.span,
                f"the flow `{used.name}` needs the {noun} {listed(missing)}",
            )

    def _triggers(self, node: ast.Use, used: Flow) -> None:
        if used.trigger_read is None:
            return
        self.report.error(
            codes.OWN_TRIGGER,
            node.flow.span,
            f"the flow `{used.name}` reads its own trigger, which does not come along",
            labels=(Label(used.file.source, used.trigger_read, "read here"),),
            help="give it what it needs as an argument",
        )

    def _demand(self, demand: Demand, used: Flow, given: Given) -> None:
        """Ask of the values given what the used flow asks of its arguments."""
        own_args = untrusted_args(len(self.flow.args))
        for name, (labels, span) in given.items():
            index = used.args[name].index
            if demand.what == "trusted" and demand.labels & untrusted_arg(index):
                if labels & UNTRUSTED or (labels & own_args and self.flow.webhook is not None):
                    self._broken(
                        rules.UNTRUSTED_HERE,
                        demand,
                        span,
                        "make it harmless, as the "
                        "filter `slug` does, or choose among values of your own",
                    )
                elif labels & own_args:
                    self._pass_on(demand, labels & own_args, span)
            elif demand.what == "early" and demand.labels & late_arg(index):
                late = rules.late_args(labels, len(self.flow.args))
                if labels & LATE:
                    self._broken(TOO_LATE, demand, span, "take the list from an argument")
                elif late:
                    self._pass_on(demand, late, span)

    def _broken(self, code: Code, demand: Demand, span: Span, hint: str) -> None:
        self.report.error(
            code,
            span,
            demand.text,
            labels=(Label(demand.file.source, demand.span, "this is where it goes"),),
            help=hint,
        )

    def _pass_on(self, demand: Demand, labels: int, span: Span) -> None:
        self.flow.demands.append(Demand(labels, demand.what, self.flow.file, span, demand.text))

    def _labels(self, labels: int, used: Flow, given: Given) -> int:
        """The labels of an output, with what the arguments are in place of their bits."""
        plain = labels & ((1 << ARG_BITS) - 1)
        if labels >> ARG_BITS:
            own = untrusted_args(len(self.flow.args)) | UNTRUSTED
            for name, (value, _) in given.items():
                index = used.args[name].index
                if labels & untrusted_arg(index):
                    plain |= value & own
                if labels & late_arg(index):
                    plain |= value & ~own & ~SECRET
        return plain
