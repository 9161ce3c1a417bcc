"""Sealing, and asking for secrets."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rflow.compiler.plan import Place, Secret
from rflow.plugins.context import NodeError
from rflow.runner.problems import StateError
from rflow.runner.secrets import Key, open_output, resolve, seal_output

from .conftest import plan_of


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return Key(tmp_path / "key")


def test_what_is_sealed_comes_back_and_is_not_to_be_seen(key: Key, tmp_path: Path) -> None:
    sealed = key.seal("hunter22", "argument token of r1")
    assert key.open(sealed, "argument token of r1") == "hunter22"
    assert Key(tmp_path / "key").open(sealed, "argument token of r1") == "hunter22"
    assert "hunter22" not in sealed
    assert b"hunter22" not in base64.urlsafe_b64decode(sealed[2:])
    assert key.seal("hunter22", "argument token of r1") != sealed
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@settings(max_examples=30)
@given(st.text())
def test_any_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    key = Key(tmp_path_factory.getbasetemp() / "any-key")
    assert key.open(key.seal(text, "a"), "a") == text
    assert open_output(key, "r", "n", "o", seal_output(key, "r", "n", "o", [text])) == [text]


def test_one_sealed_text_does_not_pass_for_another(key: Key) -> None:
    sealed = key.seal("hunter22", "argument token of r1")
    broken = sealed[:-4] + ("AAAA" if sealed[-4:] != "AAAA" else "BBBB")
    for text, about in [
        (sealed, "argument token of r2"),
        (broken, "argument token of r1"),
        ("1:", "argument token of r1"),
        ("2:" + sealed[2:], "argument token of r1"),
        ("", "argument token of r1"),
        ("1:ü", "argument token of r1"),
    ]:
        with pytest.raises(StateError) as error:
            key.open(text, about)
        assert error.value.code == "RF908"
        assert "hunter22" not in str(error.value)


def test_without_the_key_file(key: Key, tmp_path: Path) -> None:
    sealed = key.seal("hunter22", "a")
    (tmp_path / "key").unlink()
    with pytest.raises(StateError, match="RF908"):
        Key(tmp_path / "key").open(sealed, "a")
    assert not (tmp_path / "key").exists()
    (tmp_path / "key").write_bytes(os.urandom(31))
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(StateError, match="damaged"):
        Key(tmp_path / "key").seal("hunter22", "a")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_file_that_others_can_read_is_refused(key: Key, tmp_path: Path, mode: int) -> None:
    sealed = key.seal("hunter22", "a")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(StateError) as error:
        Key(tmp_path / "key").open(sealed, "a")
    assert error.value.code == "RF909"
    assert "chmod 600" in error.value.help


def test_processes_that_begin_at_once_have_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rflow.runner.secrets import Key\n"
        "print(Key(Path(sys.argv[1])).seal('hunter22', 'a'))"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "key")]
    processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    sealed = [process.communicate()[0].strip() for process in processes]
    assert [Key(tmp_path / "key").open(text, "a") for text in sealed] == ["hunter22"] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_every_secret_is_asked_for_once_and_all_that_is_missing_is_told() -> None:
    place = Place(0, 0, 0)
    plan = plan_of(
        secrets=(
            Secret("dsn", "env", "DSN", place),
            Secret("check.dsn", "env", "DSN", place),
            Secret("chat", "file", "/none", place),
            Secret("odd", "vault", "x", place),
            Secret("bad", "command", "x", place),
        )
    )
    asked = []

    def ask(source: str, key: str, base: Path) -> str:
        asked.append((source, key))
        match source:
            case "env":
                return "postgres://user:hunter22@db"
            case "file":
                raise NodeError("there is no file `/none`")
            case "vault":
                raise KeyError(source)
            case _:
                raise RuntimeError("hunter22")

    values, missing = resolve(plan, ask, Path("/flow"))
    assert values == dict.fromkeys(("dsn", "check.dsn"), "postgres://user:hunter22@db")
    assert list(missing) == ["chat", "odd", "bad"]
    assert missing["chat"] == "there is no file `/none`"
    assert "hunter22" not in repr(missing)
    assert len(asked) == 4
