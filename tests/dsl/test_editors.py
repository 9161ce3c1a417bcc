"""The editors' grammar agrees with the language's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from rflow.grammar.tables import KEYWORDS

GRAMMAR: dict[str, Any] = json.loads(
    files("rflow.grammar").joinpath("rflow.tmLanguage.json").read_text(encoding="utf-8")
)
WITH_NAME = [
    *("node", "trigger", "arg", "approve", "sequence", "parallel"),
    *("flow", "pipeline", "stage", "group", "secret"),
]


def rules(rule: Any) -> Iterator[dict[str, Any]]:
    if isinstance(rule, dict):
        yield rule
        for value in rule.values():
            yield from rules(value)
    elif isinstance(rule, list):
        for value in rule:
            yield from rules(value)


def test_its_patterns_compile() -> None:
    patterns = [r[k] for r in rules(GRAMMAR) for k in ("match", "begin", "end") if k in r]
    assert len(patterns) > 15
    for pattern in patterns:
        re.compile(pattern)


def test_its_includes_exist() -> None:
    for rule in rules(GRAMMAR):
        if "include" in rule:
            assert rule["include"].removeprefix("#") in GRAMMAR["repository"]


def test_its_keywords_are_the_language_s() -> None:
    words = re.findall("[a-z]+", GRAMMAR["repository"]["keyword"]["match"].replace("\\b", ""))
    assert words == [word for word in KEYWORDS if word not in ("true", "false")], (
        "put the grammar's keywords into grammar/rflow.tmLanguage.json"
    )


def test_the_words_before_names_are_keywords() -> None:
    header = GRAMMAR["repository"]["header"]["match"]
    assert re.findall("[a-z]+", header.split(")")[0].replace("\\b", "")) == WITH_NAME
    assert set(WITH_NAME) <= set(KEYWORDS)
