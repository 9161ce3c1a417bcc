"""The axis of a run's timeline: work keeps its lengths, waiting is cut short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.server.pages.timeline import SCALE, Axis


def test_an_hour_of_waiting_leaves_room_for_seconds_of_work() -> None:
    axis = Axis(0, 3620, [((0, 10), "sh"), ((10, 3610), "approve"), ((3610, 3620), "sh")])

    assert axis.at(10) > SCALE * 0.4
    assert axis.at(3610) < SCALE * 0.6
    assert axis.at(3620) == SCALE
    assert axis.at(10) == pytest.approx(SCALE - axis.at(3610))


def test_without_gaps_the_axis_is_straight() -> None:
    axis = Axis(0, 10, [((0, 6), "sh"), ((4, 10), "sh")])

    assert [axis.at(t) for t in (0, 2.5, 5, 10)] == [0, 250, 500, 1000]


spans = st.lists(
    st.tuples(
        st.tuples(st.floats(0, 100), st.floats(0, 100)).map(lambda s: (min(s), max(s))),
        st.sampled_from(["sh", "approve"]),
    ),
    max_size=8,
)


@given(spans, st.lists(st.floats(-5, 105), min_size=2, max_size=8))
def test_what_comes_later_never_stands_before(
    found: list[tuple[tuple[float, float], str]], times: list[float]
) -> None:
    axis = Axis(0, 100, found)
    places = [axis.at(max(0.0, time)) for time in sorted(times)]

    assert places == sorted(places)
    assert all(0 <= place <= SCALE + 1e-6 for place in places)
