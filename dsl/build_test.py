"""The builder's methods for `test` blocks; see `build` for how they are called."""

from __future__ import annotations

from typing import Any, cast

from rflow.dsl import ast
from rflow.dsl.build_expr import Expressions, Values


class TestClauses(Expressions):
    """The part of the builder for what stands in a `test`."""

    __test__ = False

    def test(self, v: Values) -> ast.Test:
        start = v[0][0]
        entries, _, end = v[2]
        return ast.Test(v[1], tuple(entries), doc=self.doc(start), span=(start, end))

    def doc(self, start: int) -> str | None:
        """The text of the doc comments before what begins at `start`."""
        raise NotImplementedError

    def second_duration(self, v: Values) -> ast.Duration:
        return self.duration(v[1:])

    def _name(self, span: ast.Span) -> ast.Name:
        return ast.Name(self.text[span[0] : span[1]], span=span)

    # -- what a clause is about

    def target(self, v: Values) -> ast.Target:
        return ast.Target((ast.Step(v[0], span=v[0].span),), span=v[0].span)

    def target_turn(self, v: Values) -> ast.Target:
        *before, last = v[0].steps
        step = ast.Step(last.name, (*last.turn, *v[2]), span=(last.span[0], v[3][1]))
        return ast.Target((*before, step), span=(v[0].span[0], v[3][1]))

    def target_tail(self, v: Values) -> ast.Target:
        start, end = v[1]
        step = ast.Step(self._name((start + 1, end)), span=(start + 1, end))
        return ast.Target((*v[0].steps, step), span=(v[0].span[0], end))

    # -- what happens

    def test_run_bare(self, v: Values) -> ast.TestRun:
        end = max(part.span[1] for part in v[2:4] if part) if v[2] or v[3] else v[1][1]
        return ast.TestRun(self._name(v[1]), v[2], v[3], span=(v[0][0], end))

    def test_run(self, v: Values) -> ast.TestRun:
        entries, _, end = v[4]
        return ast.TestRun(self._name(v[1]), v[2], v[3], tuple(entries), span=(v[0][0], end))

    def given_bare(self, v: Values) -> ast.Given:
        end = (v[2] or v[1]).span[1]
        return ast.Given(v[1], v[2], span=(v[0][0], end))

    def given(self, v: Values) -> ast.Given:
        entries, _, end = v[3]
        return ast.Given(v[1], v[2], tuple(entries), span=(v[0][0], end))

    def answer(self, v: Values) -> ast.Answer:
        start, end = v[2]
        last = v[5] or v[4][-1]
        decision = cast(Any, self.text[start:end])
        return ast.Answer(v[1], decision, tuple(v[4]), v[5], span=(v[0][0], last.span[1]))

    def always(self, v: Values) -> tuple[int, int | None, int]:
        return 1, None, v[0][1]

    def on_attempt(self, v: Values) -> tuple[int, int | None, int]:
        number = self.integer(v[2:]).value
        return number, number, v[2][1]

    def on_attempts(self, v: Values) -> tuple[int, int | None, int]:
        return self.integer(v[2:]).value, self.integer(v[4:]).value, v[4][1]

    def fail(self, v: Values) -> ast.Fail:
        first, last, end = v[2]
        end = v[4].span[1] if v[4] else v[3][1] if v[3] else end
        span = (v[0][0], end)
        return ast.Fail(v[1], first, last, halfway=v[3] is not None, message=v[4], span=span)

    def fail_undo(self, v: Values) -> ast.Fail:
        first, last, end = v[3]
        span = (v[0][0], v[4].span[1] if v[4] else end)
        return ast.Fail(v[2], first, last, undo=True, message=v[4], span=span)

    def cancel_after(self, v: Values) -> ast.Cancel:
        end = v[3][1] if v[3] else v[2][1]
        return ast.Cancel(self.duration(v[2:]), None, v[3] is not None, span=(v[0][0], end))

    def cancel_at(self, v: Values) -> ast.Cancel:
        end = v[3][1] if v[3] else v[2].span[1]
        return ast.Cancel(None, v[2], v[3] is not None, span=(v[0][0], end))

    # -- what is expected

    def expect_run(self, v: Values) -> ast.ExpectRun:
        start, end = v[2]
        return ast.ExpectRun(cast(Any, self.text[start:end]), span=(v[0][0], end))

    def expect_within(self, v: Values) -> ast.ExpectWithin:
        return ast.ExpectWithin(self.duration(v[3:]), span=(v[0][0], v[3][1]))

    def expect_status(self, v: Values) -> ast.ExpectStatus:
        start, end = v[2]
        return ast.ExpectStatus(v[1], cast(Any, self.text[start:end]), span=(v[0][0], end))

    def expect_not_started(self, v: Values) -> ast.ExpectStatus:
        return ast.ExpectStatus(v[1], "not started", span=(v[0][0], v[3][1]))

    def expect_attempts(self, v: Values) -> ast.ExpectAttempts:
        return ast.ExpectAttempts(v[1], self.integer(v[3:]).value, span=(v[0][0], v[3][1]))

    def expect_before(self, v: Values) -> ast.ExpectBefore:
        return ast.ExpectBefore(v[1], v[3], span=(v[0][0], v[3].span[1]))

    def expect_effect(self, v: Values) -> ast.ExpectEffect:
        start, end = v[1]
        which = cast(Any, self.text[start:end])
        return ast.ExpectEffect(which, v[2], span=(v[0][0], v[2].span[1]))

    def expect_output(self, v: Values) -> ast.ExpectOutput:
        op = self.operator(v[3])
        return ast.ExpectOutput(self._name(v[2]), op, v[4], span=(v[0][0], v[4].span[1]))
