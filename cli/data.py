"""Values of the runner as data: dicts, lists and scalars, as JSON has them."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins


def as_data(value: Any) -> Any:
    """The value with the same names; a text that is masked is a text."""
    return to_builtins(value, enc_hook=str)
