"""The state folder `.rflow/`: where it is, and where everything in it lies.

    rflow.db          the journal
    key               opens sealed secrets (0600)
    artifacts/        by digest
    guards/           which attempts are going on, for `runner.guard`
    serving           held by the server that serves the state
    runs/RUN/lock     held by the process that acts for the run
    runs/RUN/heads    the head of its record, each time it ended
    runs/RUN/workspace, runs/RUN/scratch/NUMBER, runs/RUN/logs/NODE.ATTEMPT.log

This module owns paths and the making of folders; it must never read or write what lies in them.
Ids become file names by `file_name`, which yields one component whatever the id is, so that no id
reaches outside the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from msgspec import Struct
from rflow.runner.problems import BROKEN, READ_ONLY, Problem, StateError

NAME = ".rflow"
VARIABLE = "RFLOW_STATE"
LENGTH_MAX = 96

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@lru_cache(maxsize=4096)  # of a node it is asked for again and again
def file_name(id: str) -> str:
    """One file name for an id: `web` stays, `web[eu/1]` becomes `web-eu-1~` and a digest.

    Different ids have different names; `~` stands in no plain id.
    """
    if len(id) <= LENGTH_MAX and _PLAIN.fullmatch(id):
        return id
    digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", id)[: LENGTH_MAX - 17].strip("-")
    return f"{readable}~{digest}"


class StateDir(Struct, frozen=True):
    """A state folder. Nothing exists before `make`."""

    root: Path

    @property
    def database(self) -> Path:
        """The journal's file."""
        return self.root / "rflow.db"

    @property
    def key(self) -> Path:
        """The key file."""
        return self.root / "key"

    @property
    def artifacts(self) -> Path:
        """The folder of the artifact store."""
        return self.root / "artifacts"

    @property
    def guards(self) -> Path:
        """The folder of the guards' files."""
        return self.root / "guards"

    @property
    def serving(self) -> Path:
        """The file that the server on this state holds locked."""
        return self.root / "serving"

    def run(self, run: str) -> Path:
        """The run's folder."""
        return self.root / "runs" / file_name(run)

    def lock(self, run: str) -> Path:
        """The file that the process acting for the run holds locked."""
        return self.run(run) / "lock"

    def heads(self, run: str) -> Path:
        """The heads of the run's record that were noted when it ended."""
        return self.run(run) / "heads"

    def workspace(self, run: str) -> Path:
        """The run's workspace."""
        return self.run(run) / "workspace"

    def scratch(self, run: str) -> Path:
        """The folder of the scratch folders of the run's attempts."""
        return self.run(run) / "scratch"

    def log(self, run: str, node: str, attempt: int) -> str:
        """The log of an attempt; as text, since it is asked for at each step of a run."""
        return f"{self.root}/runs/{file_name(run)}/logs/{file_name(node)}.{attempt}.log"

    def make(self) -> StateDir:
        """Make the folder, for its owner only, and keep git out of it. Idempotent."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise unusable(self.root, error) from error
        return self

    def make_run(self, run: str) -> Path:
        """Make the run's folder and its workspace; the folder."""
        folder = self.run(run)
        for path in (self.workspace(run), self.scratch(run), folder / "logs"):
            make_folder(path)
        return folder


def make_folder(path: Path) -> Path:
    """Make a folder in the state, for its owner only. Idempotent."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(path, error) from error
    return path


def unusable(path: Path, error: OSError) -> StateError:
    """The problem that an operating system's error for a path of the state amounts to."""
    import errno

    from rflow.runner.problems import FULL

    what = error.strerror or str(error)
    problem: Problem = BROKEN
    advice = f"check `{path}` and the disk it is on, or choose another state folder with `--state`"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        problem, advice = FULL, f"make room on the disk of `{path}`, then go on with `rflow resume`"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        problem = READ_ONLY
        advice = f"make `{path}` writable, or choose another state folder with `--state`"
    elif error.errno in (errno.EEXIST, errno.ENOTDIR):
        advice = f"`{path}` must be a folder: move what is there away, or use `--state`"
    return StateError(problem, f"cannot use `{path}`: {what}", advice)


def locate(
    flow_file: Path, *, given: Path | None = None, environ: Mapping[str, str] = os.environ
) -> StateDir:
    """The state folder for a flow file: `given` (`--state`), else RFLOW_STATE, else the nearest
    `.rflow` upward from the flow file's folder, else one beside the flow file."""
    if given is not None:
        return StateDir(Path(given).absolute())
    if variable := environ.get(VARIABLE):
        return StateDir(Path(variable).absolute())
    folder = flow_file.absolute().parent
    for candidate in (folder, *folder.parents):
        if (candidate / NAME).is_dir():
            return StateDir(candidate / NAME)
    return StateDir(folder / NAME)
