"""Runs by the thousand, from seeds, with crashes: the invariants hold."""

from __future__ import annotations

import pytest
from invariants import check
from rflow.runner import events as ev
from simulation import Simulation, make_case

SEEDS = range(600)


@pytest.mark.parametrize("part", range(4))
def test_invariants_hold_with_crashes(part: int) -> None:
    for seed in SEEDS[part::4]:
        simulation = Simulation(make_case(seed))
        records = simulation.play()
        try:
            check(simulation, records)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_invariants_hold_over_thousands_of_runs(part: int) -> None:
    for seed in range(10_000 + part, 14_000, 4):
        simulation = Simulation(make_case(seed))
        try:
            check(simulation, simulation.play())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("part", range(2))
def test_the_world_is_the_same_with_and_without_crashes(part: int) -> None:
    """For runs in which nothing fails for good: what order things happen in is then no matter."""
    for seed in range(part, 300, 2):
        calm = Simulation(make_case(seed, crashes=False, calm=True))
        calm_records = calm.play()
        crashed = Simulation(make_case(seed, crashes=True, calm=True))
        records = crashed.play()
        check(crashed, records)
        assert crashed.world.values == calm.world.values, seed
        ends = [r[-1].event for r in (calm_records, records)]
        assert all(isinstance(end, ev.RunEnded) for end in ends)
        assert {end.status for end in ends if isinstance(end, ev.RunEnded)} == {"success"}, seed
