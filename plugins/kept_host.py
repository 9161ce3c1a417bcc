"""The host of plugins that have not changed since all of them were loaded.

What they provide is known from then; a kind is imported when it is asked for, by the place that it
was found at, and the other kinds are not. Where that gives something else than it did, and for all
that needs every plugin, they are loaded as ever. A plugin that observes runs is loaded at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from rflow.plugins.discovery import Plugin, load
from rflow.plugins.host import SECTIONS, Host, Provided
from rflow.plugins.types import Json, Specs

Places = Mapping[str, Mapping[str, str]]
"""See `Host.places`."""


class KeptHost(Host):
    """See `Host`. `known` are the specs of all plugins, `observing` those of them that are told
    of what happens in runs."""

    def __init__(
        self, plugins: list[Plugin], known: Specs, places: Places, observing: list[Plugin]
    ) -> None:
        super().__init__(observing, known)
        self._all, self._all_known, self._places = plugins, known, places

    def specs(self) -> Specs:
        return self._all_known

    def filters(self) -> Mapping[str, Callable[..., Json]]:
        return _Functions(self._all_known, self._object)

    def plugins(self) -> list[Provided]:
        return self._whole.plugins()

    def modules(self) -> set[str]:
        return self._whole.modules()

    def places(self) -> dict[str, dict[str, str]]:
        return self._whole.places()

    @cached_property
    def _whole(self) -> Host:
        return Host(self._all, self._all_known)

    def _object(self, section: str, word: str) -> Any:
        found = self._objects[section].get(word)
        if found is None:
            found = self._imported(section, word) or self._whole._object(section, word)
            self._objects[section][word] = found
        return found

    def _imported(self, section: str, word: str) -> Any:
        """What stands at the place, if it is what provides this."""
        place = self._places.get(section, {}).get(word)
        if place is None:
            return None
        try:
            found = load(place)
        except Exception:
            return None  # loading its plugin says what is wrong
        return found if SECTIONS[section].fits(found) else None


class _Functions(Mapping[str, Callable[..., Json]]):
    """The functions of the filters, each imported when it is used."""

    def __init__(self, known: Specs, find: Callable[[str, str], Any]) -> None:
        self._known, self._find = known.filters, find

    def __getitem__(self, name: str) -> Callable[..., Json]:
        if name not in self._known:
            raise KeyError(name)
        function: Callable[..., Json] = self._find("filters", name).function
        return function

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
