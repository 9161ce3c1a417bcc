"""Flows in texts, compiled with the built-in kinds, and the flow that the tests change."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from rflow.compiler.plan import Plan
from rflow.compiler.program import Checked, LoadError, check
from rflow.dsl.diagnostics import Source
from rflow.dsl.render import render_text
from rflow.plugins.host import Host
from rflow.plugins.types import Specs

sys.path.insert(0, str(Path(__file__).parent))

Compile = Callable[..., Plan]


@pytest.fixture(scope="session")
def host() -> Host:
    return Host.load()


@pytest.fixture(scope="session")
def specs(host: Host) -> Specs:
    return host.specs()


@pytest.fixture(scope="session")
def checked(specs: Specs) -> Callable[..., Checked]:
    """A program of texts, the first of them `main.rflow`; it must have no mistakes."""

    def of(text: str, files: Mapping[str, str] | None = None) -> Checked:
        sources = {name: Source(name, body) for name, body in (files or {}).items()}

        def load(importer: Source, path: str) -> Source:
            name = posixpath.normpath(posixpath.join(posixpath.dirname(importer.name), path))
            if name not in sources:
                raise LoadError(f"no {name}", None)
            return sources[name]

        found = check(Source("main.rflow", text), specs, load)
        assert found.ok, render_text(found.diagnostics, color=False, width=100)
        return found

    return of


@pytest.fixture(scope="session")
def plan(host: Host, checked: Callable[..., Checked]) -> Compile:
    """The plan of a flow in a text."""

    def of(text: str, flow: str = "release", files: Mapping[str, str] | None = None) -> Plan:
        return checked(text, files).plan(flow, host.delays)

    return of
