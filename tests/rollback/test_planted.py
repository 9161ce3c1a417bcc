"""Every bug that is planted in how stages are released to and rolled back is caught."""

from __future__ import annotations

from pathlib import Path

import mutations
import pytest
from hypothesis import Phase
from test_two_runners import SCENES, play
from test_two_runners import test_a_scene as play_scene


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted", mutations.STAGE_BUGS, ids=[bug.name for bug in mutations.STAGE_BUGS]
)
def test_a_planted_bug_is_caught(
    planted: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.plant(monkeypatch)  # type: ignore[attr-defined]
    with pytest.raises(Exception, match=r"."):  # noqa: PT012
        for number, scene in enumerate(SCENES):
            play_scene(scene, tmp_path / str(number))
        play(400, 40, phases=(Phase.generate,), derandomize=True, database=None)
