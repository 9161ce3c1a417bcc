"""The state folder: found where it should be, closed to others, and never left by a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.runner.problems import StateError
from rflow.runner.state_dir import LENGTH_MAX, StateDir, file_name, locate

IDS = st.text(max_size=300) | st.sampled_from(
    ["web", "web[eu]", "web[eu/1]", "undo:web[eu]", "..", ".", "", "../../etc/passwd", "a\0b"]
)


def test_it_is_private_and_out_of_git(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "a" / ".rflow").make()
    assert state.root.stat().st_mode & 0o777 == 0o700
    assert (state.root / ".gitignore").read_text() == "*\n"
    state.make_run("r1")
    assert state.workspace("r1").is_dir()
    (state.root / ".gitignore").write_text("mine\n")
    assert state.make().make().root == state.root
    assert (state.root / ".gitignore").read_text() == "mine\n"


def test_the_nearest_one_upward_else_beside_the_flow(tmp_path: Path) -> None:
    flow = tmp_path / "shop" / "deploy" / "release.rflow"
    flow.parent.mkdir(parents=True)
    assert locate(flow, environ={}).root == flow.parent / ".rflow"
    (tmp_path / ".rflow").mkdir()
    assert locate(flow, environ={}).root == tmp_path / ".rflow"
    (tmp_path / "shop" / ".rflow").mkdir()
    assert locate(flow, environ={}).root == tmp_path / "shop" / ".rflow"
    assert locate(flow, environ={"RFLOW_STATE": "/var/lib/x"}).root == Path("/var/lib/x")
    given_one = locate(flow, given=Path("there"), environ={"RFLOW_STATE": "/var/lib/x"})
    assert given_one.root == Path.cwd() / "there"


def test_a_file_of_that_name_is_no_state_folder(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / ".rflow").write_text("")
    assert locate(tmp_path / "shop" / "a.rflow", environ={}).root == tmp_path / "shop" / ".rflow"


@given(IDS)
def test_an_id_is_one_short_harmless_component(id: str) -> None:
    name = file_name(id)
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert "\0" not in name
    assert len(name.encode()) <= LENGTH_MAX
    state = StateDir(Path("/state"))
    assert state.scratch(id).resolve().is_relative_to("/state/runs")
    assert len(Path(state.log(id, id, 10**6)).relative_to("/state").parts) == 4


@given(IDS, IDS)
def test_different_ids_have_different_names(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


def test_plain_ids_stay_readable() -> None:
    assert file_name("check.ping") == "check.ping"
    assert file_name("web[eu/1]").startswith("web-eu-1~")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError) as error:
        StateDir(tmp_path / "file" / ".rflow").make()
    assert error.value.code == "RF907"
    assert "--state" in error.value.help
