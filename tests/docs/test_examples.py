"""Every example of the pages: flows are checked, commands are run, their output is compared.

With RFLOW_DOCS_WRITE=1 a block whose output is another is written anew, to be looked at.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rflow.compiler.program import LoadError, check
from rflow.dsl.diagnostics import Source
from rflow.plugins.cache import specs

from .pages import DOCS, Block, all_blocks, blocks, pages
from .session import Session, changed, commands

PLAYED = {"console", "test"}
SLOW = 4
"""A page with so many commands may take longer than two seconds."""


def _played(page: str) -> bool:
    return any(block.language == "console" for block in blocks(page))


def _count(page: str) -> int:
    return sum(len(commands(block)) for block in blocks(page) if block.language == "console")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if _count(page) >= SLOW else [])
        for page in pages()
        if _played(page)
    ],
)
def test_the_commands_of_a_page(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    session = Session(tmp_path, environment)
    wrong = []
    try:
        for block in blocks(page):
            if block.language == "test" and not block.text.startswith("with"):
                session.order(block.text)
            elif "file" in block.marks:
                session.write(block)
            elif block.language == "console" and (printed := session.play(block)) is not None:
                wrong.append((block, printed))
                if "start" in block.marks:
                    break
    finally:
        session.close()
    if os.environ.get("RFLOW_DOCS_WRITE"):
        _write(page, wrong)
    assert not wrong, "\n\n".join(f"{block} prints now:\n{printed}" for block, printed in wrong)


def _write(page: str, wrong: list[tuple[Block, str]]) -> None:
    path = DOCS / page
    lines = path.read_text("utf-8").splitlines()
    for block, printed in reversed(wrong):
        if "start" in block.marks or "a mistake of its own" in printed:
            continue  # until when to wait is the author's to say
        lines[block.line : block.line + block.text.count("\n")] = printed.rstrip("\n").split("\n")
    path.write_text("\n".join(lines) + "\n", "utf-8")


# -- flows -------------------------------------------------------------------------------------

AROUND = {
    "file": ("rflow 1\n", ""),
    "flow": ("rflow 1\nflow example {\n", "}\n"),
    "node": ('rflow 1\nflow example {\n  node example: sh {\n  script = "true"\n', "  }\n}\n"),
}
"""What stands around a part of a file that is shown without it."""


def _whole(block: Block, hidden: str) -> str:
    if "in" not in block.marks:
        return block.text
    before, after = AROUND[block.marks["in"]]
    return before + hidden + block.text + after


def _flows() -> list[tuple[Block, str]]:
    found = []
    for page in pages():
        hidden = ""
        for block in blocks(page):
            if block.language == "test" and block.text.startswith("with"):
                hidden = block.text.removeprefix("with")
            elif block.language == "rflow":
                found.append((block, _whole(block, hidden)))
                hidden = ""
    return found


@pytest.mark.parametrize(("block", "text"), _flows(), ids=lambda value: str(value)[:40])
def test_a_flow_says_what_the_page_says_it_does(block: Block, text: str) -> None:
    beside = {
        other.marks["file"]: other.text
        for other in blocks(block.page)
        if other.language == "rflow" and "file" in other.marks and other.line < block.line
    }

    def load(source: Source, path: str) -> Source:
        name = (Path(source.name).parent / path).as_posix()
        if name not in beside:
            raise LoadError(f"there is no file `{path}`")
        return Source(name, beside[name])

    name = block.marks.get("file", "example.rflow")
    found = check(Source(name, text), specs()[0], load).diagnostics

    expected = sorted(filter(None, block.marks.get("fails", "").split(",")))
    assert sorted({d.code.id for d in found}) == expected, [
        f"{d.code.id} {d.message}" for d in found
    ]


def test_a_change_finds_its_place() -> None:
    block = Block("page.md", 1, "diff", {"file": "a"}, " one\n-two\n+three\n \n four\n")
    assert changed("zero\none\ntwo\n\nfour\n", block) == "zero\none\nthree\n\nfour\n"


def test_marks_are_known() -> None:
    known = {"file", "more", "fails", "in", "start", "end", "exit"}
    languages = {"rflow", "console", "sh", "diff", "python", "toml", "json", "yaml", "text", "lua"}
    for page in pages():
        for block in blocks(page):
            assert set(block.marks) <= known, block
            assert block.language in languages | {"test", "mermaid"}, block


def test_there_are_examples() -> None:
    assert len(all_blocks("rflow")) > 3
    assert len(all_blocks("console")) > 10
