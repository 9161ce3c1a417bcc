"""Expressions: typed and lowered to the plan's expressions in one pass.

This module owns the types and labels of expressions. `check` it never does of its own accord:
`lower` says what an expression is, `fits` reports where it is not what a place wants. A mistake
gives the type None, which is never complained about again. It recurses as deeply as the parser
lets expressions be nested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rflow.compiler.checks import expression_codes as codes
from rflow.compiler.checks.misfits import Misfits, is_scalar
from rflow.compiler.checks.references import References
from rflow.compiler.checks.sites import FAILED, Facts, Typed, facts_of
from rflow.compiler.expr import (
    Apply,
    Choose,
    Expr,
    Format,
    Lambda,
    ListOf,
    Literal,
    MapOf,
    Pipe,
)
from rflow.compiler.names import conjuncts
from rflow.compiler.scope import UNTRUSTED, Flow, untrusted_args
from rflow.compiler.types import (
    ANY,
    BOOL,
    DURATION,
    STRING,
    Argument,
    Constant,
    List,
    Map,
    Optional,
    Record,
    Type,
    TypeMismatch,
    a_type,
    apply_filter,
    apply_operator,
    assignable,
    join_all,
    present,
    signature,
)
from rflow.compiler.types import Lambda as LambdaType
from rflow.dsl import ast
from rflow.dsl.ast import Span
from rflow.dsl.slips_depth import RF129
from rflow.plugins.types import Specs

FILTERS_MAX = 100
"""So many filters may stand one behind the other: what is evaluated is nested as deep."""

_EMPTY = (Literal(""), Constant(""), 0)


class _Failed(Exception):
    pass


class Lowering:
    """Lowers the expressions of one flow. `references.site` says where they stand."""

    def __init__(self, flow: Flow, specs: Specs) -> None:
        self.flow = flow
        self.specs = specs
        self.report = flow.file.report
        self.references = References(flow)
        self.misfits = Misfits(self.report, specs)
        self.untrusted = UNTRUSTED | untrusted_args(len(flow.args))
        self._lower: dict[type, Callable[[Any, Type | None], Typed]] = {
            ast.Str: self._str,
            ast.Ref: self._ref,
            ast.Int: self._constant,
            ast.Bool: self._constant,
            ast.Float: self._constant,
            ast.Duration: self._duration,
            ast.ListExpr: self._list,
            ast.MapExpr: self._map,
            ast.Binary: self._binary,
            ast.Unary: self._unary,
            ast.IfExpr: self._if,
        }

    def lower(self, node: ast.Expr, wanted: Type | None = None) -> Typed:
        """The expression, its type and its labels. `wanted` helps to say what a list is of."""
        return self._lower[node.__class__](node, wanted)

    def value(self, node: ast.Expr, wanted: Type, what: str) -> tuple[Expr, int] | None:
        """The expression and its labels if it fits `wanted`; `what` names the place."""
        expr, type_, labels = self._lower[node.__class__](node, wanted)
        if type_ is None:
            return None
        if type_ is not wanted and not assignable(type_, wanted):
            self.misfits.misfit(node, type_, wanted, what)
            return None
        return expr, labels

    def condition(self, node: ast.Expr, what: str) -> tuple[Expr, int] | None:
        """A bool."""
        expr, type_, labels = self.lower(node)
        if type_ is None:
            return None
        if not assignable(type_, BOOL):
            if isinstance(type_, Optional) and assignable(type_.item, BOOL):
                self.misfits.missing(node.span, type_)
                return None
            self.report.error(
                codes.NOT_BOOL,
                node.span,
                f"{what} takes a bool, but this is {a_type(type_)}",
                help="there is no truthiness: compare it with something, `… == …`",
            )
            return None
        return expr, labels

    # -- literals ------------------------------------------------------------------------------

    def _str(self, node: ast.Str, wanted: Type | None) -> Typed:
        parts = node.parts
        if len(parts) == 1 and parts[0].__class__ is str:
            text: str = parts[0]
            return Literal(text), STRING if wanted is STRING else Constant(text), 0
        if not parts:
            return _EMPTY
        labels, failed = 0, False
        exprs: list[Expr] = []
        for part in parts:
            if isinstance(part, str):
                exprs.append(Literal(part))
                continue
            placed = self.scalar(part)
            if placed is None:
                failed = True
            else:
                exprs.append(placed[0])
                labels |= placed[1]
        return FAILED if failed else (Format(tuple(exprs)), STRING, labels)

    def scalar(self, ref: ast.Ref) -> tuple[Expr, int] | None:
        """A reference within a string: its value must be a scalar, and there."""
        expr, type_, labels = self._ref(ref, None)
        if type_ is None:
            return None
        if isinstance(type_, Optional):
            self.misfits.missing(ref.span, type_)
            return None
        if type_ is not STRING and not is_scalar(type_):
            hint = "make a string of it first: `| json`, or `| join(…)` for a list of scalars"
            if type_ == ANY:
                hint = "only the run knows what it is: `| json` makes a string of it"
            self.report.error(
                codes.NOT_SCALAR,
                ref.span,
                f"a string takes strings, numbers, bools and durations, but this is "
                f"{a_type(type_)}",
                help=hint,
            )
            return None
        if type_ == DURATION:
            expr = Apply("duration", (expr,))
        return expr, labels

    def _constant(self, node: ast.Int | ast.Float | ast.Bool, _: Type | None) -> Typed:
        return Literal(node.value), Constant(node.value), 0

    def _duration(self, node: ast.Duration, _: Type | None) -> Typed:
        return Literal(seconds(node)), DURATION, 0

    def _list(self, node: ast.ListExpr, wanted: Type | None) -> Typed:
        inner = present(wanted) if wanted is not None else None
        item = inner.item if isinstance(inner, List) else None
        return self._items(node, item)

    def _items(self, node: ast.ListExpr, item: Type | None) -> Typed:
        exprs: list[Expr] = []
        types: list[Type] = []
        labels, failed = 0, False
        for part in node.items:
            expr, type_, own = self.lower(part, item)
            if type_ is None:
                failed = True
                continue
            if item is not None and not assignable(type_, item):
                self.misfits.misfit(part, type_, item, "this list")
                failed = True
                continue
            exprs.append(expr)
            types.append(type_)
            labels |= own
        if failed:
            return FAILED
        of = item if item is not None and item != ANY else join_all(types)
        if all(expr.__class__ is Literal for expr in exprs):
            whole: Expr = Literal([expr.value for expr in exprs])  # type: ignore[union-attr]
        else:
            whole = ListOf(tuple(exprs))
        return whole, List(of if types else ANY), labels

    def _map(self, node: ast.MapExpr, wanted: Type | None) -> Typed:
        inner = present(wanted) if wanted is not None else None
        return self._entries(node, inner)

    def _entries(self, node: ast.MapExpr, wanted: Type | None) -> Typed:
        item = wanted.item if isinstance(wanted, Map) else None
        fields = dict(wanted.fields) if isinstance(wanted, Record) else {}
        seen: dict[str, Span] = {}
        entries: list[tuple[str, Expr]] = []
        types: list[tuple[str, Type]] = []
        labels, failed = 0, False
        for name, part in node.entries:
            if name.text in seen:
                self.misfits.twice(name, "key", seen[name.text])
                failed = True
                continue
            seen[name.text] = name.span
            want = fields.get(name.text, item)
            expr, type_, own = self.lower(part, want)
            if type_ is None:
                failed = True
                continue
            if want is not None and not assignable(type_, want):
                self.misfits.misfit(part, type_, want, f"`{name.text}`")
                failed = True
                continue
            entries.append((name.text, expr))
            types.append((name.text, type_))
            labels |= own
        if failed:
            return FAILED
        if all(expr.__class__ is Literal for _, expr in entries):
            whole: Expr = Literal({n: e.value for n, e in entries})  # type: ignore[union-attr]
        else:
            whole = MapOf(tuple(entries))
        if isinstance(wanted, Map):
            return whole, wanted, labels
        return whole, Record(tuple(types)), labels

    # -- references and filters ------------------------------------------------------------------

    def _ref(self, node: ast.Ref, wanted: Type | None) -> Typed:
        head = node.head
        if head.__class__ is ast.Path:
            typed = self.references.read(head)
        else:
            typed = self._lower[head.__class__](head, wanted)
        if not node.filters or typed[1] is None:
            return typed
        return self._filters(node, typed)

    def _filters(self, node: ast.Ref, typed: Typed) -> Typed:
        span = node.head.span
        if len(node.filters) > FILTERS_MAX:
            message = f"more than {FILTERS_MAX} filters stand one behind the other"
            self.report.error(RF129, node.span, message, help="give parts of it names with `let`")
            return FAILED
        for call in node.filters:
            typed = self._filter(call, typed, span)
            if typed[1] is None:
                return FAILED
            span = (node.head.span[0], call.span[1])
        return typed

    def _filter(self, call: ast.Filter, subject: Typed, span: Span) -> Typed:
        name = call.name.text
        spec = self.specs.filters.get(name)
        if spec is None:
            self.misfits.unknown_filter(call.name)
            return FAILED
        wanted = signature(spec).args
        exprs: list[Expr | Lambda] = []
        args: list[Argument] = []
        labels = subject[2]
        for index, arg in enumerate(call.args):
            parameter = present(wanted[index]) if index < len(wanted) else None
            if isinstance(parameter, LambdaType):
                exprs.append(Lambda(Literal(None)))
                args.append(self._chain(arg, subject[2], exprs, index))
                continue
            expr, type_, own = self.lower(arg)
            if type_ is None:
                return FAILED
            exprs.append(expr)
            args.append(type_)
            labels |= own
        assert subject[1] is not None
        try:
            type_ = apply_filter(spec, subject[1], args)
        except _Failed:
            return FAILED
        except TypeMismatch as wrong:
            if wrong.index is None and isinstance(subject[1], Optional):
                self.misfits.missing(span, subject[1])
                return FAILED
            at = call.args[wrong.index].span if wrong.index is not None else span
            if wrong.index is None and "takes" in wrong.message and "argument" in wrong.message:
                at = call.span
            self.report.error(codes.FILTER, at, wrong.message, help=wrong.help)
            return FAILED
        if spec.cleans:
            labels &= ~self.untrusted
        return Pipe(subject[0], name, tuple(exprs)), type_, labels

    def _chain(
        self, arg: ast.Expr, labels: int, exprs: list[Expr | Lambda], index: int
    ) -> Callable[[Type], Type]:
        """The argument of a filter that is a chain over `it`: typed once `it` is known."""

        def body(item: Type) -> Type:
            self.references.it.append((item, labels))
            expr, type_, _ = self.lower(arg)
            self.references.it.pop()
            if type_ is None:
                raise _Failed
            exprs[index] = Lambda(expr)
            return type_

        return body

    # -- operators ---------------------------------------------------------------------------------

    def _binary(self, node: ast.Binary, _: Type | None) -> Typed:
        left = self.lower(node.left)
        site = self.references.site
        before: Facts | None = site.facts
        if node.op == "and":  # what stands on the right is only looked at if the left holds
            site.facts = facts_of(conjuncts(node.left), self.flow, before)
        right = self.lower(node.right)
        site.facts = before
        if left[1] is None or right[1] is None:
            return FAILED
        return self._apply(node.op, (node.left, node.right), (left, right), node.span)

    def _unary(self, node: ast.Unary, _: Type | None) -> Typed:
        operand = self.lower(node.operand)
        if operand[1] is None:
            return FAILED
        op = "neg" if node.op == "-" else node.op
        if op == "neg" and isinstance(operand[0], Literal):
            value = operand[0].value
            if isinstance(value, int | float) and not isinstance(value, bool):
                type_ = Constant(-value) if isinstance(operand[1], Constant) else operand[1]
                return Literal(-value), type_, 0
        return self._apply(op, (node.operand,), (operand,), node.span)

    def _apply(
        self, op: str, nodes: tuple[ast.Expr, ...], operands: tuple[Typed, ...], span: Span
    ) -> Typed:
        types = tuple(operand[1] for operand in operands if operand[1] is not None)
        try:
            type_ = apply_operator(op, types)
        except TypeMismatch as wrong:
            self.misfits.wrong_operands(op, nodes, types, wrong, span)
            return FAILED
        labels = 0
        for operand in operands:
            labels |= operand[2]
        if type_ == BOOL:  # a yes or no is no text
            labels &= ~self.untrusted
        return Apply(op, tuple(operand[0] for operand in operands)), type_, labels

    def _if(self, node: ast.IfExpr, wanted: Type | None) -> Typed:
        condition = self.condition(node.condition, "`if`")
        site = self.references.site
        before = site.facts
        site.facts = facts_of(conjuncts(node.condition), self.flow, before)
        then = self.lower(node.then, wanted)
        site.facts = before
        otherwise = self.lower(node.otherwise, wanted)
        if condition is None or then[1] is None or otherwise[1] is None:
            return FAILED
        if wanted is not None:
            for branch, typed in ((node.then, then), (node.otherwise, otherwise)):
                if typed[1] is not None and not assignable(typed[1], wanted):
                    self.misfits.misfit(branch, typed[1], wanted, "a branch of this `if`")
                    return FAILED
        joined = join_all((then[1], otherwise[1]))
        labels = condition[1] & ~self.untrusted | then[2] | otherwise[2]
        return Choose(condition[0], then[0], otherwise[0]), joined, labels


def seconds(duration: ast.Duration) -> int | float:
    """A duration as plans hold it."""
    ms = duration.ms
    return ms // 1000 if ms % 1000 == 0 else ms / 1000
