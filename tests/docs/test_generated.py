"""The pages of the reference that are made from the code say what the code says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .pages import ROOT


@pytest.mark.slow
def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
