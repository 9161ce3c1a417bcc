"""The properties catch planted bugs, every one of them."""

from __future__ import annotations

import mutations
import pytest
from invariants import check
from simulation import Simulation, make_case


def _caught(seeds: int = 1500) -> str:
    """The first seed that shows that something is wrong, and how; "" if none does."""
    for seed in range(seeds):
        try:
            simulation = Simulation(make_case(seed))
            check(simulation, simulation.play())
            calm = Simulation(make_case(seed, crashes=False, calm=True))
            calm.play()
            crashed = Simulation(make_case(seed, calm=True))
            check(crashed, crashed.play())
            assert crashed.world.values == calm.world.values
            assert crashed.driver.state.outcome == calm.driver.state.outcome == "success"
            assert crashed.world.made_twice() == []
        except Exception as error:
            return f"seed {seed}: {type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("planted", mutations.BUGS, ids=[bug.name for bug in mutations.BUGS])
def test_a_planted_bug_is_caught(planted: object, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(monkeypatch)  # type: ignore[attr-defined]
    assert _caught()


def test_without_a_planted_bug_nothing_is_caught() -> None:
    assert _caught(300) == ""
