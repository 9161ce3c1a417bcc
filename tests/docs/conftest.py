"""The environment of a reader who tries the pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the pages of one process share, so that plugins are read once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> dict[str, str]:
    """A terminal of 80 columns without colours; the reader's login name is `you`."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path_factory.mktemp("home")),
        "XDG_CACHE_HOME": str(cache_home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "COLUMNS": "80",
        "RFLOW_AS": "you",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
