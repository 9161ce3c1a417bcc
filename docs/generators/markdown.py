"""Pieces of Markdown: tables, code, anchors."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

WIDTH = 90


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; "" without rows."""
    listed = [*rows]
    if not listed:
        return ""
    lines = [head, ["---"] * len(head), *([cell(text) for text in row] for row in listed)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def cell(text: str) -> str:
    """A text as the cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def code(text: str) -> str:
    """A text in the type of code."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def fence(text: str, info: str = "text") -> str:
    """A block of code. No line ends with a blank."""
    lines = "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))
    ticks = "````" if "```" in text else "```"
    return f"{ticks}{info}\n{lines}\n{ticks}\n\n"


def paragraphs(doc: str) -> str:
    """A docstring: its paragraphs each in one line, what is indented as code."""
    found: list[str] = []
    code_before = False
    for part in inspect.cleandoc(doc).split("\n\n"):
        indented = part.startswith("    ")
        if indented and code_before:
            found[-1] += f"\n\n{part}"
        else:
            found.append(part if indented else " ".join(part.split()))
        code_before = indented
    shown = (
        fence(textwrap.dedent(part).replace("'''", '"""'), "python").strip()
        if part.startswith("    ")
        else part
        for part in found
        if part
    )
    return "".join(f"{part}\n\n" for part in shown)


def anchor(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def signature(function: Any) -> str:
    """`def intend(self, resource: str) -> None`, as it stands in the source; a long one has an
    argument a line."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    tree.body, tree.decorator_list = [ast.Pass()], []
    shown = re.sub(
        r"(?<=[\w\]])=(?=[\w'(\[])", " = ", ast.unparse(tree).removesuffix(":\n    pass")
    )
    if len(shown) <= WIDTH:
        return shown
    start, end = shown.index("(") + 1, shown.rindex(")")
    inner = re.sub(r",\s+(?![^\[]*\])", ",\n    ", shown[start:end])
    return f"{shown[:start]}\n    {inner},\n{shown[end:]}"


def constants(module: Any) -> dict[str, str]:
    """What the strings behind a module's assignments say: name → text."""
    body = ast.parse(inspect.getsource(module)).body
    found = {}
    for one, after in pairwise(body):
        said = after.value if isinstance(after, ast.Expr) else None
        if isinstance(one, ast.Assign) and isinstance(said, ast.Constant):
            target = one.targets[0]
            assert isinstance(target, ast.Name)
            found[target.id] = " ".join(str(said.value).split())
    return found
