"""Kinds, and a way to check a text, for the tests of the compiler's front."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from rflow.plugins.types import Specs

# How long an example takes says nothing on a machine that does other things too.
settings.register_profile("compiler", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("compiler")

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def specs() -> Specs:
    """The built-in kinds and some that no plugin supplies."""
    from fixed_kinds import SPECS

    return SPECS
