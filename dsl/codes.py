"""All the codes of syntax (RF1xx), gathered from the modules that raise them."""

from __future__ import annotations

from types import ModuleType

from rflow.dsl import (
    limits,
    slips_depth,
    slips_entry,
    slips_file,
    slips_header,
    slips_string,
    slips_text,
    slips_value,
)
from rflow.dsl.diagnostics import Code


def all_codes() -> dict[str, Code]:
    """Code by id, sorted. A number that is used twice is a bug, and raises."""
    codes: dict[str, Code] = {}
    modules: tuple[ModuleType, ...] = (
        limits,
        slips_depth,
        slips_entry,
        slips_file,
        slips_header,
        slips_string,
        slips_text,
        slips_value,
    )
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Code) and codes.setdefault(value.id, value) is not value:
                raise ValueError(f"{value.id} is used twice")
    return dict(sorted(codes.items()))
