"""Expressions of a plan: a small tree and its one evaluator.

One evaluator serves compiling, planning, running, testing and the editor. This module owns
nothing but the list of what may be used: `tree` has the expressions, `evaluate` their values,
`explain` the values of all their parts.
"""

from rflow.compiler.evaluate import Filters, Scope, dig, evaluate, references
from rflow.compiler.explain import Explained, explain, show_expr
from rflow.compiler.operate import MASK, EvalError, Masked, scalar_text
from rflow.compiler.tree import (
    Apply,
    Choose,
    Expr,
    Format,
    Get,
    Lambda,
    ListOf,
    Literal,
    MapOf,
    Pipe,
    Root,
)
from rflow.plugins.types import Json

__all__ = [
    "MASK",
    "Apply",
    "Choose",
    "EvalError",
    "Explained",
    "Expr",
    "Filters",
    "Format",
    "Get",
    "Json",
    "Lambda",
    "ListOf",
    "Literal",
    "MapOf",
    "Masked",
    "Pipe",
    "Root",
    "Scope",
    "dig",
    "evaluate",
    "explain",
    "references",
    "scalar_text",
    "show_expr",
]
