"""What of the state folder nobody needs any more: artifacts, and folders of old runs.

Theory of operation. An artifact is kept by whoever names it: what is on a stage now, the releases
that a stage can go back to, runs that go on, runs of late. A release needs what each resource of
its stage was when it ended, whichever run gave it that, and all that those runs' records and plans
name, since a rollback asks their nodes, with their inputs, to set it back. So whatever looks like a
digest in such a record keeps its artifact; a digest too many costs room, one too few a release.
Values too long for the journal are artifacts themselves and are looked through as well.

This module must never remove what is named, nor anything while a run is being driven: what an
attempt has just put into the store stands in no record yet. The record of a run itself stays.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field
from rflow.plugins.types import Json
from rflow.runner import events as ev
from rflow.runner.artifacts import VALUE_MARK, ArtifactStore, Kept
from rflow.runner.artifacts_shared import artifact_store
from rflow.runner.journal import Journal, RunSummary
from rflow.runner.ledger import Held, deployed, deployed_at, first_change
from rflow.runner.problems import StateError
from rflow.runner.state_dir import StateDir

DAY_S = 86400.0
ALL = 1_000_000

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MARKED = re.compile(re.escape(VALUE_MARK) + r'"\s*:\s*"(sha256:[0-9a-f]{64})')


class Keep(Struct, frozen=True):
    """What is kept: what is of the last `recent_s`, so many releases of each stage, and the
    folders of so many runs."""

    recent_s: float = 30 * DAY_S
    releases: int = 50
    runs: int = 50


class Folder(Struct, frozen=True):
    """What lies in the folder of an old run, but for its heads; `size` in bytes."""

    run: str
    ended_at: float
    paths: tuple[Path, ...]
    size: int


class Garbage(Struct):
    """What would go, and why the rest stays. `driven` is a run that somebody drives now: while
    there is one, nothing is removed."""

    goes: list[Kept] = field(default_factory=list)
    stays: list[tuple[Kept, str]] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    driven: str | None = None


def find(journal: Journal, state: StateDir, keep: Keep, now: float) -> Garbage:
    """Look; nothing is removed."""
    store = artifact_store(state)
    runs = journal.runs(limit=ALL)
    needed = _Needed(journal, store)
    needed.by_stages(keep)
    for run in runs:
        if not run.concluded:
            needed.add_run(run.run, f"run {run.run} goes on")
        elif _last(run) > now - keep.recent_s:
            needed.add_run(run.run, f"run {run.run} is of late")
    found = Garbage(driven=_driven(journal, runs))
    for kept in store.list():
        why = needed.why.get(kept.digest, "")
        if not why and kept.at > now - keep.recent_s:
            why = "it was put there of late"
        if why:
            found.stays.append((kept, why))
        else:
            found.goes.append(kept)
    found.folders = _folders(state, runs, needed.current, keep, now)
    return found


def collect(journal: Journal, state: StateDir, keep: Keep, now: float) -> Garbage:
    """Remove what nobody needs; what was removed. Nothing is while a run is being driven."""
    version = journal.version()
    found = find(journal, state, keep, now)
    if found.driven is not None:
        return found
    with journal.admit():  # no run can begin, and none can name an artifact, until all are gone
        if journal.version() != version:
            found = find(journal, state, keep, now)
        found.driven = found.driven or _driven(journal, journal.runs(concluded=False, limit=ALL))
        if found.driven is not None:
            return found
        store = artifact_store(state)
        for kept in found.goes:
            store.delete(kept.digest)
    found.folders = [folder for folder in found.folders if _remove(journal, folder)]
    return found


def _last(run: RunSummary) -> float:
    return run.ended_at or run.started_at or run.created_at


def _driven(journal: Journal, runs: list[RunSummary]) -> str | None:
    going = (run.run for run in runs if not run.concluded)
    return next((run for run in going if journal.claimed(run) is not None), None)


# -- who needs what ----------------------------------------------------------------------------


class _Needed:
    """Digest → why it is needed; the first reason that is found counts."""

    def __init__(self, journal: Journal, store: ArtifactStore) -> None:
        self.journal, self.store = journal, store
        self.why: dict[str, str] = {}
        self.current: set[str] = set()
        """Runs that gave a stage what is on it now."""
        self._of_run: dict[str, frozenset[str]] = {}

    def by_stages(self, keep: Keep) -> None:
        """What stages hold, then what they can go back to."""
        ledgers = {stage: self.journal.ledger(stage) for stage in self.journal.stages()}
        for stage, changes in ledgers.items():
            self._values(deployed(changes), f"it is on {stage}")
        for stage, changes in ledgers.items():
            for run in self.journal.runs(stage=stage, status="success", limit=keep.releases):
                held = deployed_at(changes, self.journal.ended_at_change(run.run))
                why = f"release {run.run} of {stage} needs it"
                self._values(held, why)
                self._makers(held, why)
                self.add_run(run.run, why)
        for stage, changes in ledgers.items():
            now = deployed(changes)
            self.current |= {held.run for held in now.values() if held.run}
            self._makers(now, f"a run that made what is on {stage} names it")
            for resource in {change.resource for change in changes}:
                first = first_change(changes, resource)
                why = f"{stage} had it before {resource} came"
                self._add(_digests(first.before), why)
                self.add_run(first.run, why)

    def _values(self, held: dict[str, Held], why: str) -> None:
        for each in held.values():
            self._add(_digests(each.value), why)

    def _makers(self, held: dict[str, Held], why: str) -> None:
        for each in held.values():
            if each.run:
                self.add_run(each.run, why)

    def add_run(self, run: str, why: str) -> None:
        """All that a run's record and its plan name."""
        if run not in self._of_run:
            self._of_run[run] = frozenset(self._named(run))
        self._add(self._of_run[run], why)

    def _add(self, digests: Iterator[str] | frozenset[str], why: str) -> None:
        for digest in digests:
            self.why.setdefault(digest, why)

    def _named(self, run: str) -> Iterator[str]:
        for record in self.journal.read(run):
            yield from self._in_text(ev.encode(record.event))
            if isinstance(record.event, ev.RunCreated):
                with suppress(KeyError):
                    yield from self._in_text(self.journal.plan(record.event.plan).decode())

    def _in_text(self, text: str) -> Iterator[str]:
        """The digests in a text, and those in the values that are kept as artifacts."""
        seen: set[str] = set()
        texts = [text]
        while texts:
            text = texts.pop()
            yield from _DIGEST.findall(text)
            for digest in _MARKED.findall(text):
                if digest not in seen and self.store.exists(digest):
                    seen.add(digest)
                    with suppress(StateError), self.store.open(digest) as file:
                        texts.append(file.read().decode("utf-8", "replace"))


def _digests(value: Json) -> Iterator[str]:
    """All digests in a value."""
    if isinstance(value, dict):
        for part in value.values():
            yield from _digests(part)
    elif isinstance(value, list):
        for part in value:
            yield from _digests(part)
    elif isinstance(value, str):
        yield from _DIGEST.findall(value)


# -- folders of runs ---------------------------------------------------------------------------


def _folders(
    state: StateDir, runs: list[RunSummary], current: set[str], keep: Keep, now: float
) -> list[Folder]:
    found = []
    for run in runs[keep.runs :]:
        if not run.concluded or _last(run) > now - keep.recent_s or run.run in current:
            continue
        base = state.run(run.run)
        named = (state.workspace(run.run), base / "scratch", base / "logs", base / "runner.log")
        paths = tuple(path for path in named if path.exists())
        size = sum(_size(path) for path in paths)
        if size:
            found.append(Folder(run.run, _last(run), paths, size))
    return found


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    size = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_size
    return size


def _remove(journal: Journal, folder: Folder) -> bool:
    """Whether it was removed: not if somebody has taken the run up again."""
    claim = journal.claim(folder.run)
    if claim is None:
        return False
    with claim:
        summary = journal.summary(folder.run)
        if summary is None or not summary.concluded:
            return False
        for path in folder.paths:
            if path.is_dir():
                _remove_folder(path)
            else:
                path.unlink(missing_ok=True)
    return True


def _remove_folder(path: Path) -> None:
    """Remove it, with folders that a node made read-only."""
    os.chmod(path, 0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            if not os.path.islink(inner := os.path.join(folder, name)):
                os.chmod(inner, 0o700)
    shutil.rmtree(path)


__all__ = ["Folder", "Garbage", "Keep", "collect", "find"]
