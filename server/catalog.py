"""The flows that are served: which files, which plans, what is wrong with the others.

A file that has mistakes is refused and told; the flows that it gave before stay as they were. A
flow's name means one flow: where two files have flows of one name, the second is refused. Reading
is cheap, looking for changes is one `stat` a file; a changed file is compiled once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rflow.compiler.plan import Plan
from rflow.server.compiling import Compile, Compiled, Told

SUFFIX = ".rflow"
DEPTH_MAX = 8


@dataclass(frozen=True, slots=True)
class Served:
    """A flow that is served. `directory` is where its relative paths begin; `revision` is the
    commit it comes from ("" for a plain folder)."""

    flow: str
    file: Path
    directory: Path
    plan: Plan
    doc: str = ""
    warnings: tuple[Told, ...] = ()
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was refused: what `rflow check` says of it, and the flows that stay as they
    were because of it."""

    file: Path
    text: str
    told: tuple[Told, ...]
    kept: tuple[str, ...] = ()


@dataclass(slots=True)
class _File:
    compiled: Compiled
    seen: tuple[tuple[str, float, int], ...]
    good: Compiled | None = None


class Catalog:
    """The flows of a folder. Safe to use from several threads."""

    def __init__(self, root: Path, compile: Compile) -> None:
        self.root, self._compile = root, compile
        self._files: dict[Path, _File] = {}
        self._lock = threading.Lock()
        self._flows: dict[str, Served] = {}
        self._refused: tuple[Refused, ...] = ()
        self.revision = ""
        self.refresh()

    def flows(self) -> tuple[Served, ...]:
        """What is served now, by name."""
        return tuple(self._flows[name] for name in sorted(self._flows))

    def flow(self, name: str) -> Served | None:
        """A flow, None if there is none of that name."""
        return self._flows.get(name)

    def refused(self) -> tuple[Refused, ...]:
        """The files that were refused, and why."""
        return self._refused

    def refresh(self) -> bool:
        """Look for changed files and compile them. Whether anything is other than before."""
        with self._lock:
            there = sorted(flow_files(self.root))
            changed = set(self._files) - set(there)
            for gone in changed:
                del self._files[gone]
            fresh = [path for path in there if self._look(path)]
            if not changed and not fresh:
                return False
            self._publish()
            return True

    def _look(self, path: Path) -> bool:
        known = self._files.get(path)
        if known is not None and known.seen == _seen(known.compiled.read):
            return False
        compiled = self._compile(path)
        good = compiled if compiled.ok else known.good if known is not None else None
        self._files[path] = _File(compiled, _seen(compiled.read), good)
        return True

    def _publish(self) -> None:
        flows: dict[str, Served] = {}
        refused: list[Refused] = []
        for path, file in sorted(self._files.items()):
            kept = tuple(file.good.plans) if file.good is not None else ()
            if not file.compiled.ok:
                refused.append(Refused(path, file.compiled.text, file.compiled.told, kept))
            if file.good is None:
                continue
            warnings = tuple(t for t in file.good.told if t.severity == "warning")
            for name, plan in file.good.plans.items():
                if name in flows:
                    refused.append(_twice(path, flows[name], name))
                    continue
                doc = file.good.docs.get(name, "")
                flows[name] = Served(name, path, path.parent, plan, doc, warnings, self.revision)
        self._flows, self._refused = flows, tuple(refused)


def _twice(path: Path, first: Served, name: str) -> Refused:
    message = f"the flow `{name}` of `{path.name}` is not served: `{first.file.name}` has one"
    told = Told("RF962", "error", message, str(path), "rename one of the two")
    return Refused(path, f"error: {message}\n", (told,))


def flow_files(root: Path) -> Iterator[Path]:
    """The flow files under a folder; hidden folders are left out, links to folders not followed."""
    base = len(root.parts)
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        deep = len(here.parts) - base >= DEPTH_MAX
        folders[:] = [] if deep else sorted(n for n in folders if not n.startswith("."))
        for name in names:
            if name.endswith(SUFFIX) and not name.startswith("."):
                yield here / name


def _seen(paths: tuple[Path, ...]) -> tuple[tuple[str, float, int], ...]:
    found = []
    for path in paths:
        try:
            info = path.stat()
            found.append((str(path), info.st_mtime, info.st_size))
        except OSError:
            found.append((str(path), 0.0, -1))
    return tuple(found)
