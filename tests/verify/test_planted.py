"""Every bug that is planted in the chain of a record is caught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mutations
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from records import Recorded, record
from rflow.runner.state_dir import StateDir
from test_bytes import (
    EVENTS,
    TEXTS,
    test_a_byte_of_a_text,
    test_a_byte_of_a_time,
    test_a_record_as_it_was_written,
)
from test_whole import test_an_event_and_its_head_were_changed


def _check(recorded: Recorded) -> None:
    """Bytes of each event, changed without looking for the smallest example."""
    test_a_record_as_it_was_written(recorded)
    flip = {"shared": st.just(recorded), "at": st.integers(0, 7), "bits": st.integers(1, 255)}
    for number in range(1, EVENTS + 1):
        event = {**flip, "number": st.just(number)}
        _play(test_a_byte_of_a_time, **event)
        _play(test_a_byte_of_a_text, **event, column=st.sampled_from(TEXTS))
    test_an_event_and_its_head_were_changed(recorded)


def _play(test: Any, **given_: st.SearchStrategy[Any]) -> None:
    quick = settings(max_examples=5, phases=(Phase.generate,), database=None)
    quick(given(**given_)(test.hypothesis.inner_test))()


def test_without_a_planted_bug_nothing_is_caught(recorded: Recorded) -> None:
    _check(recorded)


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted", mutations.CHAIN_BUGS, ids=[bug.name for bug in mutations.CHAIN_BUGS]
)
def test_a_planted_bug_is_caught(
    planted: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.plant(monkeypatch)  # type: ignore[attr-defined]
    recorded = record(StateDir(tmp_path / ".rflow").make())
    try:
        with pytest.raises(BaseException, match=r"."):
            _check(recorded)
    finally:
        recorded.journal.close()
