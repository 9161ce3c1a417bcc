"""The retry policies: how long to wait before each attempt but the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from rflow.plugins import Doc, Duration, Policy


@dataclass(frozen=True)
class Exponential(Policy, name="exponential"):
    """Delays that double, from a smallest to a largest: `retry 3 backoff 1s..30s`."""

    min: Annotated[Duration, Doc("The delay before the second attempt.")] = 1.0
    max: Annotated[Duration, Doc("No delay is longer.")] = 30.0
    jitter: Annotated[float, Doc("The part of a delay, 0 to 1, that chance may take off.")] = 0.2

    def __post_init__(self) -> None:
        if self.max < self.min:
            raise ValueError("the largest delay is smaller than the smallest")
        if not 0 <= self.jitter <= 1:
            raise ValueError("`jitter` is a part, from 0 to 1")

    def delays(self, attempts: int) -> list[float]:
        # Past 2**64 every delay is the largest; the exponent is kept from overflowing.
        return [min(self.min * 2.0 ** min(i, 64), self.max) for i in range(attempts - 1)]


@dataclass(frozen=True)
class Constant(Policy, name="constant"):
    """The same delay before each attempt: `retry 3 every 5s`."""

    delay: Annotated[Duration, Doc("The delay.")] = 5.0

    def delays(self, attempts: int) -> list[float]:
        return [self.delay] * (attempts - 1)


@dataclass(frozen=True)
class Never(Policy, name="none"):
    """No second attempt: `retry none`."""

    def delays(self, attempts: int) -> list[float]:
        if attempts > 1:
            raise ValueError("the policy `none` allows one attempt")
        return []


POLICIES = (Exponential, Constant, Never)
