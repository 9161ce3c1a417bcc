"""The corpus: files cut into chunks by `---`, each a file of the language.

A line that ends in `### RF203 "text"` must yield exactly that code, there, with a message or label
or next step that holds the text; lines without it must yield nothing. Several may stand behind one
another: `### RF203 "a" ### RF301 "b"`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fixed_kinds import check_text
from rflow.dsl.diagnostics import Diagnostic

CORPUS = Path(__file__).parent.parent / "corpus"
FOLDERS = ("names", "types", "graph", "safety")
_EXPECTED = re.compile(r'###\s+(RF\d{3})\s+"((?:[^"\\]|\\.)*)"')


def _chunks() -> list[tuple[str, str]]:
    found = []
    for folder in FOLDERS:
        for path in sorted((CORPUS / folder).glob("*.rflow")):
            parts = re.split(r"(?m)^---\n", path.read_text(encoding="utf-8"))
            found += [(f"{folder}/{path.stem}-{n}", part) for n, part in enumerate(parts, 1)]
    return found


def _said(diagnostic: Diagnostic) -> str:
    parts = [diagnostic.message, diagnostic.primary.text, diagnostic.help or ""]
    parts += [diagnostic.suggestion or "", *(label.text for label in diagnostic.labels)]
    return " ¦ ".join(parts)


@pytest.mark.parametrize("text", [t for _, t in _chunks()], ids=[n for n, _ in _chunks()])
def test_corpus(text: str) -> None:
    lines = text.split("\n")
    first = 1 if text.lstrip().startswith("rflow 1") else 2  # else a line is put before
    expected: list[tuple[int, str, str]] = []
    for number, line in enumerate(lines, first):
        expected += [(number, code, said) for code, said in _EXPECTED.findall(line)]
    clean = "\n".join(line.split("###")[0].rstrip() for line in lines)
    found = [
        (d.primary.source.position(d.primary.span[0])[0], d.code.id, _said(d))
        for d in check_text(clean).diagnostics
    ]
    left = list(found)
    for number, code, said in expected:
        match = next((f for f in left if f[:2] == (number, code) and said in f[2]), None)
        assert match is not None, f"line {number}: {code} {said!r} is not among {found}"
        left.remove(match)
    assert left == []
