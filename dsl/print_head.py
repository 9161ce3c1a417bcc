"""The words of an entry before its block or its value, as a value."""

from __future__ import annotations

from msgspec import Struct
from rflow.dsl import ast


class Head(Struct, frozen=True):
    """The words of an entry, and what comes behind them: a block, or values.

    `entries` is None without a block; `end` is an offset behind which its `{` stands. `between`
    holds the text behind each of `values`. `required`: the block stands even where it is empty.
    """

    text: str
    end: int = 0
    entries: tuple[object, ...] | None = None
    required: bool = True
    values: tuple[ast.Expr, ...] = ()
    between: tuple[str, ...] = ()
