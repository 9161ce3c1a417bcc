"""Durations as text: `1h30m`, `500ms`; as values they are numbers of seconds.

This module owns that notation for text from outside and for text that people read; durations in
a `.rflow` file are read by the parser.
"""

from __future__ import annotations

import re

UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
ACCEPTED = "a duration such as `500ms`, `30s`, `10m`, `2h`, `7d` or `1h30m`"

_PART = re.compile(r"([0-9]{1,15})(ms|[dhms])")


def read_duration(text: str) -> int | float:
    """The seconds of `1h30m`; ValueError names what is accepted. Larger units come first."""
    rank = -1
    at = total_ms = 0
    order = list(UNITS_MS)
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or order.index(part[2]) <= rank:
            raise ValueError(f"{text!r} is not {ACCEPTED}")
        rank = order.index(part[2])
        total_ms += int(part[1]) * UNITS_MS[part[2]]
        at = part.end()
    if rank < 0:
        raise ValueError(f"an empty text is not {ACCEPTED}")
    return total_ms // 1000 if total_ms % 1000 == 0 else total_ms / 1000


def show_duration(seconds: float) -> str:
    """`1h30m` for 5400; to the millisecond, `0s` for none at all."""
    left_ms = round(abs(seconds) * 1000)
    parts = ["-"] if seconds < 0 and left_ms else []
    for unit, size_ms in UNITS_MS.items():
        amount, left_ms = divmod(left_ms, size_ms)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
