"""How the server gets plans: the contract with whoever composes it.

The server compiles nothing by itself; it is given a `Compile`, so that it imports no command.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from rflow.compiler.plan import Plan


class Told(Struct, frozen=True):
    """A diagnostic, ready to be shown: `where` is `release.rflow:12:3`."""

    code: str
    severity: str
    message: str
    where: str
    help: str = ""


class Compiled(Struct, frozen=True):
    """What a file turned out to be. `plans` by flow in the file's order, empty if it has
    mistakes; `text` is what `rflow check` prints of it; `read` are the files it depends on."""

    file: Path
    plans: dict[str, Plan]
    told: tuple[Told, ...]
    text: str
    read: tuple[Path, ...]
    docs: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not any(told.severity == "error" for told in self.told)


Compile = Callable[[Path], Compiled]
"""Reads and checks a file; a file that cannot be read yields an error in `told`."""

Check = Callable[[str, str, Path], dict[str, Any]]
"""What `rflow check --format json` says of a text as if it stood at a path in a folder. It may
import the flow files of that folder's project, and reads nothing else."""

Restore = Callable[[Plan, Path, str], list[str]]
"""Puts the files of a plan, made from a flow in a folder, back where they were; named after a run.
The files that it changed. StateError where they cannot be put back: then none is."""
