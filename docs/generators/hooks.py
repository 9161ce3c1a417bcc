"""The page on what the author of a plugin writes and is given."""

from __future__ import annotations

import inspect
import re
import types
from typing import Any

from rflow import plugins
from rflow.plugins import conformance, context, hookspecs, markers, node, signing
from rflow.plugins import types as specs

from generators.markdown import constants, fence, paragraphs, signature

PAGE = """\
# Plugins: hooks and contract

A plugin is a Python module that a distribution names in the entry-point group `rflow`. A function
of it with the name of a hook is called. How to write one, step by step: [write a
plugin](../how-to/plugins.md). Everything is imported from `rflow.plugins`; the conformance kit
from `rflow.plugins.conformance`. This page is the contract's version {version}; a module that says
`RFLOW_CONTRACT = {version}` is refused, with [RF602](codes-rf6.md#rf602), by an rflow that speaks
an older one.

## Hooks

"""


def page() -> str:
    """The page."""
    parts = [PAGE.format(version=specs.CONTRACT_VERSION)]
    for name in hookspecs.HOOKS:
        parts += _function(name, getattr(hookspecs, name), "###")
    parts += ["## Classes to derive from\n\n"]
    cls: type
    for cls in (node.Node, node.Trigger, node.Policy, node.SecretSource):
        parts += _class(cls)
    parts += _function("define_filter", node.define_filter, "###")
    parts += ["## Marks on inputs and outputs\n\n"]
    said = {**constants(markers), "Doc": markers.Doc.__doc__ or ""}
    parts += [f"- `{name}`: {text}\n" for name, text in sorted(said.items())]
    parts += ["\n## What a node is given\n\n"]
    for cls in (context.Context, context.Artifacts):
        parts += _class(cls)
    parts += ["## Values\n\n"]
    for cls in (context.NodeError, context.Completed, context.Effect, specs.RetrySpec):
        parts += _class(cls)
    parts += ["## Signed messages\n\n"]
    for function in (signing.message_id, signing.signed):
        parts += _function(function.__name__, function, "###")
    parts += _class(signing.SigningError)
    parts += ["## Conformance kit\n\n", *_class(conformance.Example)]
    parts += _function("check_plugin", conformance.check_plugin, "###")
    missing = set(plugins.__all__) - set("".join(parts).replace("`", " ").split())
    assert missing <= {"CONTRACT_VERSION", "Json", "Parked", "PluginError", "Filter"}, missing
    return "".join(parts).rstrip() + "\n"


def _function(name: str, function: Any, level: str) -> list[str]:
    shown = signature(function)
    return [f"{level} `{name}`\n\n", fence(shown, "python"), paragraphs(function.__doc__ or "")]


def _class(cls: type) -> list[str]:
    parts = [f"### `{cls.__name__}`\n\n", paragraphs(inspect.getdoc(cls) or "")]
    lines = []
    if "__init_subclass__" in vars(cls):
        lines.append(_class_line(cls))
    lines += [
        f"{name}: {of}"
        for name, of in vars(cls).get("__annotations__", {}).items()
        if not str(of).startswith("ClassVar")
    ]
    own = [
        (name, function)
        for name, function in vars(cls).items()
        if isinstance(function, types.FunctionType)
        and (not name.startswith("_") or (name == "__init__" and cls is context.NodeError))
    ]
    if lines:
        parts.append(fence("\n".join(lines), "python"))
    for _, function in own:
        parts += [fence(signature(function), "python"), paragraphs(function.__doc__ or "")]
    return parts


def _class_line(cls: type) -> str:
    """What may stand in the line of a class derived from this one."""
    shown = signature(cls.__init_subclass__).replace("cls,", f"{cls.__name__},").replace(" *,", "")
    shown = re.sub(r",\s+\*\*rest: Any", "", re.sub(r"\n *\*,", "", shown))
    shown = re.sub(r"\n\s*\n", "\n", shown)
    return shown.replace("def __init_subclass__", "class NAME").replace(" -> None", ": ...")
