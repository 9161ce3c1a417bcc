"""The committed tables: made from the grammar as it is, and loaded without lark."""

from __future__ import annotations

import re
import subprocess
import sys

from rflow.dsl import tables as generator
from rflow.dsl.build import Builder
from rflow.grammar import tables


def test_tables_are_current() -> None:
    from pathlib import Path

    committed = Path(tables.__file__).read_text(encoding="utf-8")
    assert committed == generator.generate(), "run `python -m rflow.dsl.tables`"


def test_every_rule_has_its_method() -> None:
    methods = {name for _, _, name in tables.RULES}
    assert [name for name in sorted(methods) if not callable(getattr(Builder, name, None))] == []


def test_parsing_does_not_import_lark() -> None:
    code = (
        "import sys\n"
        "from rflow.dsl.parse import parse\n"
        "from rflow.dsl.diagnostics import Source\n"
        "assert parse(Source('a', 'rflow 1\\nflow a { let b = 1 }'))[1] == []\n"
        "assert 'rflow.dsl.recover' not in sys.modules\n"
        "assert parse(Source('a', 'rflow 1\\nflow a { let b: 1 }'))[1] != []\n"
        "assert 'lark' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_keywords_are_the_words_of_the_grammar() -> None:
    text = generator.grammar_text()
    words = re.findall(r'^[A-Z]+: "([a-z]+)"$', text, re.MULTILINE)
    assert sorted(words) == list(tables.KEYWORDS)
    for word, kind in tables.KEYWORDS.items():
        assert tables.SYMBOLS[kind] == word.upper()


def test_the_generator_refuses_a_conflict(monkeypatch: object) -> None:
    import pytest
    from lark.exceptions import GrammarError

    text = generator.grammar_text().replace("stage: STAGE NAME -> stage_bare", "stage: STAGE NAME")
    ambiguous = text.replace("expr: operand -> single", "expr: operand -> single\n    | REF -> ref")
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr(generator, "grammar_text", lambda: ambiguous)
        with pytest.raises(GrammarError):
            generator.generate()
