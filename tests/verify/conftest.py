"""Records that the tests share, or change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rflow.runner.state_dir import StateDir

sys.path.insert(0, str(Path(__file__).parent))

from records import Recorded, record


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    found = record(StateDir(tmp_path / ".rflow").make())
    yield found
    found.journal.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """One record for examples that leave it as they found it."""
    found = record(StateDir(tmp_path_factory.mktemp("record") / ".rflow").make())
    yield found
    found.journal.close()
