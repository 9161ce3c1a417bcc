"""All codes of the language and its compiler, gathered from the modules that own them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from rflow.dsl.diagnostics import Code


def all_codes() -> dict[str, Code]:
    """Every code of `dsl` and `compiler`, by id; ValueError if a number is used twice."""
    found: dict[str, Code] = {}
    for package in ("rflow.dsl", "rflow.compiler", "rflow.compiler.checks"):
        for module in sorted(m.name for m in iter_modules(import_module(package).__path__)):
            for value in vars(import_module(f"{package}.{module}")).values():
                if not isinstance(value, Code):
                    continue
                if found.setdefault(value.id, value) is not value:
                    raise ValueError(f"the number {value.id} is used for two codes")
    return dict(sorted(found.items()))
