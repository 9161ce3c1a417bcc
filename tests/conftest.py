"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run: a change is judged by itself, not by luck. To look further, run
# with `--hypothesis-profile=search`.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search", derandomize=False, max_examples=1000)
settings.load_profile("repeatable")
