"""The syntax corpus: each chunk yields exactly the mistakes it says, and the language goes on."""

from __future__ import annotations

import pytest
from corpus import Chunk, agree, chunks
from rflow.dsl.diagnostics import Source
from rflow.dsl.parse import parse

CHUNKS = chunks("syntax")


@pytest.mark.parametrize("chunk", CHUNKS, ids=[chunk.name for chunk in CHUNKS])
def test_corpus(chunk: Chunk) -> None:
    module, found = parse(Source(f"{chunk.name}.rflow", chunk.text))
    agree(chunk, found)
    assert module is not None


def test_there_is_a_corpus() -> None:
    assert len(CHUNKS) > 15
