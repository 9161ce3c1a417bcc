"""Chaos: no crash changes how a test ends, and a planted bug does not go unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutations
import pytest

HERE = Path(__file__).parent
FLOW = """rflow 1

flow release {
  approve go { by "oncall@example.com"  within 48h else reject }
  node image: build.archive after go { from = "src"  name = "shop"  retry 3 every 10s }
  node web: deploy.directory after image {
    artifact = $<refs.image.artifact>
    target   = "/srv/shop"
    retry 3 every 10s
  }
  node flag: sh after web { script = "flag on"  undo sh { script = "flag off" } }
  node ping: http.check after flag { url = "https://shop.example.com"  retry 2 every 5s }
  on failure rollback
}

test "it is undone" {
  run release
  answer go approve by "oncall@example.com" after 3h
  fail image on attempt 1
  fail web on attempt 1
  fail ping always
  expect run failed
  expect image attempts 2
  expect web attempts 2
  expect undone web
  expect undone flag
}

test "nobody answers" {
  run release
  expect go failed
}
"""


OF_CRASHES = (
    "an attempt that was cut off uses up a retry",
    "an attempt that was cut off is begun again with a new key",
    "after a crash an effect is repeated without asking what the first attempt did",
    "after a crash the times that were waited for are forgotten",
)


def test_no_crash_changes_how_a_test_ends(play: Callable[..., Any]) -> None:
    _, verdicts = play(FLOW, chaos=True)
    assert [(v.test.name, v.unmet, v.chaos, v.problem) for v in verdicts] == [
        (name, (), (), "") for name in ("it is undone", "nobody answers")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(HERE.glob("flows/*.rflow")), ids=lambda path: path.stem)
def test_no_crash_changes_how_the_tests_of_the_table_end(
    path: Path, play: Callable[..., Any]
) -> None:
    _, verdicts = play(path.read_text(encoding="utf-8"), chaos=True)
    assert [(v.test.name, d.message) for v in verdicts for d in v.chaos] == []


@pytest.mark.parametrize("name", OF_CRASHES)
def test_chaos_finds_a_planted_bug(
    name: str, play: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bug = next(bug for bug in mutations.BUGS if bug.name == name)
    bug.plant(monkeypatch)
    _, verdicts = play(FLOW, chaos=True)
    assert any(verdict.chaos for verdict in verdicts)
    assert all(not verdict.unmet for verdict in verdicts), "without a crash nothing is wrong"
