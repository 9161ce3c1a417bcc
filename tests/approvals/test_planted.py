"""Every bug that is planted in what an approval binds to is caught."""

from __future__ import annotations

from pathlib import Path

import mutations
import pytest
from test_binds import INSIDE, Differs, slice_of


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted", mutations.SLICE_BUGS, ids=[bug.name for bug in mutations.SLICE_BUGS]
)
def test_a_planted_bug_is_caught(
    planted: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLICE_ONE", "one-of-the-secrets")
    monkeypatch.setenv("SLICE_TWO", "two-of-the-secrets")
    planted.plant(monkeypatch)  # type: ignore[attr-defined]
    first = slice_of(tmp_path / "first", Differs())
    others = {what: slice_of(tmp_path / what, INSIDE[what]) for what in INSIDE}
    assert first in others.values()
