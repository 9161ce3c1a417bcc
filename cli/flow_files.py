"""Putting the files of an old flow back in their place; what was there is kept beside them.

All are read and written aside before the first one is put in its place, so that what cannot be
written changes nothing. A file never leaves the project that the flow belonged to.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from rflow.cli.failure import Failure
from rflow.cli.root import root_of

if TYPE_CHECKING:
    from rflow.compiler.plan import Plan


class Change(Struct, frozen=True):
    """A file that is to hold `text`; `kept` is where what it holds now will stand ("" for a file
    that is not there)."""

    path: str
    text: str
    kept: str


def changes(plan: Plan, directory: Path, run: str) -> list[Change]:
    """The files that differ from those of the plan, which was made from a flow in `directory`.
    Failure where they cannot be put back."""
    root = root_of(str(directory))
    found = []
    for source in plan.sources:
        if source.path.startswith("<"):
            raise Failure(
                "the flow came from standard input, so there is no file to put back",
                help="`rflow show --format json` has it; go back without `--with-flow`",
            )
        path = os.path.realpath(directory / source.path)
        if not path.startswith(root.rstrip(os.sep) + os.sep):
            raise Failure(f"`{source.path}` of that flow lies outside the project `{root}`")
        try:
            now = Path(path).read_bytes()
        except FileNotFoundError:
            found.append(Change(path, source.text, ""))
            continue
        except OSError as error:
            raise _cannot("read", path, error) from None
        if now.removeprefix(b"\xef\xbb\xbf") != source.text.encode():
            found.append(Change(path, source.text, _free(f"{path}.before-{run}")))
    return found


def changed(plan: Plan, directory: Path) -> list[str]:
    """The files of the plan that hold something else now, by the names that the plan has."""
    found = []
    for source in plan.sources:
        try:
            now = (directory / source.path).read_bytes()
        except OSError:
            continue
        if now.removeprefix(b"\xef\xbb\xbf") != source.text.encode():
            found.append(source.path)
    return found


def put(wanted: list[Change]) -> None:
    """Write them: each is at any moment the old one or the whole new one."""
    aside: list[tuple[str, Change]] = []
    try:
        for change in wanted:
            aside.append((_write_aside(change), change))
        for fresh, change in aside:
            if change.kept:
                os.link(change.path, change.kept)
            os.replace(fresh, change.path)
    except OSError as error:
        raise _cannot("written", wanted[0].path, error) from None
    finally:
        for fresh, _ in aside:
            Path(fresh).unlink(missing_ok=True)


def _write_aside(change: Change) -> str:
    folder, name = os.path.split(change.path)
    os.makedirs(folder, exist_ok=True)
    fresh = os.path.join(folder, f".{name}.{secrets.token_hex(4)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with open(fd, "wb") as file:
        file.write(change.text.encode())
        file.flush()
        if change.kept:
            os.fchmod(fd, os.stat(change.path).st_mode & 0o777)
        os.fsync(fd)
    return fresh


def _free(path: str) -> str:
    """A name that nothing has yet: the path, or the path with a number."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = f"{path}.{number}"
    return free


def _cannot(done: str, path: str, error: OSError) -> Failure:
    reason = (error.strerror or str(error)).lower()
    return Failure(f"`{path}` cannot be {done}: {reason}")
