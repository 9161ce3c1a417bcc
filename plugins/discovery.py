"""Which plugins are installed, what each is, and how one that is broken is told.

Discovery reads the metadata of distributions (entry points of the group `rflow`) and imports a
plugin only when asked to. It knows no hook; see `host`.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source

GROUP = "rflow"
"""The group of entry points in which plugins are found."""

Broken = Literal["import", "contract", "hook", "twice", "provides"]

CODES: dict[Broken, Code] = {
    "import": Code(
        "RF601",
        "a plugin cannot be imported",
        "A distribution declares an entry point in the group `rflow`, and importing what it names "
        "fails. Nothing that needs the plugin can be checked or run; reinstall it, or remove it.",
    ),
    "contract": Code(
        "RF602",
        "a plugin needs a newer rflow",
        "`RFLOW_CONTRACT` in the plugin's module says for which version of the contract between "
        "rflow and plugins it was written. It is newer than the one this rflow speaks, so what the "
        "plugin says could be misread. Upgrade rflow, or install an older version of the plugin.",
    ),
    "hook": Code(
        "RF603",
        "there is no such hook",
        "Names that begin with `rflow_` in a plugin's module are hooks. One that rflow does not "
        "know, or that takes arguments the hook has not, would silently never be called.",
    ),
    "twice": Code(
        "RF604",
        "two plugins provide the same name",
        "Which of the two a flow meant cannot be told, and must not depend on the order in which "
        "plugins are installed. Remove one of them; authors put their own name before a dot: "
        "`acme.restart`.",
    ),
    "provides": Code(
        "RF605",
        "what a plugin provides is not well formed",
        "A class or function that a plugin provides breaks the contract of plugins: the message "
        "names it and the field. It is the plugin's author who can mend it; the conformance kit "
        "finds it in the plugin's own tests.",
    ),
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin: its entry point, where it comes from, and its module once it is imported."""

    name: str
    value: str
    distribution: str
    version: str
    module: Any = field(default=None, compare=False, repr=False)

    @property
    def title(self) -> str:
        """`acme-kinds 1.2`."""
        return f"{self.distribution} {self.version}".strip()


class PluginProblems(Exception):
    """Plugins are broken; `diagnostics` says which and how."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


def problem(
    broken: Broken,
    plugin: Plugin,
    message: str,
    help_text: str | None = None,
    suggestion: str | None = None,
) -> Diagnostic:
    """The diagnostic; its place is the line of metadata that names the plugin."""
    source = Source(f"plugin {plugin.title}", f'{plugin.name} = "{plugin.value}"')
    label = Label(source, (len(plugin.name) + 3, len(source.text)))
    return CODES[broken].at(label, message, help=help_text, suggestion=suggestion)


def installed() -> list[Plugin]:
    """The plugins of the distributions that are installed, rflow's own first, not imported."""
    from importlib import metadata

    found: dict[tuple[str, str, str], Plugin] = {}
    for dist in metadata.distributions():
        for entry in dist.entry_points:
            if entry.group != GROUP:
                continue
            name = dist.metadata["Name"] or ""
            key = (name.lower(), entry.name, entry.value)
            if key not in found:  # the first on the path is the one that is imported
                found[key] = Plugin(entry.name, entry.value, name, dist.version)
    return sorted(found.values(), key=lambda p: (p.distribution != "rflow", p.title, p.name))


def load(value: str) -> Any:
    """What an entry point names: `package.module` or `package.module:attribute`."""
    from importlib import import_module

    module, _, attribute = value.partition(":")
    found: Any = import_module(module.strip())
    for part in filter(None, attribute.strip().split(".")):
        found = getattr(found, part)
    return found


def one_line(error: BaseException) -> str:
    """An exception in one line, with the place in the plugin where it was raised."""
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    frames = traceback.extract_tb(error.__traceback__)
    if frames and not frames[-1].filename.startswith("<frozen"):
        return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"
    return text
