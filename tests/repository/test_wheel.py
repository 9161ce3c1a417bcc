"""The wheel: built offline from a copy of the tree, it holds rflow, all of it, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("grammar", "dsl", "plugins", "compiler", "runner", "server", "cli")
NOT_SHIPPED = {"__pycache__"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Building writes into the tree, so it is done in a copy."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree / file)
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, tree],
        capture_output=True,
        text=True,
        cwd=out,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_only_rflow(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"rflow"}


def test_it_holds_every_file_of_the_folders(wheel: zipfile.ZipFile) -> None:
    """A subpackage or a data file that pyproject.toml forgets would be missed only by users."""
    files = {
        f"rflow/{path.relative_to(ROOT).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not NOT_SHIPPED & set(path.parts)
    }

    assert files - set(wheel.namelist()) == set()


def test_it_carries_the_licence_and_the_entry_points(wheel: zipfile.ZipFile) -> None:
    metadata = {name.partition(".dist-info/")[2]: name for name in wheel.namelist()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert wheel.read(metadata["licenses/LICENSE"]) == (ROOT / "LICENSE").read_bytes()
    entry_points = wheel.read(metadata["entry_points.txt"]).decode()
    assert f"rflow = {project['scripts']['rflow']}" in entry_points
    assert f"builtin = {project['entry-points']['rflow']['builtin']}" in entry_points


def test_what_is_in_it_can_be_imported(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Every module, from the unpacked wheel and not from the tree."""
    wheel.extractall(tmp_path)
    names = sorted(
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in wheel.namelist()
        if name.endswith(".py")
    )
    code = (
        "import importlib, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"for name in {names!r}:\n"
        "    print(importlib.import_module(name).__file__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(tmp_path)) for line in done.stdout.splitlines())
