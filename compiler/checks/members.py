"""The members of a flow, one by one: what stands in the body of a node, approval, group or `use`.

This module owns the walk over a member's clauses; what each clause takes is in the other modules.
"""

from __future__ import annotations

from rflow.compiler.checks import labels as rules
from rflow.compiler.checks.annotations import read_type
from rflow.compiler.checks.approvals import check_approval
from rflow.compiler.checks.clauses import Clauses
from rflow.compiler.checks.contracts import Contracts
from rflow.compiler.checks.inputs import Inputs
from rflow.compiler.checks.sites import Facts, Site, facts_of
from rflow.compiler.expr import Expr
from rflow.compiler.lower import Lowering
from rflow.compiler.name_codes import RESERVED
from rflow.compiler.scope import SECRET, Flow, Loop, Member, Program, Value
from rflow.dsl import ast
from rflow.dsl.diagnostics import Code

NOT_DECLARABLE = Code(
    "RF321",
    "outputs declared of a kind that has its own",
    "An `sh` node declares its outputs, since only the script knows them. Other kinds have fixed "
    "ones: `rflow plugins show KIND`.",
    bad="""rflow 1

flow release {
  node check: http.check {
    url = "https://shop.example.com/health"
    output healthy: bool
  }
}
""",
    good="""rflow 1

flow release {
  node check: sh {
    script = "make check"
    output healthy: bool
    pure
  }
}
""",
)

_CONTRACTS = (ast.Undo, ast.Keep, ast.Irreversible, ast.Pure)


class Members:
    """Checks the members of one flow."""

    def __init__(
        self,
        flow: Flow,
        program: Program,
        lowering: Lowering,
        inputs: Inputs,
        clauses: Clauses,
    ) -> None:
        self.flow = flow
        self.program = program
        self.lowering = lowering
        self.inputs = inputs
        self.clauses = clauses
        self.contracts = Contracts(lowering, inputs, clauses)
        self.report = lowering.report

    # -- before anything is read --------------------------------------------------------------

    def declare_outputs(self, member: Member) -> None:
        """Read the outputs that a node declares itself."""
        found: dict[str, Value] | None = None
        first: dict[str, ast.Name] = {}
        for clause in member.tree.clauses:
            if not isinstance(clause, ast.DeclaredOutput):
                continue
            if found is None:
                found = dict(member.outputs or {})
            name = clause.name
            type_, secret = read_type(clause.type, self.report)
            if member.spec is not None and not member.spec.declares_outputs:
                self.report.error(
                    NOT_DECLARABLE,
                    clause.span,
                    f"`{member.spec.kind}` has outputs of its own; none can be declared",
                )
                continue
            if name.text == "ran":
                self.report.error(
                    RESERVED,
                    name.span,
                    "`ran` cannot be a name here: `$<refs.NAME.ran>` says whether a node ran",
                )
                continue
            if name.text in first:
                self.lowering.misfits.twice(name, "output", first[name.text].span)
                continue
            first[name.text] = name
            found[name.text] = Value(type_, SECRET if secret else 0)
        if found is not None and member.spec is not None:
            member.outputs = found

    # -- where a member's expressions stand -----------------------------------------------------

    def site(self, member: Member, *, inner: bool = True) -> Site:
        """The site of a member's own lines; not `inner`: of its `when` and its `each`."""
        conditions = member.conditions
        loops = member.loops
        if not inner:
            conditions = member.parent.conditions if member.parent is not None else ()
        facts: Facts | None = None
        if conditions:
            facts = facts_of(conditions, self.flow)
        return Site(member.section, loops, facts, member.reads)

    def loop(self, loop: Loop) -> None:
        """Check a member's `each`."""
        site = self.site(loop.owner, inner=False)
        site.loops = loop.owner.loops[:-1]
        self.lowering.references.site = site
        self.clauses.each(loop, loop.owner)

    def when(self, member: Member) -> None:
        """Check a member's `when`."""
        clause = member.own_when
        if clause is None:
            return
        self.lowering.references.site = self.site(member, inner=False)
        found = self.lowering.condition(clause.condition, "`when`")
        if found is None:
            return
        rules.no_secret(
            self.flow, found[1], clause.condition.span, "why a node is skipped is shown: a `when`"
        )
        member.when = (found[0], clause.condition.span)

    # -- the members ------------------------------------------------------------------------------

    def check(self, member: Member) -> None:
        """Check all of a member but for its `each`, and what a `use` is given."""
        self.when(member)
        if member.kind == "node":
            self._node(member)
        elif member.kind == "approve":
            check_approval(member, self.program, self.clauses)
        elif member.loop is not None or member.own_when is not None:
            self._once(member)

    def _once(self, member: Member) -> None:
        """A group's or use's `when` and `each` stand once."""
        seen: set[type] = set()
        for clause in member.tree.clauses:
            cls = clause.__class__
            if cls is ast.Input:
                continue
            if cls in seen:
                first = next(c for c in member.tree.clauses if c.__class__ is cls)
                self.clauses.once(member.tree.clauses, first)
                break
            seen.add(cls)

    def _node(self, member: Member) -> None:
        node = member.tree
        assert isinstance(node, ast.Node)
        site = self.site(member)
        references = self.lowering.references
        given: list[ast.Input] = []
        contracts: list[ast.NodeClause] = []
        others: dict[type, ast.NodeClause] = {}
        twice: dict[type, ast.NodeClause] = {}
        for clause in node.clauses:
            cls = clause.__class__
            if cls is ast.Input:
                given.append(clause)  # type: ignore[arg-type]
            elif cls in _CONTRACTS:
                contracts.append(clause)
            elif cls is not ast.DeclaredOutput:
                if cls in others:
                    twice[cls] = others[cls]
                others.setdefault(cls, clause)
        for first in twice.values():
            self.clauses.once(node.clauses, first)
        references.site = site
        spec = member.spec
        if spec is not None:
            program: dict[str, tuple[tuple[str, Expr], ...]] = {}
            member.inputs = self.inputs.give(
                given, spec.inputs, f"`{spec.kind}`", node.kind.span, node.span, program
            )
            if program:
                member.program = program
        else:  # the kind is not known, what its inputs read still may be wrong
            for item in given:
                self.lowering.lower(item.value)
        if others:
            self._others(member, others, site)
        self.contracts.check(member, contracts, site)

    def _others(self, member: Member, clauses: dict[type, ast.NodeClause], site: Site) -> None:
        for clause in clauses.values():
            match clause:
                case ast.Retry():
                    member.retry = self.clauses.retry(clause)
                    self.lowering.references.site = site
                case ast.Timeout():
                    member.timeout_s = self.clauses.timeout(clause)
                case ast.Lock():
                    member.lock = self.clauses.lock(clause)
                case _:
                    pass
