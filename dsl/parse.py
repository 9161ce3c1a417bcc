"""Text → AST: the way for files without mistakes, and the door to the way for the others.

A loop of our own over the tables of the grammar, fed by one compiled pattern, calls the builder
as soon as a rule is complete: no tree in between, no recursion. What it cannot parse, it leaves
to `recover`, which reads the file again, slower, and says what is wrong. This module reports
nothing and never raises for what a file holds.
"""

from __future__ import annotations

import gc
import re
from dataclasses import replace
from itertools import islice
from typing import Any

from rflow.dsl import ast, make
from rflow.dsl.build import Builder, comment
from rflow.dsl.diagnostics import Diagnostic, Source, sort
from rflow.dsl.limits import TOKENS_MAX, TooLarge, too_many_references, too_many_tokens
from rflow.dsl.strings import BadLiteral
from rflow.grammar.tables import (
    ACTIONS,
    COMMENT,
    END,
    ENDS,
    KEYWORDS,
    PATTERN,
    RULES,
    STARTS,
    SYMBOLS,
    UNKNOWN,
)

TOKENS = re.compile(PATTERN)
NAME, RAW = SYMBOLS.index("NAME"), SYMBOLS.index("RAW")
VERSION = 1
"""The version of the language."""
STACK_MAX = 100
"""A stack this low cannot hold more than 100 levels of nesting; above, `recover` counts them."""

_SIMPLE_REF = re.compile(r"\$<([A-Za-z_][A-Za-z0-9_]*+(?>(?:\.[A-Za-z0-9_]++)+))>")


class NotParsed(Exception):
    """The text is not a file of the language; `recover` finds out why."""


def parse(source: Source) -> tuple[ast.Module | None, list[Diagnostic]]:
    """The tree of a file and all its syntax mistakes, sorted.

    With mistakes, the tree holds what could be read; it is None where nothing could, or there is
    too much.
    """
    module: ast.Module | None
    found: list[Diagnostic] = []
    if (large := too_many_references(source)) is not None:
        return None, [large]
    try:
        module = parse_fast(source.text)
    except TooLarge as error:
        return None, [too_many_tokens(source, error)]
    except (NotParsed, BadLiteral):
        from rflow.dsl.recover import parse_slowly

        module, found = parse_slowly(source)
    whole = not found
    if module is not None and ("${" in source.text or "{{" in source.text):
        from rflow.dsl.slips_string import foreign_references

        found = sort([*found, *foreign_references(source, module)])
    if whole and "'" in source.text and "$<" in source.text:
        from rflow.dsl.slips_string import raw_references

        found = sort([*found, *raw_references(source, TOKENS, RAW)])
    return module, found


def parse_fast(text: str) -> ast.Module:
    """The tree of a text without mistakes; NotParsed or BadLiteral for any other."""
    pause = gc.isenabled()
    if pause:
        gc.disable()  # a tree has no cycles: looking for some would take half the time
    try:
        builder = FastBuilder(text)
        at = 1 if text.startswith("\ufeff") else 0
        module: ast.Module = run(builder, "file", at, len(text))
        if module.version != VERSION:
            raise NotParsed
        return finish(builder, module)
    finally:
        if pause:
            gc.enable()


def finish(builder: Builder, module: ast.Module) -> ast.Module:
    """The module with all its comments; doc comments that belong to nothing are among them."""
    comments = builder.comments
    for spans in builder.docs.values():
        comments.extend(comment(builder.text, a, b) for a, b in spans)
    comments.sort(key=lambda c: c.span)
    return replace(module, comments=tuple(comments), span=(0, len(builder.text)))


def run(builder: Builder, start: str, at: int, end: int) -> Any:
    """Parse text[at:end] from the start symbol `start`; what its rule's method returns."""
    text = builder.text
    actions, rules, keywords = ACTIONS, _bound(builder), KEYWORDS
    docs: list[ast.Span] = []
    states, accepting = [STARTS[start]], ENDS[start]
    values: list[Any] = []
    row = actions[states[0]]
    for m in islice(TOKENS.finditer(text, at, end), TOKENS_MAX):
        kind: int = m.lastindex  # type: ignore[assignment]
        span = m.span(kind)
        if kind == NAME:
            kind = keywords.get(m[NAME], NAME)
            if kind != NAME and kind not in row:
                kind = NAME
        elif kind >= COMMENT:
            if kind == COMMENT:
                if is_doc(text, *span):
                    docs.append(span)
                else:
                    builder.comments.append(comment(text, *span))
                continue
            if kind == UNKNOWN:
                raise NotParsed
        if docs:
            builder.docs[span[0]] = docs
            docs = []
        while True:
            action = row.get(kind)
            if action is None:
                if states[-1] == accepting and kind == END:
                    return values[-1]
                raise NotParsed
            if action >= 0:
                states.append(action)
                values.append(span)
                row = actions[action]
                if len(states) > STACK_MAX:
                    raise NotParsed
                break
            symbol, size, method = rules[~action]
            if size == 1:
                values[-1] = method(values[-1:])
                states[-1] = state = actions[states[-2]][symbol]
            else:
                if size:
                    value = method(values[-size:])
                    del values[-size:], states[-size:]
                else:
                    value = method([])
                state = actions[states[-1]][symbol]
                states.append(state)
                values.append(value)
            row = actions[state]
    raise TooLarge(m.end())


def _bound(builder: Builder) -> list[tuple[int, int, Any]]:
    """The rules with the builder's own methods, made once."""
    if not builder.rules:
        builder.rules = [(symbol, size, getattr(builder, name)) for symbol, size, name in RULES]
    return builder.rules


def is_doc(text: str, start: int, end: int) -> bool:
    """Whether the comment at text[start:end] is a doc comment: `##`, first on its line."""
    if not text.startswith("##", start) or text.startswith("###", start):
        return False
    line = text.rfind("\n", 0, start) + 1
    return not text[line:start].strip(" \t")


class FastBuilder(Builder):
    """A builder that reads references with the same loop."""

    def read_ref(self, start: int, end: int) -> ast.Ref:
        m = _SIMPLE_REF.match(self.text, start)
        if m is not None and m.end() == end:
            path = self.path([(start + 2, end - 1)])
            return make.ref(path, (), (start, end))
        head, filters = run(self, "reference", start + 2, end - 1)
        return make.ref(head, tuple(filters), (start, end))
