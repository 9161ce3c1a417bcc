"""Kinds, and a way to check a text, for the tests of the compiler's front."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rflow.plugins.types import Specs

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def specs() -> Specs:
    """The built-in kinds and some that no plugin supplies."""
    from fixed_kinds import SPECS

    return SPECS
