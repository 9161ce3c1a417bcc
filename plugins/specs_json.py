"""The JSON form of specs, so that a file can be checked without importing any plugin.

A spec is an object with its fields; those that have their default value are left out, types are
text (see `notation`). No plugin is needed to read it.
"""

from __future__ import annotations

from typing import Any

from msgspec import NODEFAULT
from rflow.plugins.notation import parse_type, show_type
from rflow.plugins.types import (
    FilterSpec,
    InputSpec,
    NodeSpec,
    OutputSpec,
    PolicySpec,
    RetrySpec,
    SourceSpec,
    Specs,
    TriggerSpec,
)

FORMAT = 1

Spec = NodeSpec | TriggerSpec | FilterSpec | PolicySpec | SourceSpec

_SECTIONS: tuple[tuple[str, type[Spec]], ...] = (
    ("nodes", NodeSpec),
    ("triggers", TriggerSpec),
    ("filters", FilterSpec),
    ("policies", PolicySpec),
    ("sources", SourceSpec),
)


def _with_defaults(cls: type[Any]) -> tuple[tuple[str, Any], ...]:
    names, given = cls.__struct_fields__, cls.__struct_defaults__
    return tuple(zip(names, (*(NODEFAULT,) * (len(names) - len(given)), *given), strict=True))


_DEFAULTS: dict[type[Any], tuple[tuple[str, Any], ...]] = {
    cls: _with_defaults(cls) for cls in (InputSpec, OutputSpec, *(cls for _, cls in _SECTIONS))
}


def encode(specs: Specs) -> dict[str, Any]:
    """All specs, each section sorted by name."""
    sections = {
        section: {name: encode_spec(spec) for name, spec in sorted(getattr(specs, section).items())}
        for section, _ in _SECTIONS
    }
    return {"format": FORMAT, **sections}


def decode(data: dict[str, Any]) -> Specs:
    """The specs that `encode` wrote; ValueError, KeyError or TypeError for anything else."""
    if data["format"] != FORMAT:
        raise ValueError(f"specs of the format {data['format']} are not known to this rflow")
    sections: dict[str, Any] = {
        section: {name: _decode_spec(cls, spec) for name, spec in data[section].items()}
        for section, cls in _SECTIONS
    }
    return Specs(**sections)


def encode_spec(spec: Spec) -> dict[str, Any]:
    """One spec."""
    return _encode(spec)


def _encode(spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, default in _DEFAULTS[type(spec)]:
        value = getattr(spec, name)
        if default is not NODEFAULT and value == default and type(value) is type(default):
            continue
        if name == "type":
            value = show_type(value)
        elif name in ("inputs", "outputs"):
            value = [_encode(one) for one in value]
        elif isinstance(value, RetrySpec):
            value = [value.attempts, value.policy, [list(pair) for pair in value.inputs]]
        found[name] = value
    return found


def _decode_spec(cls: type[Spec], data: dict[str, Any]) -> Any:
    read = dict(data)
    if "inputs" in read:
        read["inputs"] = tuple(
            InputSpec(**{**one, "type": parse_type(one["type"])}) for one in read["inputs"]
        )
    if "outputs" in read:
        read["outputs"] = tuple(
            OutputSpec(**{**one, "type": parse_type(one["type"])}) for one in read["outputs"]
        )
    if (retry := read.get("retry")) is not None:
        attempts, policy, inputs = retry
        read["retry"] = RetrySpec(attempts, policy, tuple((name, value) for name, value in inputs))
    return cls(**read)
