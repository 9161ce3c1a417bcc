"""`file.write`: one file, written as a whole."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rflow.plugins import Artifact, Context, Doc, Json, Node, NodeError, Trusted
from rflow.plugins.kinds.places import replace_file, sync_folder, value_before


@dataclass(frozen=True)
class Write(Node, kind="file.write", effect="file", repeatable=True):
    """Write a file. Readers see the old content or the new one, never a part.

    The former content is kept as an artifact, and undoing the node puts it back. The content
    takes no secret, since it is kept too.
    """

    path: Annotated[str, Trusted, Doc("The file; its folder must be there.")]
    content: Annotated[str, Doc("What stands in it.")]
    mode: Annotated[str, Trusted, Doc("Its permissions, as three octal digits.")] = "644"

    @dataclass(frozen=True)
    class Outputs:
        path: Annotated[str, Doc("The file, as an absolute path.")]
        changed: Annotated[bool, Doc("Whether it was another content or mode before.")]
        former: Annotated[Artifact | None, Doc("The content it had before.")]

    def run(self, ctx: Context) -> Outputs:
        if not re.fullmatch(r"0?[0-7]{3}", self.mode):
            raise NodeError(f"`{self.mode}` is no mode: three octal digits", retry=False)
        path, content = self._path(ctx), self.content.encode()
        now = _value(ctx, path)
        after: Json = {"content": ctx.artifacts.put_bytes(content), "mode": self.mode[-3:]}
        resource = f"file:{path}"
        before = value_before(ctx, resource, now)
        ctx.intend(resource, before, after)
        try:
            replace_file(ctx, path, content, int(self.mode, 8))
        except OSError as error:
            raise NodeError(f"`{path}` cannot be written: {error.strerror}") from None
        return self._outputs(path, before, after)

    def recover(self, ctx: Context) -> Outputs | None:
        path = self._path(ctx)
        if not ctx.effects or _value(ctx, path) != ctx.effects[-1].after:
            return None
        return self._outputs(path, ctx.effects[-1].before, ctx.effects[-1].after)

    def undo(self, ctx: Context, done: Outputs | None) -> None:
        if not ctx.effects:
            return
        effect, path = ctx.effects[-1], self._path(ctx)
        if _value(ctx, path) not in (effect.after, effect.before):
            raise NodeError(f"`{path}` was changed since by somebody else; it is left", retry=False)
        self.restore(ctx, effect.resource, effect.before)

    def restore(self, ctx: Context, resource: str, value: Json) -> None:
        """Gives the file the content and mode of a former value; None removes it."""
        path = Path(resource.removeprefix("file:"))
        try:
            if value is None:
                path.unlink(missing_ok=True)
                sync_folder(path.parent)
                return
            if not isinstance(value, dict):
                raise NodeError(f"{value!r} is no value of `{resource}`", retry=False)
            content = ctx.artifacts.path(str(value["content"])).read_bytes()
            replace_file(ctx, path, content, int(str(value["mode"]), 8))
        except OSError as error:
            raise NodeError(f"`{path}` cannot be restored: {error.strerror}") from None

    def _path(self, ctx: Context) -> Path:
        """The file that is meant, through links."""
        if not self.path.strip() or "\0" in self.path:
            raise NodeError("`path` is no path", retry=False)
        path = (ctx.directory / self.path).resolve()
        if path.is_dir():
            raise NodeError(f"`{self.path}` is a folder", retry=False)
        return path

    def _outputs(self, path: Path, before: Json, after: Json) -> Outputs:
        former = before.get("content") if isinstance(before, dict) else None
        return self.Outputs(str(path), before != after, str(former) if former else None)


def _value(ctx: Context, path: Path) -> Json:
    """What the file is now; None if there is none. Its content is kept."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        digest = ctx.artifacts.put_bytes(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NodeError(f"`{path}` cannot be read: {error.strerror}") from None
    return {"content": digest, "mode": f"{mode & 0o777:03o}"}
