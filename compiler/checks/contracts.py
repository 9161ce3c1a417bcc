"""The rollback contract of a node: what rolling back means for it.

This module owns which contracts a kind takes and what an `undo` may say. Whether a flow must have
one everywhere depends on its stage and is asked in `gates`.
"""

from __future__ import annotations

from rflow.compiler.checks.clauses import Clauses
from rflow.compiler.checks.inputs import Inputs
from rflow.compiler.checks.sites import Site
from rflow.compiler.expr import Expr
from rflow.compiler.lower import Lowering
from rflow.compiler.name_codes import UNKNOWN_KIND
from rflow.compiler.scope import Contract, Member
from rflow.dsl import ast
from rflow.dsl.diagnostics import Code, closest
from rflow.plugins.types import NodeSpec

TWO_CONTRACTS = Code(
    "RF503",
    "a node with two rollback contracts",
    "`undo`, `keep`, `irreversible` and `pure` exclude one another: a rollback does one thing.",
    bad="""rflow 1

flow release {
  node migrate: sh {
    script = "make migrate"
    keep "migrations only add columns"
    irreversible "rows are deleted"
  }
}
""",
    good="""rflow 1

flow release {
  node migrate: sh {
    script = "make migrate"
    irreversible "rows are deleted"
  }
}
""",
)

NOT_PURE = Code(
    "RF504",
    "a kind with an effect that is called pure",
    "`pure` says that a node changes nothing outside its workspace. Of an `sh` only its author "
    "knows; a kind such as `file.write` is there to change something.",
    bad="""rflow 1

flow release {
  node note: file.write { path = "version"  content = "1"  pure }
}
""",
    good="""rflow 1

flow release {
  node note: file.write { path = "version"  content = "1"  keep "a note harms nobody" }
}
""",
)

NOTHING_TO_UNDO = Code(
    "RF505",
    "a rollback contract for a kind that changes nothing",
    "Checks, builds and messages are no effects: a rollback passes them by, and what their "
    "contract says would never happen.",
    bad="""rflow 1

flow release {
  node check: http.check {
    url = "https://shop.example.com/health"
    keep "it only looks"
  }
}
""",
    good="""rflow 1

flow release {
  node check: http.check { url = "https://shop.example.com/health" }
}
""",
)

_CONTRACTS = (ast.Undo, ast.Keep, ast.Irreversible, ast.Pure)
_WORDS: dict[type, str] = {
    ast.Undo: "undo",
    ast.Keep: "keep",
    ast.Irreversible: "irreversible",
    ast.Pure: "pure",
}


def of_kind(spec: NodeSpec) -> tuple[str | None, bool]:
    """The sort of thing a node of the kind changes, and whether only its author knows."""
    told = spec.needs_contract and spec.declares_outputs
    return spec.effect or ("script" if spec.needs_contract else None), told


class Contracts:
    """Checks the contracts of one flow's nodes."""

    def __init__(self, lowering: Lowering, inputs: Inputs, clauses: Clauses) -> None:
        self.lowering = lowering
        self.inputs = inputs
        self.clauses = clauses
        self.report = lowering.report

    def check(self, member: Member, found: list[ast.NodeClause], site: Site) -> None:
        """Give the member its contract and its effect; `found` are the clauses that say one."""
        spec = member.spec
        if not found:
            if spec is not None:
                effect, _ = of_kind(spec)
                member.effect = effect
                kind = "pure" if effect is None else "self" if spec.undoes else "none"
                member.contract = _PLAIN[kind]
            return
        if len(found) > 1:
            self._two(found)
        clause = found[0]
        contract = self._contract(clause, member, site)
        if spec is None:
            return
        effect, told = of_kind(spec)
        if isinstance(clause, ast.Pure):
            if effect is not None and not told:
                self.report.error(
                    NOT_PURE,
                    clause.span,
                    f"`{spec.kind}` is there to change something, so it is not pure",
                    help='say what rolling it back means: `undo KIND { … }`, `keep "why"` or '
                    '`irreversible "why"`'
                    if not spec.undoes
                    else "take it out: the kind undoes itself",
                )
            member.effect = None
        else:
            if effect is None:
                self.report.error(
                    NOTHING_TO_UNDO,
                    clause.span,
                    f"`{spec.kind}` changes nothing, so there is nothing to roll back",
                    help=f"take out this `{_WORDS[clause.__class__]}`",
                )
            member.effect = effect
        member.contract = contract

    def _two(self, found: list[ast.NodeClause]) -> None:
        first = _WORDS[found[0].__class__]
        for clause in found[1:]:
            word = _WORDS[clause.__class__]
            self.report.error(
                TWO_CONTRACTS,
                clause.span,
                f"this node has a contract already: `{first}`"
                if word != first
                else f"`{word}` stands here twice",
                labels=(self.report.label(found[0].span, "the first one is here"),),
                help="a rollback does one thing; keep one of them",
            )

    def _contract(self, clause: ast.NodeClause, member: Member, site: Site) -> Contract | None:
        match clause:
            case ast.Keep(reason):
                text = self.clauses.text(reason, "the reason of `keep`")
                return Contract("keep", text or "")
            case ast.Irreversible(reason):
                text = self.clauses.text(reason, "the reason of `irreversible`")
                return Contract("irreversible", text or "")
            case ast.Undo():
                return self._undo(clause, member, site)
            case _:
                return Contract("pure")

    def _undo(self, clause: ast.Undo, member: Member, site: Site) -> Contract | None:
        name = clause.kind.text
        spec = self.lowering.specs.nodes.get(name)
        if spec is None:
            meant = closest(name, list(self.lowering.specs.nodes))
            self.report.error(
                UNKNOWN_KIND,
                clause.kind.span,
                f"there is no kind `{name}`",
                help=None if meant else "`rflow plugins` lists the kinds that are installed",
                suggestion=meant,
            )
            return None
        self.lowering.references.site = Site(
            member.section, member.loops, site.facts, site.reads, None, "", member.outputs, member
        )
        program: dict[str, tuple[tuple[str, Expr], ...]] = {}
        given = self.inputs.give(
            clause.inputs, spec.inputs, f"`{name}`", clause.kind.span, clause.span, program
        )
        self.lowering.references.site = site
        variables = tuple(pair for pairs in program.values() for pair in pairs)
        return Contract("undo", "", name, tuple(given.items()), variables)


_PLAIN = {
    "pure": Contract("pure"),
    "self": Contract("self"),
    "none": Contract("none"),
}
