"""Slips that are no mistakes of syntax: text in a string that looks like a reference and is none.

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

RF150 = Code(
    "RF150",
    "a reference in a string that takes none",
    "`'…'` is text as it stands: neither escapes nor references are read in it, so that what looks "
    'like a reference is handed on as these very characters. References stand in `"…"` and '
    '`"""…"""`; where the characters are meant, `\\$<` writes them there without a warning.',
    in_flow("arg tag: string\n  output name = 'shop-$<args.tag>'"),
    in_flow('arg tag: string\n  output name = "shop-$<args.tag>"'),
    severity="warning",
)

_ROOTS = "args|secrets|refs|let|run|flow|stage|each|done"
_FOREIGN = re.compile(
    rf"\$\{{\{{?[ ]*((?:{_ROOTS})\.[A-Za-z0-9_.]++)[ ]*\}}\}}?"
    rf"|\{{\{{[ ]*((?:{_ROOTS})\.[A-Za-z0-9_.]++)[ ]*\}}\}}"
)


_RAW = re.compile(rf"\$<[ ]*(?:{_ROOTS})\.[^>'\n]*+>?")
_RAW_SOMEWHERE = re.compile(r"'[^'\n]*\$<")


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


def raw_references(source: Source, tokens: re.Pattern[str], raw: int) -> Iterator[Diagnostic]:
    """A warning for each reference in a `'…'` string of a text without mistakes. `tokens` is the
    pattern of the language's tokens, `raw` the number of the strings that are meant."""
    text = source.text
    if not _RAW_SOMEWHERE.search(text):
        return
    for token in tokens.finditer(text):
        if token.lastindex == raw:
            for m in _RAW.finditer(text, *token.span(raw)):
                yield RF150.at(
                    Label(source, m.span()),
                    f"`{m.group()}` is plain text in `'…'`",
                    help='write the string in `"…"`, or `\\$<` there if the text is meant',
                )
