"""The values in a test: blocks of `name = value`, and people.

This module owns that each is of the type of its name, and stands once.
"""

from __future__ import annotations

from rflow.compiler.checks.declarations import plain
from rflow.compiler.checks.expression_codes import WRONG_TYPE
from rflow.compiler.checks.report import Report, listed
from rflow.compiler.expr import Expr
from rflow.compiler.lower import Lowering
from rflow.compiler.testing_codes import NO_DECISION, NO_SUCH, TOLD_TWICE
from rflow.compiler.testing_expectations import written
from rflow.compiler.types import ARTIFACT, List, Map, Optional, Type
from rflow.compiler.values import DIGEST
from rflow.dsl import ast


class Values:
    """Reads the values of one test."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.report: Report = lowering.report

    def read(
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
                self.twice(f"`{name}` is given twice", item.name.span, seen[name])
                continue
            seen[name] = item.name.span
            type_ = types[name]
            if type_ is None:
                continue
            lowered = self.lowering.value(item.value, written(type_), f"the {what} `{name}`")
            if lowered is not None and self._artifacts(item, type_):
                found[name] = lowered[0]
        return found

    def _artifacts(self, item: ast.Input, type_: Type) -> bool:
        """Whether no artifact among the values is half a digest: any other name stands for one."""
        while isinstance(type_, Optional | List | Map):
            type_ = type_.item
        if type_ != ARTIFACT:
            return True
        for part in ast.walk(item.value):
            text = plain(part) if isinstance(part, ast.Str) else None
            if text is not None and text.startswith("sha256:") and not DIGEST.fullmatch(text):
                self.report.error(
                    WRONG_TYPE,
                    part.span,  # type: ignore[attr-defined]
                    "this is no digest: `sha256:` and 64 hexadecimal digits",
                    help="in a test any name will do: `shop-1`",
                )
                return False
        return True

    def twice(self, message: str, span: ast.Span, first: ast.Span) -> None:
        label = self.report.label(first, "the first")
        self.report.error(TOLD_TWICE, span, message, labels=(label,), help="keep one of them")

    def person(self, node: ast.Str) -> str:
        text = plain(node)
        if text is None:
            self.report.error(NO_DECISION, node.span, "a person is a plain string, and not empty")
        return text or ""
