"""Quick constructors of the tree's nodes.

A frozen dataclass sets each field through `object.__setattr__`, which takes most of the time of
parsing. Here a twin of the class, with the same slots but not frozen, is filled and then becomes
an instance of the class: the same node, four times as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rflow.dsl import ast


def _maker(cls: type[Any]) -> Any:
    slots: tuple[str, ...] = cls.__slots__
    twin = type(f"_{cls.__name__}", (), {"__slots__": slots})
    lines = [f"def make({', '.join(slots)}):", "    node = twin()"]
    lines += [f"    node.{slot} = {slot}" for slot in slots]
    lines += ["    node.__class__ = cls", "    return node"]
    names = {"twin": twin, "cls": cls}
    exec("\n".join(lines), names)  # noqa: S102 - what dataclasses do, from the class's own slots
    return names["make"]


name: Callable[..., ast.Name] = _maker(ast.Name)
path: Callable[..., ast.Path] = _maker(ast.Path)
ref: Callable[..., ast.Ref] = _maker(ast.Ref)
string: Callable[..., ast.Str] = _maker(ast.Str)
entry: Callable[..., ast.Input] = _maker(ast.Input)
node: Callable[..., ast.Node] = _maker(ast.Node)
integer: Callable[..., ast.Int] = _maker(ast.Int)
duration: Callable[..., ast.Duration] = _maker(ast.Duration)
timeout: Callable[..., ast.Timeout] = _maker(ast.Timeout)
comment: Callable[..., ast.Comment] = _maker(ast.Comment)
