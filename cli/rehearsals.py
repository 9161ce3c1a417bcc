"""Tests of flows, played: which there are, how each went, and what the tests reached.

Owns what `rflow test` works out; how it is shown is `verdicts`' and `junit`'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct, field
from rflow.cli.flows import Flows
from rflow.runner.chaos import Difference, differences
from rflow.runner.expectations import Unmet, judge
from rflow.runner.rehearsal_coverage import Coverage
from rflow.runner.rehearsal_run import Theatre, Unplayable
from rflow.runner.rehearse import Rehearsed, play

if TYPE_CHECKING:
    from rflow.compiler.testing import Test

DIFFERENCES_MAX = 3
"""Of a test that chaos breaks, so many crashes are looked at."""


class Verdict(Struct, frozen=True):
    """How a test went. `problem` is set where it could not be played; `took_s` is real time."""

    file: str
    test: Test
    took_s: float
    rehearsed: Rehearsed | None = None
    unmet: tuple[Unmet, ...] = ()
    problem: str = ""
    chaos: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not (self.unmet or self.problem or self.chaos)


class Rehearsals(Struct):
    """The tests of one file. The plans of their flows are made once."""

    path: str
    flows: Flows
    theatres: dict[str, Theatre] = field(default_factory=dict)
    coverages: dict[str, Coverage] = field(default_factory=dict)

    def chosen(self, word: str | None) -> list[Test]:
        """The tests whose names hold `word`."""
        wanted = (word or "").casefold()
        return [test for test in self.flows.checked.tests if wanted in test.name.casefold()]

    def play(self, tests: list[Test], *, chaos: bool) -> Iterator[Verdict]:
        """Play these tests, one after the other."""
        for test in tests:
            theatre = self._theatre(test.flow)
            started = time.perf_counter()
            try:
                rehearsed = play(theatre, test)
            except Unplayable as problem:
                took_s = time.perf_counter() - started
                yield Verdict(self.path, test, took_s, problem=str(problem))
                continue
            unmet = judge(rehearsed, theatre.filters)
            self.coverages[test.flow].add([rehearsed])
            found: list[Difference] = []
            if chaos:
                for difference in differences(theatre, rehearsed, theatre.filters):
                    found.append(difference)
                    if len(found) == DIFFERENCES_MAX:
                        break
            took_s = time.perf_counter() - started
            yield Verdict(self.path, test, took_s, rehearsed, tuple(unmet), "", tuple(found))

    def _theatre(self, flow: str) -> Theatre:
        known = self.theatres.get(flow)
        if known is None:
            kinds = self.flows.kinds
            plan = self.flows.plan(flow)
            known = self.theatres[flow] = Theatre(plan, kinds.specs, kinds.host.filters())
            self.coverages[flow] = Coverage(plan)
        return known
