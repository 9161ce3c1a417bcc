"""Following a branch of a repository: its flows, as they are in its newest commit, are served.

Theory of operation. Each commit is checked out into a folder of its own that never changes after,
so a run's files stay what they were. A file that is broken in the new commit is refused: its flows
stay those of the last commit in which it was good. Which commits those are is on disk before the
new ones are served, so that a restart serves the same. A flow that a rollback brought back is held
until what its file holds in the branch is another.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct
from rflow.compiler import codec
from rflow.runner.problems import StateError
from rflow.runner.service import Service
from rflow.runner.state_dir import StateDir
from rflow.server.catalog import SUFFIX, Catalog, Served
from rflow.server.changes import Changes
from rflow.server.compiling import Compile
from rflow.server.looping import Looping
from rflow.server.mirror import GitError, Mirror, heads, masked
from rflow.server.refusals import NOT_FOLLOWED
from rflow.server.store import Store

POLL_S = 30.0

log = logging.getLogger("rflow.server")

Report = Callable[[str, str, bool, str], None]
"""Says what became of a commit: repository, commit, whether it is good, why."""


class Followed(Struct, frozen=True):
    """What is followed: `folder` is the one in the repository that holds the flows ("": all);
    `branch` "" is the repository's own default."""

    url: str
    branch: str = ""
    folder: str = ""


class Following(Looping):
    """Keeps a catalog at the newest commit of a branch."""

    def __init__(
        self,
        what: Followed,
        *,
        state: StateDir,
        store: Store,
        changes: Changes,
        compile: Compile,
        access: Mapping[str, str] | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        """Begin with the newest commit, or the last one that was served if the repository cannot
        be reached now; `access` is how git may reach it. StateError if neither is there."""
        super().__init__("following", poll_s)
        self.what, self.store, self.changes = what, store, changes
        self.report: Report = lambda url, sha, good, why: None
        self.mirror = Mirror.within(state.root / "mirrors", what.url, access)
        self.checkouts = state.root / "served"
        self.trouble = ""
        """Why the repository could not be asked the last time ("" if it could)."""
        self.looked_at = 0.0
        self._looking = threading.Lock()
        last = self._last()
        try:
            revision = self._newest()
            root = self._check_out(revision)
        except GitError as error:
            if last is None:
                raise StateError(
                    NOT_FOLLOWED,
                    f"`{masked(what.url)}` cannot be followed: {error}",
                    "see whether `git ls-remote` reaches it from here",
                ) from None
            self.trouble = str(error)
            revision, root = last[0], self._check_out(last[0])
        self.catalog = Catalog(root, compile, revision)
        self._mark(revision)
        if last is not None:
            self.catalog.remember(
                {path: (self._check_out(sha), sha) for path, sha in last[1].items()}
            )
        self._keep(revision)

    def turn(self) -> None:
        self.look()

    # -- commits -----------------------------------------------------------------------------------

    def look(self) -> bool:
        """Ask for the newest commit and serve it; whether it is a new one."""
        with self._looking:
            try:
                revision = self._newest()
                self.looked_at, self.trouble = time.time(), ""
                if revision == self.catalog.revision:
                    return False
                root = self._check_out(revision)
            except GitError as error:
                if self.trouble != str(error):
                    log.warning("the repository cannot be asked: %s", error)
                self.trouble = str(error)
                return False
            self._take(root, revision)
            return True

    def _take(self, root: Path, revision: str) -> None:
        before = {served.flow: served for served in self.catalog.flows()}
        refused = self.catalog.refused()
        self.catalog.move(root, revision)
        self._release(revision)
        self._keep(revision)
        self.changes.note(before, refused, self.catalog)
        broken = self.catalog.refused()
        why = "; ".join(told.message for one in broken for told in one.told[:1])
        self.report(self.what.url, revision, not broken, why)

    def _newest(self) -> str:
        ref = f"refs/heads/{self.what.branch}" if self.what.branch else "HEAD"
        found = heads(self.what.url, ref, access=self.mirror.access)
        if ref not in found:
            named = f"the branch `{self.what.branch}`" if self.what.branch else "a first commit"
            raise GitError(f"the repository has not {named}")
        return found[ref]

    def _check_out(self, revision: str) -> Path:
        folder = self.checkouts / revision
        self.mirror.check_out(revision, folder)
        root = (folder / self.what.folder).resolve()
        if not root.is_dir() or not root.is_relative_to(folder.resolve()):
            raise GitError(f"commit {revision[:12]} has no folder `{self.what.folder}`")
        return root

    # -- what is kept -----------------------------------------------------------------------------

    def _last(self) -> tuple[str, dict[str, str]] | None:
        rows = self.store.read(
            "SELECT revision, good FROM followed WHERE url = ? AND branch = ? AND folder = ?",
            (self.what.url, self.what.branch, self.what.folder),
        )
        return (rows[0]["revision"], json.loads(rows[0]["good"])) if rows else None

    def _keep(self, revision: str) -> None:
        with self.store.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO followed (url, branch, folder, revision, good)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    self.what.url,
                    self.what.branch,
                    self.what.folder,
                    revision,
                    json.dumps(self.catalog.good()),
                ),
            )

    def tidy(self, service: Service) -> list[str]:
        """Remove the checkouts that no run was made from and no flow is served from; which."""
        needed = {self.catalog.revision, *self.catalog.good().values()}
        needed |= {served.revision for served in self.catalog.flows()}
        for run in service.runs(limit=1_000_000):
            created = service.records(run.run)[0].event
            needed.add(_revision_in(getattr(created, "directory", ""), self.checkouts))
        gone = []
        for folder in sorted(self.checkouts.iterdir()):
            if folder.name not in needed:
                shutil.rmtree(folder, ignore_errors=True)
                gone.append(folder.name)
        return gone

    # -- flows that a rollback brought back ------------------------------------------------------

    def hold(self, service: Service, run: str, by: str) -> Served:
        """Make the flow of a run the current one until its file is pushed again."""
        state = service.fold(run)
        flow, plan = state.created.flow, state.graph.plan
        now = self.catalog.flow(flow)
        if now is None:
            raise StateError(
                NOT_FOLLOWED,
                f"the flow `{flow}` is not in the branch any more",
                "bring its file back with a push",
            )
        blob = self._blobs(self.catalog.revision).get(now.path, "")
        with self.store.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO flow_holds (flow, path, blob, run, plan, directory, at, by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    flow,
                    now.path,
                    blob,
                    run,
                    codec.dumps(plan),
                    state.created.directory,
                    time.time(),
                    by,
                ),
            )
        self._mark(self.catalog.revision)
        held = self.catalog.flow(flow)
        assert held is not None
        self.changes.held(held, now)
        return held

    def _release(self, revision: str) -> None:
        """Let go the flows whose file holds something else now."""
        blobs = self._blobs(revision)
        with self.store.write() as db:
            for row in self.store.read("SELECT flow, path, blob FROM flow_holds"):
                if blobs.get(row["path"], "") != row["blob"]:
                    db.execute("DELETE FROM flow_holds WHERE flow = ?", (row["flow"],))
        self._mark(revision)

    def _mark(self, revision: str) -> None:
        rows = self.store.read("SELECT * FROM flow_holds")
        self.catalog.hold(
            tuple(
                Served(
                    row["flow"],
                    Path(row["directory"]) / Path(row["path"]).name,
                    Path(row["directory"]),
                    codec.loads(row["plan"]),
                    revision=_revision_in(row["directory"], self.checkouts),
                    path=row["path"],
                    held=row["run"],
                )
                for row in rows
            )
        )

    def _blobs(self, revision: str) -> dict[str, str]:
        prefix = f"{self.what.folder.strip('/')}/" if self.what.folder.strip("/") else ""
        return {
            path.removeprefix(prefix): blob
            for path, blob in self.mirror.blobs(revision, SUFFIX).items()
            if path.startswith(prefix)
        }


def _revision_in(directory: str, checkouts: Path) -> str:
    path = Path(directory)
    return path.relative_to(checkouts).parts[0] if path.is_relative_to(checkouts) else ""
