"""Where kinds put things: folders of a node's own, paths as flows write them, what was before."""

from __future__ import annotations

import os
import re
import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from rflow.plugins import Context, Doc, Json, NodeError, Trusted

DeployedName = Annotated[
    str | None, Trusted, Doc("The name of what is deployed; the node's unless said otherwise.")
]
"""The input `name` of the kinds that deploy."""


def resource_of(ctx: Context, name: str | None) -> str:
    """The resource that a node deploys: `web@production`."""
    name = name or ctx.node
    return f"{name}@{ctx.stage}" if ctx.stage else name


def own_folder(ctx: Context) -> Path:
    """A folder in the run's workspace that is this node's alone; not made yet."""
    return ctx.workspace / file_name(ctx.node)


def file_name(text: str) -> str:
    """A text as the name of a file: different texts have different names."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", text).lstrip(".-")
    if plain == text and len(text) <= 80:
        return text
    from hashlib import sha256

    return f"{plain[:80]}-{sha256(text.encode()).hexdigest()[:8]}"


def inside(folder: Path, path: str) -> Path:
    """A path within a folder; NodeError if it could lead out of it."""
    parts = Path(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise NodeError(f"`{path}` must be a path within {folder.name}", retry=False)
    return folder / path


def pause(ctx: Context, seconds: float) -> None:
    """Waits a moment; NodeError at once if the attempt is to end."""
    until = time.monotonic() + seconds
    while True:
        if ctx.cancelled():
            raise NodeError("it was ended while it waited", retry=False)
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.05))


def value_before(ctx: Context, resource: str, now: Json) -> Json:
    """The value of a resource before this node first changed it in this run.

    A second attempt finds what the first one left behind; taking that for the value before would
    make an undo restore a failure.
    """
    for effect in ctx.effects:
        if effect.resource == resource and effect.after == now:
            return effect.before
    return now


def note_end(ctx: Context, value: str) -> None:
    """Keeps that all which was to be done is done, for `ended` after a crash."""
    path = _end(ctx)
    path.parent.mkdir(exist_ok=True)
    replace_file(ctx, path, value.encode())


def ended(ctx: Context, value: Json) -> bool:
    """Whether this node had come to its end in this run, with this value."""
    try:
        return _end(ctx).read_text(encoding="utf-8") == value
    except (OSError, ValueError):
        return False


def replace_file(ctx: Context, path: Path, content: bytes, mode: int = 0o600) -> None:
    """Puts a file in its place as a whole: a reader sees the old one or the new one.

    The draft is named by the attempt's key, which an attempt that follows one that was cut off
    has, too: so it takes the place of what that one may have left.
    """
    mark = sha256(ctx.key.encode()).hexdigest()[:12]
    draft = path.with_name(f".{path.name[:100]}.{mark}.rflow")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes sure that what was renamed in a folder stays so when the power goes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _end(ctx: Context) -> Path:
    return ctx.workspace / ".ended" / file_name(ctx.node)
