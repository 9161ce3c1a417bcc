"""What can go wrong with the state on disk, told to people: codes RF901 to RF929.

This module owns the shape of these problems and their list. A problem here is never a mistake in
a flow (those are diagnostics) and never a bug (those stay exceptions of their own).
"""

from __future__ import annotations

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One kind of problem: its code, a title, and what `rflow explain` says of it."""

    id: str
    title: str
    why: str


class StateError(Exception):
    """The state cannot be used. `code` is an RF9xx code, `help` the one next step."""

    def __init__(self, problem: Problem, message: str, help: str) -> None:
        super().__init__(message)
        self.problem = problem
        self.message = message
        self.help = help

    @property
    def code(self) -> str:
        """The RF9xx code."""
        return self.problem.id

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


FOREIGN = Problem(
    "RF901",
    "the state file is not rflow's",
    "A file named rflow.db stands where rflow keeps its journal, but another program wrote it. "
    "rflow never writes to a file it does not know.",
)
CORRUPT = Problem(
    "RF902",
    "the journal is damaged",
    "The journal cannot be read as it was written: the disk, a copy made while a run was going on, "
    "or an edit changed it. Nothing is guessed at; go on from a copy that is whole.",
)
NEWER = Problem(
    "RF903",
    "the journal was written by a newer rflow",
    "A newer version of rflow has written what this one cannot read. Nothing was changed.",
)
FULL = Problem(
    "RF904",
    "the disk is full",
    "An event is on disk before what it announces happens. With no room for it nothing further is "
    "done; what was written stays valid and the run goes on when there is room.",
)
READ_ONLY = Problem(
    "RF905",
    "the state cannot be written",
    "The state folder or a file in it is read-only, or belongs to somebody else.",
)
LOCKED = Problem(
    "RF906",
    "the journal is in use",
    "Another process held the journal for longer than rflow waits. rflow's own transactions take "
    "milliseconds; a backup program or an open database browser may hold it for longer.",
)
BROKEN = Problem(
    "RF907",
    "the state cannot be read or written",
    "The operating system reported an error for the state folder: a failing disk, a lost network "
    "mount, a limit on the size of files.",
)
NO_KEY = Problem(
    "RF908",
    "a sealed secret cannot be opened",
    "Secret arguments and outputs are kept sealed with the key file of the state folder. Without "
    "that very file they cannot be read.",
)
OPEN_KEY = Problem(
    "RF909",
    "the key file can be read by others",
    "The key file opens every sealed secret of the state folder; only its owner may read it.",
)
NO_ARTIFACT = Problem(
    "RF910",
    "an artifact is not in the store",
    "A run refers to an artifact by its digest, and the store has none with that digest.",
)
BAD_ARTIFACT = Problem(
    "RF911",
    "an artifact is damaged",
    "What is stored does not have the digest that it is stored under. It is not used.",
)

PROBLEMS: tuple[Problem, ...] = (
    FOREIGN,
    CORRUPT,
    NEWER,
    FULL,
    READ_ONLY,
    LOCKED,
    BROKEN,
    NO_KEY,
    OPEN_KEY,
    NO_ARTIFACT,
    BAD_ARTIFACT,
)
