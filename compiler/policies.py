"""What the compiler asks of the host: the delays that a retry policy gives."""

from __future__ import annotations

from collections.abc import Callable

from rflow.dsl.diagnostics import Diagnostic
from rflow.plugins.types import Json

Delays = Callable[[str, dict[str, Json], int], tuple[tuple[float, ...], float]]
"""Policy, its inputs, attempts → the delays in seconds and the jitter; the host knows."""


class PolicyRefused(Exception):
    """A retry policy does not take its inputs; `diagnostic` says which, and why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic
