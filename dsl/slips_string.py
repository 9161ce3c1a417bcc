"""Slips that are no mistakes of syntax: text in a string that looks like another tool's reference.

A warning: the text may be meant as it stands, for a program that knows this form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rflow.dsl import ast
from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source
from rflow.dsl.examples import in_flow

RF142 = Code(
    "RF142",
    "another tool's interpolation in a string",
    "The string holds `${args.…}` or `{{ args.… }}`: to rflow this is plain text. A reference is "
    'written `$<args.…>`. In `\'…\'` and `"""…"""` nothing is said.',
    in_flow('arg tag: string\n  output name = "shop-${args.tag}"'),
    in_flow('arg tag: string\n  output name = "shop-$<args.tag>"'),
    severity="warning",
)

_ROOTS = "args|secrets|refs|let|run|flow|stage|each|done"
_FOREIGN = re.compile(
    rf"\$\{{\{{?[ ]*((?:{_ROOTS})\.[A-Za-z0-9_.]++)[ ]*\}}\}}?"
    rf"|\{{\{{[ ]*((?:{_ROOTS})\.[A-Za-z0-9_.]++)[ ]*\}}\}}"
)


def foreign_references(source: Source, module: ast.Module) -> Iterator[Diagnostic]:
    """A warning for each reference in another tool's form in a `"…"` string."""
    if not _FOREIGN.search(source.text):
        return
    for node in ast.walk(module):
        if isinstance(node, ast.Str) and node.style == "plain":
            for m in _FOREIGN.finditer(source.text, *node.span):
                yield RF142.at(
                    Label(source, m.span()),
                    f"`{m.group()}` is plain text in a string",
                    help=f"write `$<{m[1] or m[2]}>`",
                )
