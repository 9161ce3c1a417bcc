"""Reading a flow file: bytes of a sane size, decoded, or a diagnostic that says why not.

Owns the codes of files that cannot be read. Never raises anything but `Unreadable`.
"""

from __future__ import annotations

import os
import stat
import sys

from msgspec import Struct
from rflow.dsl.diagnostics import Code, Diagnostic, Label, Source, closest

SIZE_MAX = 32 << 20
"""A flow file of more bytes is refused."""

RF191 = Code(
    "RF191",
    "the file cannot be read",
    "The file does not exist, is a folder, or may not be read. `-` reads from standard input.",
)
RF192 = Code(
    "RF192",
    "the file is not UTF-8 text",
    "Flow files are UTF-8, with or without a byte order mark. The label stands at the first"
    " character that is not.",
)
RF193 = Code(
    "RF193",
    "the file holds a NUL character",
    "A NUL character cannot stand in a flow: no shell, file name or journal could hold it.",
)
RF194 = Code(
    "RF194",
    "the file is too large",
    f"A flow file has at most {SIZE_MAX >> 20} MiB. Split it into files that import one another.",
)
CODES = (RF191, RF192, RF193, RF194)


class Unreadable(Exception):
    """The file cannot be used; the diagnostic says why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Content(Struct, frozen=True):
    """The bytes of a file and the text that they are."""

    data: bytes
    source: Source


def read_stdin() -> Content:
    """What stands on standard input, under the name `<stdin>`."""
    try:
        data = sys.stdin.buffer.read(SIZE_MAX + 1)
    except (OSError, AttributeError) as error:
        raise _unreadable("<stdin>", f"standard input cannot be read: {error}") from None
    return Content(data, decode("<stdin>", data))


def read_file(path: str, name: str, *, regular: bool = False) -> Content:
    """The file at `path`, shown to users as `name`. `regular`: pipes and devices are refused."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise _unreadable(name, f"`{name}` is a folder, not a flow file", _inside(path))
        if regular and not stat.S_ISREG(mode):
            raise _unreadable(name, f"`{name}` is not a regular file")
        with open(path, "rb") as file:
            data = file.read(SIZE_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _unreadable(name, f"there is no file `{name}`", _near(path)) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _unreadable(name, f"`{name}` cannot be read: {reason}") from None
    except ValueError:
        raise _unreadable(name, f"`{name!r}` cannot be the name of a file") from None
    return Content(data, decode(name, data))


def decode(name: str, data: bytes) -> Source:
    """The text of these bytes; line ends are kept as they are."""
    if len(data) > SIZE_MAX:
        message = f"`{name}` has more than {SIZE_MAX >> 20} MiB"
        raise Unreadable(RF194.at(Label(Source(name, ""), (0, 0)), message))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        message = f"`{name}` is UTF-16 text, not UTF-8"
        label = Label(Source(name, ""), (0, 0))
        raise Unreadable(RF192.at(label, message, help="save it as UTF-8"))
    if b"\0" in data:
        shown, at = _so_far(name, data, data.index(b"\0"))
        label = Label(shown, (at, at), "here")
        raise Unreadable(RF193.at(label, f"`{name}` holds a NUL character", help="remove it"))
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        shown, at = _so_far(name, data, error.start)
        label = Label(shown, (at, at), f"byte 0x{data[error.start]:02x}")
        message = f"`{name}` is not UTF-8 text"
        raise Unreadable(RF192.at(label, message, help="save it as UTF-8")) from None


def _so_far(name: str, data: bytes, offset: int) -> tuple[Source, int]:
    """The text before the offset as a source, to point at its end."""
    text = data[:offset].decode("utf-8", errors="replace")
    return Source(name, text), len(text)


def _unreadable(name: str, message: str, step: str | None = None) -> Unreadable:
    return Unreadable(RF191.at(Label(Source(name, ""), (0, 0)), message, help=step))


def _near(path: str) -> str | None:
    """What was probably meant: a file of a similar name in the same folder."""
    folder = os.path.dirname(path) or "."
    flows = _flows_in(folder)
    stems = [name.removesuffix(".rflow") for name in flows]
    near = closest(os.path.basename(path).removesuffix(".rflow"), stems)
    if near is not None:
        return f"did you mean `{os.path.join(os.path.dirname(path), near + '.rflow')}`?"
    return _listed(flows, folder)


def _inside(path: str) -> str | None:
    return _listed([os.path.join(path, name) for name in _flows_in(path)], path)


def _listed(flows: list[str], folder: str) -> str | None:
    if not flows:
        return None
    more = ", …" if len(flows) > 5 else ""
    return f"`{folder}` holds {', '.join(f'`{name}`' for name in flows[:5])}{more}"


def _flows_in(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.strip(".").endswith(".rflow"))
    except (OSError, ValueError):
        return []
