"""The builder: what to make of each rule of the grammar (see `build_expr` for the values).

It turns the values of a rule's symbols into nodes of the tree, with exact spans, and hands doc
comments to what they precede. It reports nothing.
"""

from __future__ import annotations

from typing import Any, cast

from rflow.dsl import ast, make
from rflow.dsl.ast import Span
from rflow.dsl.build_expr import Values, comment
from rflow.dsl.build_test import TestClauses
from rflow.dsl.strings import read_string

Block = tuple[list[Any], int, int]
"""The entries of a block, and where its braces begin and end."""


class Builder(TestClauses):
    """One file's builder. `docs` maps where an item begins to the doc comments before it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.docs: dict[int, list[Span]] = {}

    # -- lists and blocks

    def same(self, v: Values) -> Any:
        return v[0]

    def second(self, v: Values) -> Any:
        return v[1]

    def nothing(self, v: Values) -> None:
        return None

    def empty(self, v: Values) -> Values:
        return []

    def first(self, v: Values) -> Values:
        return v

    def more(self, v: Values) -> Values:
        v[0].append(v[1])
        return cast(Values, v[0])

    def more_after_comma(self, v: Values) -> Values:
        v[0].append(v[2])
        return cast(Values, v[0])

    def block(self, v: Values) -> Block:
        return v[1], v[0][0], v[-1][1]

    def block_empty(self, v: Values) -> Block:
        return [], v[0][0], v[1][1]

    # -- words

    def word(self, v: Values) -> ast.Name:
        start, end = v[0]
        return make.name(self.text[start:end], v[0])

    def word_first(self, v: Values) -> Values:
        return [self.word(v)]

    def word_more(self, v: Values) -> Values:
        v[0].append(self.word(v[2:]))
        return cast(Values, v[0])

    def doc(self, start: int) -> str | None:
        """The text of the doc comments before what begins at `start`."""
        spans = self.docs.pop(start, None)
        if spans is None:
            return None
        lines = (self.text[a + 2 : b].rstrip() for a, b in spans)
        return "\n".join(line.removeprefix(" ") for line in lines)

    # -- inputs

    def input(self, v: Values) -> ast.Input:
        value = v[1]
        return make.entry(self.key_name(v[0]), value, (v[0][0], value.span[1]))

    def assign(self, v: Values) -> ast.Input:
        """`name = literal`, one token."""
        start, end = v[0]
        text = self.text
        name, _, rest = text[start:end].partition("=")
        name = name.rstrip()
        literal = rest.lstrip()
        at = end - len(literal)
        span = (at, end)
        value: ast.Expr
        first = literal[0]
        if first == '"':
            value = read_string(text, at, end, self.read_ref)
        elif first == "$":
            value = self.read_ref(at, end)
        elif first == "t" or first == "f":
            value = ast.Bool(first == "t", span=span)
        else:
            value = self.integer([span])
        return make.entry(make.name(name, (start, start + len(name))), value, v[0])

    # -- the file

    def file(self, v: Values) -> ast.Module:
        version = self.integer(v[1:]).value
        return ast.Module(version, tuple(v[2]), span=(v[0][0], v[1][1]))

    def imported(self, v: Values) -> ast.Import:
        return ast.Import(v[1], span=(v[0][0], v[1].span[1]))

    def people(self, v: Values) -> ast.People:
        start = v[0][0]
        entries, _, end = v[2]
        return ast.People(self.word(v[1:]), tuple(entries), doc=self.doc(start), span=(start, end))

    def pipeline(self, v: Values) -> ast.Pipeline:
        start = v[0][0]
        entries, _, end = v[2]
        return ast.Pipeline(
            self.word(v[1:]), tuple(entries), doc=self.doc(start), span=(start, end)
        )

    def stage_bare(self, v: Values) -> ast.Stage:
        start = v[0][0]
        return ast.Stage(self.word(v[1:]), doc=self.doc(start), span=(start, v[1][1]))

    def stage(self, v: Values) -> ast.Stage:
        start = v[0][0]
        entries, _, end = v[2]
        return ast.Stage(self.word(v[1:]), tuple(entries), doc=self.doc(start), span=(start, end))

    def protect(self, v: Values) -> ast.Protect:
        return ast.Protect(span=v[0])

    def window(self, v: Values) -> ast.Open:
        return ast.Open(v[1], span=(v[0][0], v[1].span[1]))

    def rollback_policy(self, v: Values) -> ast.RollbackPolicy:
        by = self.by(v[1:])
        return ast.RollbackPolicy(by, span=(v[0][0], by.span[1]))

    def rollback_policy_count(self, v: Values) -> ast.RollbackPolicy:
        count = self.integer(v[4:])
        return ast.RollbackPolicy(self.by(v[1:]), count.value, span=(v[0][0], v[4][1]))

    def flow(self, v: Values) -> ast.Flow:
        start = v[0][0]
        entries, _, end = v[3]
        return ast.Flow(
            self.word(v[1:]), v[2], tuple(entries), doc=self.doc(start), span=(start, end)
        )

    # -- items of a flow

    def arg(self, v: Values) -> ast.Arg:
        start = v[0][0]
        return ast.Arg(self.word(v[1:]), v[2], doc=self.doc(start), span=(start, v[2].span[1]))

    def arg_default(self, v: Values) -> ast.Arg:
        start = v[0][0]
        return ast.Arg(
            self.word(v[1:]), v[2], v[4], doc=self.doc(start), span=(start, v[4].span[1])
        )

    def secret(self, v: Values) -> ast.Secret:
        start = v[0][0]
        key = v[4]
        return ast.Secret(
            self.word(v[1:]),
            self.word(v[3:]),
            key,
            doc=self.doc(start),
            span=(start, key.span[1]),
        )

    def let(self, v: Values) -> ast.Let:
        start = v[0][0]
        entry = v[1]
        return ast.Let(
            entry.name, entry.value, doc=self.doc(start), span=(start, entry.value.span[1])
        )

    def output(self, v: Values) -> ast.Output:
        start = v[0][0]
        entry = v[1]
        return ast.Output(
            entry.name, entry.value, doc=self.doc(start), span=(start, entry.value.span[1])
        )

    def concurrency(self, v: Values) -> ast.Concurrency:
        return ast.Concurrency(self.word(v[1:]), span=(v[0][0], v[1][1]))

    def trigger_bare(self, v: Values) -> ast.Trigger:
        start = v[0][0]
        kind = self.word_in(v[2], 1)
        return ast.Trigger(self.word(v[1:]), kind, doc=self.doc(start), span=(start, v[2][1]))

    def trigger(self, v: Values) -> ast.Trigger:
        start = v[0][0]
        entries, _, end = v[3]
        kind = self.word_in(v[2], 1)
        return ast.Trigger(
            self.word(v[1:]), kind, tuple(entries), doc=self.doc(start), span=(start, end)
        )

    def node(self, v: Values) -> ast.Node:
        start = v[0][0]
        entries, _, end = v[4]
        return make.node(
            self.word(v[1:]),
            self.word_in(v[2], 1),
            tuple(v[3] or ()),
            tuple(entries),
            self.doc(start) if self.docs else None,
            (start, end),
        )

    def approve(self, v: Values) -> ast.Approve:
        start = v[0][0]
        entries, _, end = v[3]
        return ast.Approve(
            self.word(v[1:]), tuple(v[2] or ()), tuple(entries), self.doc(start), span=(start, end)
        )

    def group(self, v: Values) -> ast.GroupBlock:
        start = v[0][0]
        entries, _, end = v[3]
        clauses = tuple(e for e in entries if isinstance(e, ast.When | ast.Each))
        members = tuple(e for e in entries if not isinstance(e, ast.When | ast.Each))
        return ast.GroupBlock(
            cast(Any, self.text[start : v[0][1]]),
            self.word(v[1:]),
            tuple(v[2] or ()),
            clauses,
            members,
            self.doc(start),
            span=(start, end),
        )

    def use(self, v: Values) -> ast.Use:
        start = v[0][0]
        entries, _, end = v[5]
        return ast.Use(
            self.word(v[1:]),
            self.word(v[3:]),
            tuple(v[4] or ()),
            tuple(entries),
            self.doc(start),
            span=(start, end),
        )

    def on_failure_rollback(self, v: Values) -> ast.OnFailure:
        return ast.OnFailure(True, span=(v[0][0], v[2][1]))

    def on_failure(self, v: Values) -> ast.OnFailure:
        entries, _, end = v[2]
        return ast.OnFailure(False, tuple(entries), span=(v[0][0], end))

    def on_failure_both(self, v: Values) -> ast.OnFailure:
        entries, _, end = v[3]
        return ast.OnFailure(True, tuple(entries), span=(v[0][0], end))

    def finally_block(self, v: Values) -> ast.Finally:
        entries, _, end = v[1]
        return ast.Finally(tuple(entries), span=(v[0][0], end))

    # -- clauses

    def when(self, v: Values) -> ast.When:
        return ast.When(v[1], span=(v[0][0], v[1].span[1]))

    def each(self, v: Values) -> ast.Each:
        return ast.Each(self.word(v[1:]), v[3], span=(v[0][0], v[3].span[1]))

    def each_limited(self, v: Values) -> ast.Each:
        most = self.integer(v[6:])
        return ast.Each(self.word(v[1:]), v[3], most.value, span=(v[0][0], v[6][1]))

    def retry(self, v: Values) -> ast.Retry:
        policy = ast.Name("exponential", span=v[0])
        return ast.Retry(self.integer(v[1:]).value, policy, span=(v[0][0], v[1][1]))

    def retry_none(self, v: Values) -> ast.Retry:
        return ast.Retry(1, ast.Name("none", span=v[1]), span=(v[0][0], v[1][1]))

    def retry_backoff(self, v: Values) -> ast.Retry:
        low, high = self.duration(v[3:]), self.duration(v[5:])
        inputs = (
            ast.Input(ast.Name("min", span=v[3]), low, span=v[3]),
            ast.Input(ast.Name("max", span=v[5]), high, span=v[5]),
        )
        policy = ast.Name("exponential", span=v[2])
        return ast.Retry(self.integer(v[1:]).value, policy, inputs, span=(v[0][0], v[5][1]))

    def retry_every(self, v: Values) -> ast.Retry:
        delay = ast.Input(ast.Name("delay", span=v[3]), self.duration(v[3:]), span=v[3])
        policy = ast.Name("constant", span=v[2])
        return ast.Retry(self.integer(v[1:]).value, policy, (delay,), span=(v[0][0], v[3][1]))

    def retry_using_bare(self, v: Values) -> ast.Retry:
        return ast.Retry(self.integer(v[1:]).value, v[3], span=(v[0][0], v[3].span[1]))

    def retry_using(self, v: Values) -> ast.Retry:
        entries, _, end = v[4]
        return ast.Retry(self.integer(v[1:]).value, v[3], tuple(entries), span=(v[0][0], end))

    def timeout(self, v: Values) -> ast.Timeout:
        return make.timeout(self.duration(v[1:]), (v[0][0], v[1][1]))

    def lock(self, v: Values) -> ast.Lock:
        return ast.Lock(v[1], span=(v[0][0], v[1].span[1]))

    def undo_bare(self, v: Values) -> ast.Undo:
        return ast.Undo(v[1], span=(v[0][0], v[1].span[1]))

    def undo(self, v: Values) -> ast.Undo:
        entries, _, end = v[2]
        return ast.Undo(v[1], tuple(entries), span=(v[0][0], end))

    def keep(self, v: Values) -> ast.Keep:
        return ast.Keep(v[1], span=(v[0][0], v[1].span[1]))

    def irreversible(self, v: Values) -> ast.Irreversible:
        return ast.Irreversible(v[1], span=(v[0][0], v[1].span[1]))

    def pure(self, v: Values) -> ast.Pure:
        return ast.Pure(span=v[0])

    def continue_on_failure(self, v: Values) -> ast.ContinueOnFailure:
        return ast.ContinueOnFailure(span=(v[0][0], v[2][1]))

    def declared_output(self, v: Values) -> ast.DeclaredOutput:
        return ast.DeclaredOutput(self.word(v[1:]), v[2], span=(v[0][0], v[2].span[1]))

    def by(self, v: Values) -> ast.By:
        return ast.By(tuple(v[1]), span=(v[0][0], v[1][-1].span[1]))

    def count(self, v: Values) -> ast.Count:
        return ast.Count(self.integer(v[1:]).value, span=(v[0][0], v[1][1]))

    def within(self, v: Values) -> ast.Within:
        limit = self.duration(v[1:])
        start, end = v[3]
        return ast.Within(limit, cast(Any, self.text[start:end]), span=(v[0][0], end))

    def self_approval(self, v: Values) -> ast.SelfApproval:
        return ast.SelfApproval(span=v[0])


__all__ = ["Block", "Builder", "comment"]
