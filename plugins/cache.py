"""The specs of all plugins, kept in the user's cache folder between calls.

While nothing that is installed has changed, `specs` imports neither pluggy nor the metadata of
distributions nor any plugin. What is watched: the folders of the import path, in which every
installation leaves a trace, and the files of the modules that plugins are made of, which change
without one while a plugin is being written. A cache that is corrupt, foreign or not to be written
is as none.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rflow.plugins.host import Host
    from rflow.plugins.types import Specs

Stamp = list[int]
_VERSION = [4, *sys.version_info[:3]]
_METADATA = (".dist-info", ".egg-info", ".egg-link")


def specs() -> tuple[Specs, str]:
    """The specs, and their fingerprint: the digest of all they say, equal on any machine.

    `discovery.PluginProblems` if a plugin is broken.
    """
    path = _path()
    if path is not None and (kept := _read(path)) is not None:
        from rflow.plugins.specs_json import decode

        try:
            return decode(json.loads(kept["specs"])), kept["print"]
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
    return _load(path)


def host() -> Host:
    """The plugins. Where nothing has changed, neither the metadata of distributions nor the specs
    are read from them again, and only what is asked for is imported."""
    from rflow.plugins.discovery import Plugin
    from rflow.plugins.host import Host

    path = _path()
    if path is not None and (kept := _read(path)) is not None:
        from rflow.plugins.kept_host import KeptHost
        from rflow.plugins.specs_json import decode

        try:
            known = decode(json.loads(kept["specs"]))
            plugins = [Plugin(*entry) for entry in kept["plugins"]]
            observing = [plugins[number] for number in kept["observing"]]
            return KeptHost(plugins, known, kept["places"], observing)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
    return Host.load()


def fingerprint() -> str:
    """The fingerprint alone. Where nothing has changed, not even the specs are read."""
    path = _path()
    kept = _read(path) if path is not None else None
    return specs()[1] if kept is None else str(kept["print"])


def stamp() -> str:
    """What is another one when a file that plugins are made of is; "" where it is not known."""
    path = _path()
    kept = _read(path) if path is not None else None
    return "" if kept is None else f"{zlib.crc32(json.dumps(kept['files']).encode()):08x}"


def _load(path: str | None) -> tuple[Specs, str]:
    from hashlib import sha256

    from rflow.plugins.discovery import PluginProblems
    from rflow.plugins.host import Host
    from rflow.plugins.specs_json import encode

    # Taken before loading: what is installed meanwhile must be seen the next time.
    folders = [[folder, _stamp(folder), _installed(folder)] for folder in sys.path]
    host = Host.load()
    if host.problems:
        raise PluginProblems(host.problems)
    found = host.specs()
    text = json.dumps(encode(found), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    fingerprint = f"sha256:{sha256(text.encode()).hexdigest()}"
    if path is not None:
        files = [[file, _stamp(file)] for file in sorted(_files(host.modules()))]
        entries = host.plugins()
        plugins = [
            [p.name, p.value, p.distribution, p.version] for p in (e.plugin for e in entries)
        ]
        observing = [n for n, found in enumerate(entries) if "rflow_run_event" in found.hooks]
        _write(
            path,
            {
                "folders": folders,
                "files": files,
                "plugins": plugins,
                "observing": observing,
                "places": host.places(),
                "print": fingerprint,
                "specs": text,
            },
        )
    return found, fingerprint


def _read(path: str) -> dict[str, Any] | None:
    """What is kept, if it still holds: `specs` as JSON text, `print` the fingerprint."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            kept: dict[str, Any] = json.loads(file.read())
        if kept["version"] != _VERSION or [folder for folder, _, _ in kept["folders"]] != sys.path:
            return None
        if any(_stamp(file) != stamp for file, stamp in kept["files"]):
            return None
        moved = [entry for entry in kept["folders"] if _stamp(entry[0]) != entry[1]]
        if any(_installed(folder) != names for folder, _, names in moved):
            return None
        if not isinstance(kept["specs"], str) or not isinstance(kept["print"], str):
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if moved:  # files came and went there, distributions did not
        for entry in moved:
            entry[1] = _stamp(entry[0])
        _write(path, kept)
    return kept


def _write(path: str, kept: dict[str, Any]) -> None:
    """Whole or not at all, and for the user's eyes only; a failure is of no account."""
    draft = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({"version": _VERSION, **kept}, file)
        os.replace(draft, path)
    except (OSError, ValueError):
        try:
            os.unlink(draft)
        except OSError:
            return


def _path() -> str | None:
    """The file for this import path; None where the user has no place for caches."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    key = zlib.crc32("\0".join((sys.prefix, *sys.path)).encode("utf-8", "surrogateescape"))
    return os.path.join(base, "rflow", f"specs-{key:08x}.json")


def _stamp(path: str) -> Stamp:
    """What tells that a file or a folder is as it was; empty where there is none."""
    try:
        found = os.stat(path or ".")
    except (OSError, ValueError):
        return []
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def _installed(folder: str) -> list[list[Any]]:
    """The distributions that have their metadata in a folder, each with a stamp."""
    try:
        with os.scandir(folder or ".") as entries:
            found = [entry for entry in entries if entry.name.endswith(_METADATA)]
    except (OSError, ValueError):
        return []
    return sorted(
        [entry.name, _stamp(os.path.join(entry.path, "entry_points.txt"))] for entry in found
    )


def _files(modules: set[str]) -> set[str]:
    """The source files of modules, and of rflow's own that read specs from them."""
    own = {f"rflow.plugins.{part}" for part in ("derive", "node", "specs_json", "types")}
    found = set()
    for name in modules | own:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file:
            found.add(file)
    return found
