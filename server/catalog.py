"""The flows that are served: which files, which plans, what is wrong with the others.

A file that has mistakes is refused and told; the flows that it gave before stay as they were. A
flow's name means one flow: where two files have flows of one name, the second is refused. Reading
is cheap, looking for changes is one `stat` a file; a changed file is compiled once. Files are
known by their path from the root, so that the root may move from one commit to the next.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, structs
from rflow.compiler.plan import Plan
from rflow.server.compiling import Compile, Compiled, Told
from rflow.server.refusals import SERVED_TWICE

SUFFIX = ".rflow"
DEPTH_MAX = 8


class Served(Struct, frozen=True):
    """A flow that is served. `directory` is where its relative paths begin; `revision` is the
    commit it comes from ("" for a plain folder); `path` is its file's, from the root. `held` is
    the run whose rollback brought the flow back, until its file is pushed again ("")."""

    flow: str
    file: Path
    directory: Path
    plan: Plan
    doc: str = ""
    warnings: tuple[Told, ...] = ()
    revision: str = ""
    path: str = ""
    held: str = ""


class Refused(Struct, frozen=True):
    """A file that was refused: what `rflow check` says of it, and the flows that stay as they
    were because of it."""

    file: Path
    text: str
    told: tuple[Told, ...]
    kept: tuple[str, ...] = ()


class _File(Struct):
    compiled: Compiled
    seen: tuple[tuple[str, int, int], ...]
    good: Compiled | None = None
    revision: str = ""


class Catalog:
    """The flows of a folder. Safe to use from several threads."""

    def __init__(self, root: Path, compile: Compile, revision: str = "") -> None:
        self.root, self.revision, self._compile = root, revision, compile
        self._files: dict[str, _File] = {}
        self._held: dict[str, Served] = {}
        self._lock = threading.Lock()
        self._flows: dict[str, Served] = {}
        self._refused: tuple[Refused, ...] = ()
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
            return self._refresh()

    def move(self, root: Path, revision: str) -> bool:
        """Serve the files of another folder, the next commit; whether anything changed."""
        with self._lock:
            self.root, self.revision = root, revision
            return self._refresh()

    def remember(self, good: Mapping[str, tuple[Path, str]]) -> None:
        """After a restart: the last good state of files that are refused now, as path from the
        root → (root then, revision)."""
        with self._lock:
            for path, (root, revision) in good.items():
                file = self._files.get(path)
                if file is None or file.good is not None:
                    continue
                compiled = self._compile(root / path)
                if compiled.ok:
                    file.good, file.revision = compiled, revision
            self._publish()

    def good(self) -> dict[str, str]:
        """The revision in which each file was last good, by its path from the root."""
        with self._lock:
            return {path: f.revision for path, f in self._files.items() if f.good is not None}

    def hold(self, flows: tuple[Served, ...]) -> None:
        """Serve these instead of what the files say, and no others so."""
        with self._lock:
            self._held = {served.flow: served for served in flows}
            self._publish()

    def _refresh(self) -> bool:
        there = [path.relative_to(self.root).as_posix() for path in flow_files(self.root)]
        gone = set(self._files) - set(there)
        for path in gone:
            del self._files[path]
        fresh = [path for path in sorted(there) if self._look(path)]
        if gone or fresh:
            self._publish()
        return bool(gone or fresh)

    def _look(self, path: str) -> bool:
        known, file = self._files.get(path), self.root / path
        same = known is not None and known.compiled.file == file
        if known is not None and same and known.seen == _seen(known.compiled.read):
            return False
        compiled = self._compile(file)
        shown = compiled.text.replace(f"{self.root}/", "")
        compiled = structs.replace(compiled, text=shown)
        fresh = _File(compiled, _seen(compiled.read))
        if compiled.ok:
            fresh.good, fresh.revision = compiled, self.revision
        elif known is not None:
            fresh.good, fresh.revision = known.good, known.revision
        self._files[path] = fresh
        return True

    def _publish(self) -> None:
        flows: dict[str, Served] = {}
        refused: list[Refused] = []
        for path, file in sorted(self._files.items()):
            good = file.good
            if not file.compiled.ok:
                kept = () if good is None else tuple(good.plans)
                refused.append(
                    Refused(self.root / path, file.compiled.text, file.compiled.told, kept)
                )
            if good is None:
                continue
            warnings = tuple(told for told in good.told if told.severity == "warning")
            for name, plan in good.plans.items():
                if name in flows:
                    refused.append(_twice(self.root, path, flows[name].path, name))
                    continue
                doc, folder = good.docs.get(name, ""), good.file.parent
                flows[name] = Served(
                    name, good.file, folder, plan, doc, warnings, file.revision, path
                )
        self._flows, self._refused = {**flows, **self._held}, tuple(refused)


def _twice(root: Path, path: str, first: str, name: str) -> Refused:
    message = f"the flow `{name}` of `{path}` is not served: `{first}` has one of that name"
    help = "rename one of the two, or serve the folder of one alone"
    told = Told(SERVED_TWICE.id, "error", message, path, help)
    text = f"error[{told.code}]: {message}\n  help: {help}\n"
    return Refused(root / path, text, (told,))


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


def _seen(paths: tuple[Path, ...]) -> tuple[tuple[str, int, int], ...]:
    found = []
    for path in paths:
        try:
            info = path.stat()
            found.append((str(path), info.st_mtime_ns, info.st_size))
        except OSError:
            found.append((str(path), 0, -1))
    return tuple(found)
