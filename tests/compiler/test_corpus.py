"""The corpus of the compiler: each chunk yields exactly the mistakes that it says."""

from __future__ import annotations

import pytest
from corpus import Chunk, agree, chunks
from fixed_kinds import check_text

CHUNKS = [c for folder in ("names", "types", "graph", "safety") for c in chunks(folder)]


@pytest.mark.parametrize("chunk", CHUNKS, ids=[chunk.name for chunk in CHUNKS])
def test_corpus(chunk: Chunk) -> None:
    headless = not chunk.text.startswith("rflow 1")  # a line is put before
    agree(chunk, check_text(chunk.text).diagnostics, int(headless))
