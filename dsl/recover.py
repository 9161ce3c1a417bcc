"""Reading a file that has mistakes: what is wrong with it, and what can be read all the same."""

from __future__ import annotations

from rflow.dsl import ast
from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source

RF100 = Code("RF100", "Unexpected text", "The text is not what the language expects here.")


def parse_slowly(source: Source) -> tuple[ast.Module | None, list[Diagnostic]]:
    """The tree of what could be read of a file that has mistakes, and the mistakes, sorted."""
    return None, [RF100.at(Label(source, (0, 1)), "the file has a syntax error")]
