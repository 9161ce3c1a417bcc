"""Checking a text that is posted: the words of `rflow check`, and nothing of other files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from rflow.cli.main import invoke
from rflow.server.core import Server

from .api import HELLO, Api, contents
from .conftest import Place

BROKEN = """rflow 1
flow release {
  node web: sh { script = "echo $<args.colour>"  pure }
}
"""
SECRET = "hunter2"


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("hello.rflow", HELLO)
    found = Api(*listening())
    yield found
    found.close()


@pytest.mark.parametrize("text", [BROKEN, f"rflow 1\n{HELLO}", "rflow 1\nflow {", ""])
def test_it_says_what_the_command_says(
    api: Api,
    text: str,
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posted = api("run").post("/check", json={"path": "sub/new.rflow", "text": text})
    assert posted.status_code == 200, posted.text
    monkeypatch.chdir(place.folder)
    place.write("sub/new.rflow", "").write_text(text)
    invoke(["check", "--format", "json", "sub/new.rflow"])
    assert posted.json() == json.loads(capsys.readouterr().out)


def test_it_starts_and_keeps_nothing(api: Api, place: Place) -> None:
    flows = {path for path in place.folder.rglob("*.rflow") if path.is_file()}
    assert api("run").post("/check", json={"text": BROKEN}).status_code == 200
    assert {path for path in place.folder.rglob("*.rflow") if path.is_file()} == flows
    assert api("view").get("/runs").json()["items"] == []
    assert b"colour" not in b"".join(text for _, text in contents(place.folder))


def test_it_imports_flows_of_the_project(api: Api, place: Place) -> None:
    place.write("lib/parts.rflow", "pipeline shop { stage production }\n")
    text = 'rflow 1\nimport "../lib/parts.rflow"\nflow two for shop.production {}\n'
    posted = api("run").post("/check", json={"path": "sub/new.rflow", "text": text}).json()
    assert posted["diagnostics"] == []
    assert posted["files"]["sub/new.rflow"]["two"]["nodes"] == 0


@pytest.mark.parametrize(
    "path", ["../outside.rflow", ".rflow/inside.rflow", "notes.txt", "link.rflow"]
)
def test_it_says_nothing_of_other_files(api: Api, place: Place, path: str) -> None:
    for name in (".rflow/inside.rflow", "notes.txt"):
        (place.folder / name).write_text(SECRET)
    (place.folder / "link.rflow").symlink_to(place.folder / "notes.txt")
    posted = api("run").post("/check", json={"text": f'rflow 1\nimport "{path}"\n'})
    (told,) = posted.json()["diagnostics"]
    assert told["message"] == f"`{path}` is no flow file of this project"
    assert SECRET not in posted.text
    assert str(place.folder) not in posted.text


@pytest.mark.parametrize("path", ["../a.rflow", "/a.rflow", ".git/a.rflow", "a.txt", "", "a/../b"])
def test_a_path_outside_the_folder_is_refused(api: Api, path: str) -> None:
    refused = api("run").post("/check", json={"path": path, "text": "rflow 1\n"})
    assert refused.status_code == 422
    assert "no path of a flow file" in refused.json()["title"]


def test_a_text_that_is_too_large_is_refused(api: Api) -> None:
    refused = api("run").post("/check", json={"text": "# " + "x" * (1 << 20)})
    assert refused.status_code == 413
