"""Codes of what the grammar lets through, but that is too much: depth, chains, doubled marks."""

from __future__ import annotations

from rflow.dsl.diagnostics import Code
from rflow.dsl.examples import in_flow

RF129 = Code(
    "RF129",
    "nested too deeply",
    "Blocks and values may be nested 100 deep, and an expression may have 100 operators in a row.",
    in_flow("let a = " + "[" * 101 + "]" * 101),
    in_flow("let a = [[1, 2], [3]]"),
)
RF130 = Code(
    "RF130",
    "chained comparison",
    "A comparison gives true or false, so a second one behind it would compare that.",
    in_flow("arg a: int\n  let b = 1 < $<args.a> < 10"),
    in_flow("arg a: int\n  let b = 1 < $<args.a> and $<args.a> < 10"),
)
RF135 = Code(
    "RF135",
    "optional twice",
    "`?` says that a value may be missing; saying it twice says no more.",
    in_flow("arg a: string??"),
    in_flow("arg a: string?"),
)
