"""The cache of specs, in processes of its own: what it spares, and what spoils it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LOOK = """
import json, sys
from rflow.plugins import cache
specs, fingerprint = cache.specs()
heavy = ["pluggy", "importlib.metadata", "rflow.plugins.kinds", "rflow.plugins.host", "acme"]
print(json.dumps({
    "print": fingerprint,
    "loaded": [name for name in heavy if name in sys.modules],
    "kinds": sorted(specs.nodes),
    "doc": specs.nodes["acme.it"].doc if "acme.it" in specs.nodes else None,
}))
"""

PLUGIN = '''
from dataclasses import dataclass
from rflow.plugins import Node

@dataclass(frozen=True)
class It(Node, kind="acme.it"):
    """{doc}"""

    def run(self, ctx): ...

def rflow_node_types():
    return [It]
'''


class Place:
    """A user's home and a folder of the import path."""

    def __init__(self, root: Path) -> None:
        self.cache = root / "cache"
        self.site = root / "site"
        self.site.mkdir()

    def look(self, **more: str) -> Any:
        return self._say(LOOK, **more)

    def host(self, kind: str) -> Any:
        return self._say(HOST, kind)

    def _say(self, program: str, *words: str, **more: str) -> Any:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.cache.parent),
            "XDG_CACHE_HOME": str(self.cache),
            "PYTHONPATH": str(self.site),
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-c", program, *words], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def file(self) -> Path:
        (found,) = (self.cache / "rflow").iterdir()
        return found

    def install(self, doc: str, version: str = "1") -> None:
        (self.site / "acme.py").write_text(PLUGIN.format(doc=doc))
        info = self.site / f"acme-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[rflow]\nacme = acme\n")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_second_time_nothing_is_loaded(place: Place) -> None:
    first, second = place.look(), place.look()
    assert "pluggy" in first["loaded"]
    assert second["loaded"] == []
    assert (second["print"], second["kinds"]) == (first["print"], first["kinds"])
    assert place.file().stat().st_mode & 0o777 == 0o600
    assert place.file().parent.stat().st_mode & 0o777 == 0o700


def test_a_plugin_that_is_installed_changed_or_removed_is_seen(place: Place) -> None:
    before = place.look()
    assert "acme.it" not in before["kinds"]
    place.install("One.")
    assert place.look()["doc"] == "One."
    again = place.look()
    assert (again["doc"], again["loaded"]) == ("One.", [])
    place.install("Two, at greater length.")  # as an editable install is edited
    assert place.look()["doc"] == "Two, at greater length."
    (place.site / "acme-1.dist-info" / "entry_points.txt").unlink()
    (place.site / "acme-1.dist-info" / "METADATA").unlink()
    (place.site / "acme-1.dist-info").rmdir()
    assert "acme.it" not in place.look()["kinds"]


def test_other_files_in_the_import_path_change_nothing(place: Place) -> None:
    place.look()
    (place.site / "notes.txt").write_text("x")
    assert place.look()["loaded"] == []
    assert place.look()["loaded"] == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"version": 3}', b"null", b"[" * 100_000],
)
def test_a_corrupt_cache_is_as_none(place: Place, content: bytes) -> None:
    first = place.look()
    place.file().write_bytes(content)
    assert place.look()["print"] == first["print"]
    assert place.look()["loaded"] == []


def test_a_part_that_is_corrupt(place: Place) -> None:
    first = place.look()
    kept = json.loads(place.file().read_text())
    kept["specs"] = kept["specs"].replace('"string"', '"strong"')
    place.file().write_text(json.dumps(kept))
    assert place.look()["print"] == first["print"]


def test_no_place_for_a_cache(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert place.look(XDG_CACHE_HOME=str(tmp_path / "file" / "x"))["kinds"]
    assert place.look(XDG_CACHE_HOME="relative")["kinds"]
    assert not list(tmp_path.rglob("relative"))


def test_the_fingerprint_is_of_what_is_said(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert place.look()["print"] == Place(other).look()["print"]


HOST = """
import json, sys
from rflow.plugins import cache
host = cache.host()
first = [name for name in sys.modules if name.startswith(("rflow.plugins.kinds.", "acme"))]
kind = host.node(sys.argv[1])
print(json.dumps({
    "first": first,
    "kind": kind.options.kind,
    "loaded": [name for name in sys.modules if name.startswith(("rflow.plugins.kinds.", "acme"))],
    "upper": host.filters()["upper"]("a"),
    "kinds": sorted(host.specs().nodes),
    "plugins": [found.plugin.name for found in host.plugins()],
}))
"""


def test_a_kind_is_imported_when_it_is_asked_for(place: Place) -> None:
    place.install("One.")
    place.look()
    found = place.host("sh")
    assert (found["first"], found["kind"], found["upper"]) == ([], "sh", "A")
    assert found["loaded"] == ["rflow.plugins.kinds.sh"]
    assert ("acme.it" in found["kinds"], found["plugins"]) == (True, ["builtin", "acme"])
    assert place.host("acme.it")["loaded"] == ["acme"]


def test_an_observer_is_there_from_the_start(place: Place) -> None:
    place.install("One.")
    with (place.site / "acme.py").open("a") as file:
        file.write("\ndef rflow_run_event(run): ...\n")
    place.look()
    assert place.host("sh")["first"] == ["acme"]


def test_what_is_not_at_its_place_is_loaded_with_its_plugin(place: Place) -> None:
    place.install("One.")
    module = place.site / "acme.py"
    module.write_text(
        module.read_text().replace("return [It]", 'return [vars(sys.modules[__name__]).pop("It")]')
        + "\nimport sys\n"
    )
    place.look()
    assert "acme.it" not in json.loads(place.file().read_text())["places"]["nodes"]
    assert place.host("acme.it")["kind"] == "acme.it"
