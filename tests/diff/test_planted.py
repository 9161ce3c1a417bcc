"""Every bug that is planted in what is told about a change to a flow is caught."""

from __future__ import annotations

import mutations
import pytest
from hypothesis import Phase, given, settings
from refactoring import flows, other_styles, styles, write
from rflow.compiler.safety import compare
from rflow.plugins.types import Specs
from test_changes import CASES, SHOP, Compile, changed, told


def _check(plan: Compile, specs: Specs) -> None:
    """The table of changes, and refactorings of a few flows."""
    shop = plan(SHOP)
    for edits, wanted in CASES.values():
        assert told(shop, plan(changed(*edits)), specs) == wanted

    @settings(max_examples=10, phases=(Phase.generate,), database=None)
    @given(flow=flows, one=styles, two=other_styles)
    def refactor(flow: object, one: object, two: object) -> None:
        plans = []
        for style in (one, two):
            text, files = write(flow, style)  # type: ignore[arg-type]
            plans.append(plan(text, files=files))
        assert compare(plans[0], plans[1], specs) == ()

    refactor()


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted", mutations.DIFF_BUGS, ids=[bug.name for bug in mutations.DIFF_BUGS]
)
def test_a_planted_bug_is_caught(
    planted: object, plan: Compile, specs: Specs, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.plant(monkeypatch)  # type: ignore[attr-defined]
    with pytest.raises(AssertionError):
        _check(plan, specs)
