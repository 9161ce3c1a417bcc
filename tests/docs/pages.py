"""The pages of the documentation, cut into blocks. Reads only; docs/README.md says what the marks
behind the word of a block mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=fence) *$"
    r"|^<!-- test: (?P<order>.*?) *-->$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its marks (`file=hello.rflow`), its text and its line. An
    order to the test (`<!-- test: kill first -->`) is a block of the language `test`."""

    page: str
    line: int
    language: str
    marks: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def pages() -> tuple[str, ...]:
    """Every page, by its path in docs/."""
    return tuple(sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")))


@cache
def text_of(page: str) -> str:
    """The whole page."""
    return (DOCS / page).read_text(encoding="utf-8")


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """The blocks of a page, in order."""
    return tuple(cut(page, text_of(page)))


def cut(page: str, text: str) -> list[Block]:
    """The blocks of a text."""
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["order"] is not None:
            found.append(Block(page, line, "test", {}, match["order"]))
            continue
        language, *marks = match["info"].split() or [""]
        indent = len(match["indent"])
        body = "".join(row[indent:] + "\n" for row in match["body"].split("\n")[:-1])
        named = dict(mark.partition("=")[::2] for mark in marks)
        found.append(Block(page, line, language, named, body))
    return found


def all_blocks(language: str) -> list[Block]:
    """The blocks of this language in all pages."""
    return [block for page in pages() for block in blocks(page) if block.language == language]


def prose(page: str) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", text_of(page))
