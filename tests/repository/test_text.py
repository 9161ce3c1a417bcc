"""Rules about the text of the repository's files, whatever they are."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("grammar", "dsl", "plugins", "compiler", "runner", "server", "cli")

FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w./$<>}-])/(?:[w]ork|[r]oot|[t]mp|[h]ome)/\w\w",
    "a note to finish something later": r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b",
    "the host of a package registry": r"(?:[p]ypi|[p]ythonhosted|[n]pmjs)\.org",
    "a left-over conflict": r"^(?:<{7} |>{7} |={7}$)",
    "a tab or a space before the end of a line": r"[ \t]+$",
}
MAKEFILES = {"Makefile"}
LINES_MAX = 500
"""A module is one noun; past this it is surely two."""

LONG: dict[str, str] = {
    "dsl/ast.py": "one dataclass a construct, read as a list",
    "grammar/tables.py": "generated",
    "dsl/lexing.py": "one method a slip, read as a list",
    "runner/events.py": "one class an event, read as a list",
}


@cache
def files() -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def texts() -> list[tuple[str, str]]:
    found = []
    for path in files():
        try:
            found.append((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # pictures and deliberately broken samples
    return found


def sample(name: str) -> bool:
    """Whether it is text for tests to read, with all the faults that they look for."""
    return name.startswith("tests/") and name.endswith(".rflow")


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_file_holds(rule: str) -> None:
    pattern = re.compile(FORBIDDEN[rule], re.MULTILINE)
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}"
        for name, text in texts()
        if name != "LICENSE" and not name.endswith(".patch") and not sample(name)
        for match in pattern.finditer(text)
    ]

    assert found == []


def test_no_group_repeats_possessively() -> None:
    """Before Python 3.11.5 (Debian 12 has 3.11.2) such a group goes on at the wrong place when it
    is left in the middle of a turn; in an atomic group, `(?>(?:…)*)`, it does not."""
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        for name, text in texts()
        if name.split("/")[0] in FOLDERS and name.endswith((".py", ".lark"))
        for match in re.finditer(r"\)[*+?]\+", text)
    ]

    assert found == []


def test_every_module_says_what_it_owns() -> None:
    silent = [
        name
        for name, text in texts()
        if name.split("/")[0] in FOLDERS
        and name.endswith(".py")
        and not name.endswith("__init__.py")
        and not ast.get_docstring(ast.parse(text))
    ]

    assert silent == []


def test_no_module_is_long_without_a_reason() -> None:
    long = {
        name: text.count("\n")
        for name, text in texts()
        if name.split("/")[0] in FOLDERS and name.endswith(".py") and text.count("\n") > LINES_MAX
    }

    assert set(long) <= set(LONG), f"cut them, or say in LONG why not: {long}"


def test_the_locked_versions_are_what_the_project_asks_for() -> None:
    """Each direct dependency stands in the lock, with an exact version and hashes."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\$", lock, re.MULTILINE))
    names = [re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in asked]

    assert [name for name in names if name not in locked] == []
    assert lock.count("==") == len(locked), "a line without a hash"
