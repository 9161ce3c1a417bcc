"""Who may import whom: every module is parsed, nothing is run.

The table says, for each folder, what of rflow it may import; for each third-party library, its
one home; and which modules are pure. The most specific line counts, both for the importing module
and for the library.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "grammar": (),
    "dsl": ("grammar", "dsl"),
    "plugins": ("plugins",),
    "plugins.types": (),
    "plugins.notation": ("plugins.types",),
    "plugins.host": ("plugins", "dsl.diagnostics"),
    "plugins.discovery": ("plugins", "dsl.diagnostics"),
    "compiler": ("dsl", "plugins.types", "plugins.notation", "compiler"),
    "runner": (
        "plugins",
        "compiler.plan",
        "compiler.expr",
        "compiler.rewrite",
        "compiler.codec",
        "compiler.types",
        "compiler.calendar",
        "compiler.testing",
        "runner",
    ),
    "server": ("dsl", "plugins", "compiler", "runner", "server"),
    "cli": ("grammar", "dsl", "plugins", "compiler", "runner", "server", "cli"),
}
FOLDERS = tuple(name for name in MAY_IMPORT if "." not in name)

HOMES: dict[str, tuple[str, ...]] = {
    "lark": ("dsl.parse", "dsl.tables"),
    "networkx": ("compiler.graph",),
    "pluggy": ("plugins.host", "plugins.hookspecs"),
    "click": ("cli",),
    "cryptography": ("runner.secrets",),
    "msgspec": ("dsl", "plugins", "compiler", "runner", "server", "cli"),
    "fsspec": ("runner.artifacts_shared",),
    "httpx": ("plugins.kinds", "server", "cli"),
    "croniter": ("plugins.kinds", "server"),
    "pathspec": ("plugins.kinds", "server"),
    "fastapi": ("server",),
    "jinja2": ("server",),
    "markupsafe": ("server",),
    "prometheus_client": ("server",),
    "pydantic": ("server",),
    "starlette": ("server",),
    "uvicorn": ("cli.serving_loop",),
}
STANDARD_LIBRARY_ONLY = ("grammar",)

PURE = ("dsl", "compiler", "runner.scheduler", "runner.state", "runner.expand")
"""No clock, no chance, no files, no processes, no threads."""

WORLD = {
    "asyncio",
    "concurrent",
    "glob",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
    "uuid",
}
WORLDLY_CALLS = {"open", "input", "print"}


@dataclass(frozen=True)
class Violation:
    module: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.text}"


def within(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """The dotted name (without `rflow.`) and the file of every module."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(tree: ast.AST, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of all that is imported, wherever it stands.

    `from rflow.plugins import types` imports the module if there is one of that name.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield node.lineno, whole if whole.removeprefix("rflow.") in names else base
        elif isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            first = node.args[0]
            if (
                name in {"import_module", "__import__"}
                and isinstance(first, ast.Constant)
                and isinstance(first.value, str)
            ):
                yield node.lineno, first.value


def worldly_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in WORLDLY_CALLS
        ):
            yield node.lineno, node.func.id


def complaint(module: str, name: str) -> str | None:
    """What is wrong with this module importing this name, or None."""
    top = name.split(".")[0]
    if name.startswith("."):
        return f"relative import of {name!r}: write rflow.…"
    if top in FOLDERS:
        return f"imports {name}: write rflow.{name}, or there are two copies of each class"
    if top == "rflow":
        target = name.removeprefix("rflow").removeprefix(".")
        rule = max((key for key in MAY_IMPORT if within(module, key)), key=len)
        if not any(within(target, place) for place in MAY_IMPORT[rule]):
            return f"imports {name}: {rule} may import {', '.join(MAY_IMPORT[rule]) or 'nothing'}"
        return None
    if top in sys.stdlib_module_names:
        worldly = any(within(name, library) for library in WORLD)
        if worldly and any(within(module, place) for place in PURE):
            return f"imports {name}: this module is pure"
        return None
    if any(within(module, place) for place in STANDARD_LIBRARY_ONLY):
        return f"imports {name}: the standard library only"
    if not any(within(module, home) for home in HOMES.get(top, ())):
        homes = ", ".join(HOMES.get(top, ())) or "nowhere: add it to the table"
        return f"imports {name}: its home is {homes}"
    return None


def violations(root: Path) -> list[Violation]:
    found: list[Violation] = []
    every = dict(modules(root))
    names = frozenset(every)
    for module, path in every.items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for line, name in dict.fromkeys(imported(tree, names)):
            if (text := complaint(module, name)) is not None:
                found.append(Violation(module, line, text))
        if any(within(module, place) for place in PURE):
            for line, call in worldly_calls(tree):
                found.append(Violation(module, line, f"calls {call}(): this module is pure"))
    return found


def test_every_import_is_allowed_by_the_table() -> None:
    assert "\n".join(map(str, violations(ROOT))) == ""


def test_the_table_speaks_of_folders_that_exist() -> None:
    assert all((ROOT / folder / "__init__.py").is_file() for folder in FOLDERS)


@pytest.mark.parametrize(
    ("place", "code", "expected"),
    [
        ("dsl/a.py", "import rflow.compiler.plan", "dsl may import"),
        ("dsl/a.py", "def f():\n    from rflow.plugins import types", "dsl may import"),
        ("dsl/a.py", "import os.path", "is pure"),
        ("dsl/a.py", "from time import monotonic", "is pure"),
        ("dsl/a.py", "print('x')", "calls print()"),
        ("dsl/a.py", "import lark", "its home is dsl.parse"),
        ("dsl/a.py", "from .b import c", "relative import"),
        ("dsl/a.py", "from dsl.b import c", "write rflow.dsl.b"),
        ("compiler/a.py", "from rflow.plugins import Node", "compiler may import"),
        ("compiler/a.py", "from rflow.plugins.host import Host", "compiler may import"),
        ("compiler/a.py", "import networkx", "its home is compiler.graph"),
        ("compiler/a.py", "import importlib\nimportlib.import_module('random')", "is pure"),
        ("compiler/a.py", "import threading", "is pure"),
        ("runner/scheduler.py", "import asyncio", "is pure"),
        ("runner/a.py", "from rflow.dsl.ast import Module", "runner may import"),
        ("runner/a.py", "from rflow.compiler.program import check", "runner may import"),
        ("runner/a.py", "import pluggy", "its home is plugins.host"),
        ("plugins/types.py", "from rflow.plugins.host import Host", "plugins.types may import"),
        ("grammar/x.py", "import httpx", "the standard library only"),
        ("plugins/kinds/a.py", "from rflow.runner import journal", "plugins may import"),
        ("server/a.py", "import rflow.cli.entry", "server may import"),
        ("server/a.py", "import click", "its home is cli"),
        ("cli/a.py", "import somelibrary", "add it to the table"),
    ],
)
def test_a_planted_violation_is_caught(
    tmp_path: Path, place: str, code: str, expected: str
) -> None:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    for name in ("plugins/types.py", "plugins/host.py"):
        (tmp_path / name).touch()
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(code + "\n", encoding="utf-8")

    assert any(expected in str(violation) for violation in violations(tmp_path))


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("dsl/a.py", "from rflow.dsl.ast import Name\nimport re"),
        ("compiler/a.py", "from rflow.plugins import types\nimport json"),
        ("compiler/graph.py", "def f():\n    import networkx"),
        ("runner/a.py", "import time\nfrom rflow.compiler.plan import Plan"),
        ("runner/a.py", "from rflow.plugins import Node"),
        ("cli/a.py", "import click\nfrom rflow.runner.events import Event"),
    ],
)
def test_what_is_allowed_gives_no_violation(tmp_path: Path, place: str, code: str) -> None:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    (tmp_path / "plugins/types.py").touch()
    (tmp_path / place).write_text(code + "\n", encoding="utf-8")

    assert violations(tmp_path) == []
