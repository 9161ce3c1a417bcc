"""The host: finds plugins, asks them what they provide, and answers for all of them.

It is constructed and passed, never a global. A plugin that is broken becomes a diagnostic that
names it (`problems`), and the others are still there. This is the one place, beside `hookspecs`,
that knows pluggy; what is written in a flow never reaches it but as names and values.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pluggy
from msgspec import Struct, to_builtins
from rflow.dsl.diagnostics import Diagnostic, closest
from rflow.plugins import derive, hookspecs
from rflow.plugins.discovery import Broken, Plugin, installed, load, one_line, problem
from rflow.plugins.node import Filter, Node, PluginError, Policy, SecretSource, Trigger
from rflow.plugins.types import CONTRACT_VERSION, Json, Specs


class Provided(Struct, frozen=True):
    """What is known of a plugin, for `rflow plugins`."""

    plugin: Plugin
    hooks: tuple[str, ...]
    names: dict[str, tuple[str, ...]]


class Section(Struct, frozen=True):
    """How one sort of thing is provided, and how its spec is read."""

    hook: str
    base: type[Any]
    made: bool
    spec: Callable[[Any, str, str], Any]
    what: str

    def fits(self, made: Any) -> bool:
        """Whether this is one: a class of the base, or an object of it where `made` is set."""
        if self.made:
            return isinstance(made, self.base)
        return isinstance(made, type) and issubclass(made, self.base)


SECTIONS: dict[str, Section] = {
    "nodes": Section("rflow_node_types", Node, False, derive.node_spec, "kind"),
    "triggers": Section("rflow_trigger_types", Trigger, False, derive.trigger_spec, "trigger"),
    "filters": Section("rflow_filters", Filter, True, derive.filter_spec, "filter"),
    "policies": Section("rflow_retry_policies", Policy, False, derive.policy_spec, "policy"),
    "sources": Section("rflow_secret_sources", SecretSource, False, derive.source_spec, "source"),
}


class _Manager(pluggy.PluginManager):
    """Takes every function with the name of a hook for one, as the names are prefixed."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        if name in hookspecs.HOOKS and callable(getattr(plugin, name, None)):
            return {}
        return None


class Host:
    """All plugins, loaded."""

    def __init__(self, plugins: Iterable[Plugin], known: Specs | None = None) -> None:
        """`known` are specs that were read from these very plugins before."""
        self._manager = _Manager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._problems: list[Diagnostic] = []
        self._plugins: list[Plugin] = []
        self._objects: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        self._specs: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        self._known = known
        for plugin in plugins:
            self._add(plugin)
        self._observers = [
            (self._plugin_of(found.plugin_name), found.function, found.argnames)
            for found in self._manager.hook.rflow_run_event.get_hookimpls()
        ]

    @classmethod
    def load(cls) -> Host:
        """The host of the plugins that are installed, rflow's own first."""
        return cls(installed())

    @classmethod
    def of(cls, *modules: types.ModuleType | object) -> Host:
        """The host of these modules and rflow's own kinds: for tests."""
        from rflow.plugins import builtin

        names = [getattr(module, "__name__", type(module).__name__) for module in modules]
        given = [
            Plugin(name, name, name, "0", module)
            for name, module in zip(names, modules, strict=True)
        ]
        return cls([Plugin("builtin", builtin.__name__, "rflow", "0", builtin), *given])

    @property
    def problems(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the plugins."""
        return tuple(self._problems)

    def specs(self) -> Specs:
        """The specs of all that the plugins provide."""
        return Specs(**{name: dict(found) for name, found in self._specs.items()})

    def node(self, kind: str) -> type[Node]:
        """The class of a node kind; KeyError if there is none."""
        found: type[Node] = self._object("nodes", kind)
        return found

    def filters(self) -> Mapping[str, Callable[..., Json]]:
        """The functions of the filters."""
        return {name: made.function for name, made in self._objects["filters"].items()}

    def trigger_mistakes(self, kind: str, inputs: Mapping[str, Json]) -> list[tuple[str, str]]:
        """What a trigger kind says of these inputs, beyond their types: input and message. The
        input is "" where the kind itself is at fault."""
        made: Trigger = derive.build(self._object("triggers", kind), inputs)
        try:
            return list(made.check())
        except Exception as error:
            return [("", f"the plugin failed: {one_line(error)}")]

    def delays(
        self, policy: str, inputs: Mapping[str, Json], attempts: int
    ) -> tuple[tuple[float, ...], float]:
        """The delays in seconds before each attempt but the first, and the jitter. ValueError if
        the policy does not take these inputs."""
        made: Policy = derive.build(self._object("policies", policy), inputs)
        delays = tuple(float(delay) for delay in made.delays(attempts))
        if len(delays) != max(attempts - 1, 0) or any(not 0 <= d < float("inf") for d in delays):
            raise PluginError(f"the policy `{policy}` gave {delays} for {attempts} attempts")
        return delays, float(made.jitter)

    def secret(self, source: str, key: str, base: Path) -> str:
        """A secret's value; NodeError if the source has none."""
        made: SecretSource = self._object("sources", source)()
        return made.read(key, base)

    def observe(self, record: Any, run: str = "") -> list[str]:
        """Tells the observers of a record of the journal; what went wrong in them."""
        if not self._observers:
            return []
        kind, event = type(record.event).__name__, to_builtins(record.event, enc_hook=str)
        failed = []
        for plugin, observer, names in self._observers:
            given = {
                "run": run,
                "number": record.number,
                "at": record.at,
                "kind": kind,
                "event": event,
            }
            try:
                observer(**{name: given[name] for name in names})
            except Exception as error:
                failed.append(f"an observer of {plugin.title} failed: {one_line(error)}")
        return failed

    def plugins(self) -> list[Provided]:
        """Each plugin with its hooks and the names it provides."""
        found = []
        for plugin in self._plugins:
            hooks = tuple(name for name in hookspecs.HOOKS if hasattr(plugin.module, name))
            names = {
                section: tuple(
                    sorted(name for name, owner in self._owners(section) if owner == plugin)
                )
                for section in SECTIONS
            }
            found.append(Provided(plugin, hooks, {s: n for s, n in names.items() if n}))
        return found

    def modules(self) -> set[str]:
        """The names of the modules that the plugins and what they provide were defined in."""
        found = {getattr(plugin.module, "__name__", "") for plugin in self._plugins}
        for objects in self._objects.values():
            for made in objects.values():
                code = made.function if isinstance(made, Filter) else made
                found.add(code.__module__)
        return found - {""}

    def places(self) -> dict[str, dict[str, str]]:
        """Where each thing can be imported from, as an entry point names it: `module:attribute`.
        What is no attribute of its module is left out."""
        found = {
            section: {word: _place_of(made) for word, made in objects.items()}
            for section, objects in self._objects.items()
        }
        return {section: {w: p for w, p in all.items() if p} for section, all in found.items()}

    def _object(self, section: str, word: str) -> Any:
        """What a plugin provides under this name; KeyError if none does."""
        return self._objects[section][word]

    # -- loading -------------------------------------------------------------------------------

    def _add(self, plugin: Plugin) -> None:
        if plugin.module is None:
            loaded = self._import(plugin)
            if loaded is None:
                return
            plugin = loaded
        contract = getattr(plugin.module, "RFLOW_CONTRACT", 1)
        if not isinstance(contract, int) or contract > CONTRACT_VERSION:
            message = (
                f"{plugin.title} is written for version {contract} of the contract with plugins; "
                f"this rflow speaks version {CONTRACT_VERSION}"
            )
            self._report("contract", plugin, message, "upgrade rflow, or install an older plugin")
            return
        self._plugins.append(plugin)
        self._check_hooks(plugin)
        try:
            self._manager.register(plugin.module, name=_key(plugin))
        except (pluggy.PluginValidationError, ValueError) as error:
            message = f"{plugin.title} has a hook with arguments that it is never given"
            self._report("hook", plugin, message, str(error).splitlines()[-1])
            self._plugins.pop()
            return
        for name, section in SECTIONS.items():
            for made in self._provided(plugin, section):
                self._take(name, plugin, made)

    def _import(self, plugin: Plugin) -> Plugin | None:
        try:
            module = load(plugin.value)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            message = f"{plugin.title} cannot be imported: {one_line(error)}"
            help_text = f"`{plugin.name} = {plugin.value}` is its entry point"
            self._report("import", plugin, message, help_text)
            return None
        return dataclasses.replace(plugin, module=module)

    def _check_hooks(self, plugin: Plugin) -> None:
        for name in sorted(dir(plugin.module)):
            if name.startswith(hookspecs.PREFIX) and name not in hookspecs.HOOKS:
                meant = closest(name, hookspecs.HOOKS)
                message = f"{plugin.title} has `{name}`, which is no hook"
                hooks = ", ".join(hookspecs.HOOKS)
                self._report("hook", plugin, message, f"there are {hooks}", meant)

    def _provided(self, plugin: Plugin, section: Section) -> Iterator[Any]:
        hook = getattr(plugin.module, section.hook, None)
        if hook is None:
            return
        try:
            found = list(hook())
        except Exception as error:
            message = f"`{section.hook}` of {plugin.title} failed: {one_line(error)}"
            self._report("provides", plugin, message)
            return
        for made in found:
            if section.fits(made):
                yield made
            else:
                name = section.base.__name__
                expected = f"a {name}" if section.made else f"a subclass of {name}"
                message = f"`{section.hook}` of {plugin.title} returned {made!r}, not {expected}"
                self._report("provides", plugin, message)

    def _take(self, name: str, plugin: Plugin, made: Any) -> None:
        section = SECTIONS[name]
        try:
            spec = self._known_spec(name, made) or section.spec(
                made, plugin.distribution, plugin.version
            )
        except PluginError as error:
            self._report("provides", plugin, f"{plugin.title}: {error}")
            return
        word = spec.kind if hasattr(spec, "kind") else spec.name
        other = self._specs[name].get(word)
        if other is not None:
            owner = f"{other.plugin} {other.version}".strip()
            message = f"the {section.what} `{word}` of {plugin.title} is provided by {owner} too"
            self._report("twice", plugin, message, f"remove {plugin.title} or {owner}")
            return
        self._objects[name][word] = made
        self._specs[name][word] = spec

    def _known_spec(self, section: str, made: Any) -> Any:
        options = getattr(made, "options", None)
        word = options.kind if options is not None else getattr(made, "kind", None)
        named = word or getattr(made, "name", None)
        return getattr(self._known, section).get(named) if self._known is not None else None

    def _report(
        self,
        broken: Broken,
        plugin: Plugin,
        message: str,
        help_text: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        self._problems.append(problem(broken, plugin, message, help_text, suggestion))

    def _owners(self, section: str) -> Iterator[tuple[str, Plugin]]:
        for name, spec in self._specs[section].items():
            for plugin in self._plugins:
                if (plugin.distribution, plugin.version) == (spec.plugin, spec.version):
                    yield name, plugin
                    break

    def _plugin_of(self, key: str) -> Plugin:
        return next(plugin for plugin in self._plugins if _key(plugin) == key)


def _place_of(made: Any) -> str:
    module = made.function.__module__ if isinstance(made, Filter) else made.__module__
    known = vars(sys.modules.get(module, types))
    name = next((name for name, value in known.items() if value is made), "")
    return f"{module}:{name}" if name else ""


def _key(plugin: Plugin) -> str:
    return f"{plugin.title} {plugin.name}"
