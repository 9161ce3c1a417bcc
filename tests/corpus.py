"""Reading the corpus: files cut into chunks by lines `---`, each a file of the language.

A line that ends in `### RF103 "text"` must yield exactly that code there, with a message, label or
next step that holds the text; several may stand behind one another. Lines without it yield nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rflow.dsl.diagnostics import Diagnostic

FOLDER = Path(__file__).parent / "corpus"
_EXPECTED = re.compile(r'###\s+(RF\d{3})\s+"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Chunk:
    """A file of the corpus: `expected` holds line, code and a part of what is said."""

    name: str
    text: str
    expected: tuple[tuple[int, str, str], ...]


def chunks(folder: str) -> list[Chunk]:
    """All chunks of a folder of the corpus, without what is expected of them in their text."""
    found = []
    for path in sorted((FOLDER / folder).glob("*.rflow")):
        parts = re.split(r"(?m)^---\n", path.read_text(encoding="utf-8"))
        for index, part in enumerate(parts, 1):
            lines = part.split("\n")
            expected = tuple(
                (number, code, re.sub(r"\\(.)", r"\1", said))
                for number, line in enumerate(lines, 1)
                for code, said in _EXPECTED.findall(line)
            )
            text = "\n".join(_EXPECTED.split(line)[0].rstrip() for line in lines)
            found.append(Chunk(f"{folder}/{path.stem}-{index}", text, expected))
    return found


def said(diagnostic: Diagnostic) -> str:
    """All that a diagnostic says."""
    parts = [diagnostic.message, diagnostic.primary.text, diagnostic.help or ""]
    parts += [diagnostic.suggestion or "", *(label.text for label in diagnostic.labels)]
    return " ¦ ".join(parts)


def agree(chunk: Chunk, diagnostics: Sequence[Diagnostic], before: int = 0) -> None:
    """Assert that the diagnostics are the expected ones, no fewer and no more. `before` lines
    were put before the chunk."""
    left = [
        (d.primary.source.position(d.primary.span[0])[0] - before, d.code.id, said(d))
        for d in diagnostics
    ]
    for line, code, text in chunk.expected:
        match = next((f for f in left if f[:2] == (line, code) and text in f[2]), None)
        assert match is not None, f"line {line}: {code} {text!r} is not among {left}"
        left.remove(match)
    assert not left, f"not expected: {left}"
