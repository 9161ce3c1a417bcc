"""From JSON back to the runner's values: the other half of what the API answers.

What the JSON has and the value has not is left out, so that a newer server can be asked.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from msgspec import StructMeta

T = TypeVar("T")


def decoded(cls: type[T], given: Any) -> T:
    """A value of this class. KeyError or TypeError for JSON that is none."""
    of: Any = cls
    hints = _hints(of)
    return cls(**{name: _value(hint, given[name]) for name, hint in hints.items()})


@cache
def _hints(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls, localns={"Json": Any})
    names = [name for name in cls.__struct_fields__ if not name.startswith("_")]
    return {name: hints[name] for name in names}


def _is_record(hint: Any) -> bool:
    return isinstance(hint, StructMeta)


def _value(hint: Any, given: Any) -> Any:
    if _is_record(hint):
        return decoded(hint, given)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is list:
        return [_value(parts[0], one) for one in given]
    if origin is dict:
        return {name: _value(parts[1], one) for name, one in given.items()}
    if origin is tuple:
        same = parts[-1] is Ellipsis
        return tuple(_value(parts[0] if same else parts[i], one) for i, one in enumerate(given))
    if given is not None:
        for part in parts:
            if _is_record(part):
                return decoded(part, given)
    return given
