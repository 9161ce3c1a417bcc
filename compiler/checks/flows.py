"""A flow as a whole: its own lines, then its members, in the order in which they can be told.

This module owns that order. Lets, loops and uses may read one another's values in any order of
the text, so they are told in the order of what they read; all else follows the text.
"""

from __future__ import annotations

from collections.abc import Iterator

from rflow.compiler import calendar
from rflow.compiler.checks import flow_codes as codes
from rflow.compiler.checks import labels as rules
from rflow.compiler.checks.annotations import read_type
from rflow.compiler.checks.clauses import CONSTANT_SITE, Clauses
from rflow.compiler.checks.declarations import find_stage
from rflow.compiler.checks.inputs import Inputs
from rflow.compiler.checks.members import Members
from rflow.compiler.checks.report import listed
from rflow.compiler.checks.sites import Site
from rflow.compiler.checks.uses import Uses
from rflow.compiler.expr import Literal
from rflow.compiler.lower import Lowering
from rflow.compiler.order import circles, in_order
from rflow.compiler.scope import (
    BOUND,
    SECRET,
    Arg,
    Flow,
    Let,
    Loop,
    Member,
    Program,
    Trigger,
    late_arg,
    untrusted_arg,
)
from rflow.dsl import ast
from rflow.dsl.diagnostics import closest
from rflow.plugins.types import Specs

POLICIES = ("allow", "queue", "forbid", "latest", "replace")
EXPANDED_MAX = 100_000
"""So many characters a let may stand for, beside ten times its own text."""
_TRIGGER_ROOTS = ("secrets", "flow", "stage", "let")

Told = Let | Loop | Member
"""What must be told before it can be read: a let, a loop, a `use`."""


class FlowCheck:
    """Checks one flow. Flows that it uses must have been checked before."""

    def __init__(self, flow: Flow, program: Program, specs: Specs) -> None:
        self.flow = flow
        self.program = program
        self.specs = specs
        self.report = flow.file.report
        self.lowering = Lowering(flow, specs)
        self.inputs = Inputs(self.lowering)
        self.clauses = Clauses(self.lowering, self.inputs)
        self.members = Members(flow, program, self.lowering, self.inputs, self.clauses)
        self.uses = Uses(self.lowering, self.inputs, program)
        self.grown = False

    def check(self) -> None:
        """All but the graph."""
        flow = self.flow
        find_stage(flow, self.program)
        self._own_lines()
        for arg in flow.args.values():
            self._arg(arg)
        for secret in flow.secrets.values():
            self._secret(secret)
        for member in flow.all:
            if member.kind == "node" and member.spec is not None and member.spec.declares_outputs:
                self.members.declare_outputs(member)
            elif member.kind == "node":
                self._no_outputs(member)
            elif member.kind == "use":
                self.uses.find(member)
        self._tell()
        for trigger in flow.triggers.values():
            self._trigger(trigger)
        for member in flow.all:
            self.members.check(member)
        self._outputs()
        flow.checked = True

    def _no_outputs(self, member: Member) -> None:
        for clause in member.tree.clauses:
            if clause.__class__ is ast.DeclaredOutput:
                self.members.declare_outputs(member)
                return

    # -- the flow's own lines -------------------------------------------------------------------

    def _own_lines(self) -> None:
        flow, items = self.flow, self.flow.tree.items
        seen: dict[type, ast.FlowItem] = {}
        twice: dict[type, ast.FlowItem] = {}
        for item in items:
            cls = item.__class__
            if cls not in (ast.Concurrency, ast.Retry, ast.Timeout):
                continue
            if cls in seen:
                twice[cls] = seen[cls]
                continue
            seen[cls] = item
            match item:
                case ast.Retry():
                    flow.retry = self.clauses.retry(item)
                case ast.Timeout():
                    flow.timeout_s = self.clauses.timeout(item)
                case ast.Concurrency(policy):
                    flow.concurrency = item
                    if policy.text not in POLICIES:
                        self._unknown_policy(policy)
                case _:
                    pass
        for first in twice.values():
            self.clauses.once(items, first)

    def _unknown_policy(self, policy: ast.Name) -> None:
        meant = closest(policy.text, POLICIES)
        self.report.error(
            codes.CONCURRENCY,
            policy.span,
            f"there is no concurrency `{policy.text}`",
            help=None if meant else f"there are {listed(POLICIES)}",
            suggestion=meant,
        )

    def _arg(self, arg: Arg) -> None:
        node = arg.tree
        arg.type, arg.secret = read_type(node.type, self.report)
        arg.labels = BOUND | late_arg(arg.index)
        if arg.secret:
            arg.labels |= SECRET
        elif arg.type is not None and rules.textual(arg.type):
            arg.labels |= untrusted_arg(arg.index)
        if node.default is None or arg.type is None:
            return
        if arg.secret:
            self.report.error(
                rules.SECRET_DEFAULT,
                node.default.span,
                f"the default of `{node.name.text}` would be a secret that everyone can read",
                help='leave it out, or fetch it: `secret NAME from env "KEY"`',
            )
            return
        self.lowering.references.site = CONSTANT_SITE
        found = self.lowering.value(node.default, arg.type, f"the argument `{node.name.text}`")
        if found is not None:
            arg.default = found[0]

    def _secret(self, secret: ast.Secret) -> None:
        name = secret.source.text
        if name not in self.specs.sources:
            known = list(self.specs.sources)
            meant = closest(name, known)
            self.report.error(
                codes.UNKNOWN_SOURCE,
                secret.source.span,
                f"there is no source of secrets `{name}`",
                help=None if meant else f"there are {listed(known)}",
                suggestion=meant,
            )
        self.clauses.text(secret.key, "the key of a secret")

    # -- lets, loops and uses ---------------------------------------------------------------------

    def _tell(self) -> None:
        """Tell lets, loops and uses, each after what it reads."""
        flow = self.flow
        things: list[Told] = [*flow.lets.values()]
        for member in flow.all:
            if member.loop is not None:
                things.append(member.loop)
            if member.kind == "use":
                things.append(member)
        if not things:
            return
        numbers = {id(thing): number for number, thing in enumerate(things)}
        before = [
            [numbers[id(read)] for read in self._reads(thing) if id(read) in numbers]
            for thing in things
        ]
        ordered = in_order(before)
        for number in ordered:
            self._tell_one(things[number])
        if len(ordered) < len(things):
            self._circles(things, before, ordered)

    def _tell_one(self, thing: Told) -> None:
        if isinstance(thing, Let):
            self._let(thing)
        elif isinstance(thing, Loop):
            self.members.loop(thing)
        else:
            self.lowering.references.site = self.members.site(thing)
            self.uses.give(thing)

    def _reads(self, thing: Told) -> Iterator[Told]:
        """The lets, loops and uses that are read in it."""
        flow = self.flow
        if isinstance(thing, Let):
            paths = paths_in(thing.tree.value)
        elif isinstance(thing, Loop):
            paths = paths_in(thing.tree.over)
            yield from thing.owner.loops[:-1]
        else:
            paths = (
                path
                for clause in thing.tree.clauses
                if isinstance(clause, ast.Input)
                for path in paths_in(clause.value)
            )
            yield from thing.loops
        for path in paths:
            if len(path.parts) < 2:
                continue
            root, name = path.parts[0], str(path.parts[1])
            if root == "let" and name in flow.lets:
                yield flow.lets[name]
            elif root == "refs" and name in flow.members:
                yield flow.members[name]

    def _circles(self, things: list[Told], before: list[list[int]], ordered: list[int]) -> None:
        """Report lets in a circle; tell what is left, whose circle is one of the graph."""
        left = set(range(len(things))) - set(ordered)
        lets = {n for n in left if isinstance(things[n], Let)}
        edges = [
            [b for b in before[n] if b in lets] if n in lets else [] for n in range(len(things))
        ]
        for circle in circles(edges):
            trees = [thing.tree for n in circle if isinstance(thing := things[n], Let)]
            self.flow.broken = True
            names = " → ".join(f"`{t.name.text}`" for t in (*trees, trees[0]))
            self.report.error(
                codes.LET_CIRCLE,
                trees[0].name.span,
                f"the let `{trees[0].name.text}` reads itself"
                if len(trees) == 1
                else f"lets read one another in a circle: {names}",
                labels=tuple(self.report.label(t.name.span, "and this") for t in trees[1:]),
                help="one of them must be said without the others",
            )
        in_circle = {n for circle in circles(edges) for n in circle}
        for number in sorted(left - in_circle):
            self._tell_one(things[number])

    def _let(self, let: Let) -> None:
        self.lowering.references.site = Site(reads=let.deps)
        let.expr, let.type, let.labels = self.lowering.lower(let.tree.value)
        let.done = True
        self._growth(let)

    def _growth(self, let: Let) -> None:
        """Report a let that stands for more than can be held; one a flow, as others follow."""
        start, end = let.tree.value.span
        own = let.length = end - start
        for read in self._reads(let):
            if isinstance(read, Let):
                let.length += read.length
        if let.length > EXPANDED_MAX + 10 * own and not self.grown:
            self.grown = self.flow.broken = True
            self.report.error(
                codes.LET_GROWS,
                let.tree.name.span,
                f"the let `{let.tree.name.text}` stands for {let.length:,} characters, were all "
                "that it reads written out",
                help="read it less often, or let a node make what is so long",
            )

    # -- triggers and outputs ---------------------------------------------------------------------

    def _trigger(self, trigger: Trigger) -> None:
        node = trigger.tree
        spec = self.specs.triggers.get(node.kind.text)
        if spec is None:
            return
        self.lowering.references.site = Site(roots=_TRIGGER_ROOTS, where="in a trigger", reads=None)
        trigger.inputs = self.inputs.give(
            node.inputs, spec.inputs, f"`{spec.kind}`", node.kind.span, node.span, {}
        )
        if spec.kind == "cron":
            for item in node.inputs:
                self._time(item, trigger)

    def _time(self, item: ast.Input, trigger: Trigger) -> None:
        expr = trigger.inputs.get(item.name.text)
        if not isinstance(expr, Literal) or not isinstance(expr.value, str):
            return
        if item.name.text == "schedule":
            problem = calendar.cron_problem(expr.value)
            if problem is not None:
                self.report.error(
                    codes.CRON,
                    item.value.span,
                    problem,
                    help="minute, hour, day of the month, month, day of the week: `0 2 * * 1-5`",
                )
        elif item.name.text == "timezone":
            problem = calendar.zone_problem(expr.value)
            if problem is not None:
                self.report.error(codes.ZONE, item.value.span, problem)

    def _outputs(self) -> None:
        for output in self.flow.outputs.values():
            node = output.tree
            self.lowering.references.site = Site()
            expr, type_, labels = self.lowering.lower(node.value)
            output.type, output.labels = type_, labels
            if type_ is None:
                continue
            output.expr = expr
            if labels & SECRET:
                self.report.error(
                    rules.SECRET_OUTPUT,
                    node.value.span,
                    f"the output `{node.name.text}` would show a secret",
                    text="this is secret",
                    help="whoever needs it fetches it from where it is kept",
                )
                output.labels &= ~SECRET


def paths_in(expr: ast.Expr) -> Iterator[ast.Path]:
    """All paths in an expression, those within strings and filters included."""
    stack: list[object] = [expr]
    while stack:
        node = stack.pop()
        match node:
            case ast.Path():
                yield node
            case ast.Str(parts):
                stack.extend(part for part in parts if not isinstance(part, str))
            case ast.Ref(head, filters):
                stack.append(head)
                stack.extend(arg for call in filters for arg in call.args)
            case ast.ListExpr(items):
                stack.extend(items)
            case ast.MapExpr(entries):
                stack.extend(value for _, value in entries)
            case ast.Binary():
                stack.extend((node.left, node.right))
            case ast.Unary():
                stack.append(node.operand)
            case ast.IfExpr():
                stack.extend((node.condition, node.then, node.otherwise))
            case _:
                pass
