"""The server's settings: what stands in `rflow-server.toml`, and what is said of what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from rflow.cli.main import invoke
from rflow.runner.problems import StateError
from rflow.server.config import Config, Repository, SecretRef, read_config

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "server.md"


def test_the_example_of_the_reference_is_read(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
    file = tmp_path / "rflow-server.toml"
    file.write_text(example)
    assert read_config(file) == Config(
        listen="127.0.0.1",
        port=8700,
        public_url="https://rflow.example.com",
        trusted_proxies=("127.0.0.1",),
        anonymous="view",
        repositories=(
            Repository(
                "https://git.example.com/acme/shop",
                host="gitea",
                api="https://git.example.com/api/v1",
                webhook_secret=SecretRef("env", "SHOP_HOOK"),
                token=SecretRef("file", "/run/secrets/shop-token"),
                poll_s=60.0,
            ),
        ),
    )


def test_every_setting_is_in_the_reference() -> None:
    text = REFERENCE.read_text()
    kept = {"repositories": "[[repository]]", "poll_s": "poll"}
    names = [*Config.__struct_fields__, *Repository.__struct_fields__]
    assert [name for name in names if f"`{kept.get(name, name)}`" not in text] == []


@pytest.mark.parametrize(
    ("config", "url", "is_exposed"),
    [
        (Config(), "http://127.0.0.1:8700", False),
        (Config(listen="::1"), "http://[::1]:8700", False),
        (Config(listen="10.1.2.3", port=80), "http://10.1.2.3:80", True),
        (Config(listen="0.0.0.0", public_url="https://a.example"), "https://a.example", False),
        (Config(listen="0.0.0.0", public_url="http://a.example"), "http://a.example", True),
    ],
)
def test_links_begin_with_an_address_that_is_reached(
    config: Config, url: str, is_exposed: bool
) -> None:
    assert (config.url, config.is_exposed) == (url, is_exposed)


def test_who_listens_everywhere_is_told_what_that_means(tmp_path: Path) -> None:
    serving = subprocess.Popen(
        [sys.executable, "-m", "rflow.cli", "serve", "--listen", "0.0.0.0", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    try:
        url = serving.stdout.readline().rpartition(" ")[2].strip()
        assert "0.0.0.0" not in url
        assert httpx.get(f"{url}/healthz", trust_env=False, timeout=30).status_code == 200
    finally:
        serving.terminate()
        _, told = serving.communicate(timeout=30)
    assert "warning: other machines reach this server over plain HTTP" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("publik_url = 'https://a.example'", "did you mean `public_url`"),
        ("public_url = 'rflow.example.com'", "write an address without a path"),
        ("public_url = 'https://a.example/rflow'", "write an address without a path"),
        ("public_url = 'ftp://a.example'", "write an address without a path"),
        ("public_url = 'https://[a'", "write an address without a path"),
        ("public_url = ", "is no TOML"),
        ("port = 70000", "not a number from 0 to 65535"),
        ("anonymous = 'run'", "it can be"),
        ("trusted_proxies = '127.0.0.1'", "not a list"),
        ("[[repository]]\nurl = 'u'\nhost = 'githup'", "it is one of github"),
        ("[[repository]]\nurl = 'u'\nwebhook_secret = 'x'", "its value never stands here"),
        ("[[repository]]\nurl = 'u'\npoll = 'often'", "at least a second"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "rflow-server.toml"
    file.write_text(text)
    with pytest.raises(StateError) as refused:
        read_config(file)
    assert told in refused.value.message
    assert refused.value.code == "RF960"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "there is no folder `nowhere`"),
        (["a.rflow"], "`a.rflow` is no folder"),
        ([".", "--public-url", "rflow.example.com"], "`--public-url` is 'rflow.example.com'"),
        ([".", "--config", "none.toml"], "`none.toml` cannot be read"),
        ([".", "--folder", "flows"], "`--folder` is for a repository"),
        ([".", "--branch", "main"], "cannot be followed"),
    ],
)
def test_what_cannot_be_served_is_said_and_leaves_nothing_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    (tmp_path / "a.rflow").write_text("rflow 1\n")
    monkeypatch.chdir(tmp_path)
    assert invoke(["serve", *words]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.rflow"]


def test_a_bare_repository_is_followed_and_no_folder_of_flows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no commit, so it cannot be followed: as a folder it would be served, without flows."""
    bare = tmp_path / "flows.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True)
    before = sorted(bare.iterdir())
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert invoke(["serve", str(bare)]) == 2
    assert "cannot be followed" in capsys.readouterr().err
    assert sorted(bare.iterdir()) == before
    assert not list(here.iterdir())
