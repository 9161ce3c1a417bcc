"""Tests of flows, checked and played in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rflow.cli.flows import Flows, Kinds
from rflow.cli.project import Project
from rflow.cli.rehearsals import Rehearsals, Verdict
from rflow.compiler.program import LoadError, check
from rflow.dsl.diagnostics import Source

Played = tuple[Rehearsals, list[Verdict]]
Play = Callable[..., Played]


@pytest.fixture(scope="session")
def kinds() -> Kinds:
    """The kinds of this installation."""
    return Kinds()


@pytest.fixture
def play(kinds: Kinds) -> Play:
    """Plays the tests in a text."""

    def load(source: Source, path: str) -> Source:
        raise LoadError(f"there is no {path}")

    def played(text: str, *, chaos: bool = False) -> Played:
        source = Source("flow.rflow", text)
        checked = check(source, kinds.specs, load)
        assert checked.diagnostics == []
        project = Project(source, Path(), Path())
        rehearsals = Rehearsals("flow.rflow", Flows(project, checked, kinds))
        return rehearsals, list(rehearsals.play(rehearsals.chosen(None), chaos=chaos))

    return played
