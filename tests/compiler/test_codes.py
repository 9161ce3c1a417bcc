"""Every code of the compiler: its bad example yields exactly that code, its good one nothing."""

from __future__ import annotations

import pytest
from rflow.compiler.codes import all_codes
from rflow.compiler.program import LoadError, check
from rflow.dsl.diagnostics import Code, Source
from rflow.plugins.cache import specs

SPECS, _ = specs()
OWN = {id: code for id, code in all_codes().items() if id[2] in "2345"}


def _load(importer: Source, path: str) -> Source:
    raise LoadError(f"there is no file `{path}`")


def _codes(text: str) -> list[str]:
    found = check(Source("release.rflow", text), SPECS, _load).diagnostics
    return [f"{d.code.id} {d.message}" for d in found]


@pytest.mark.parametrize("code", OWN.values(), ids=OWN)
def test_the_bad_example_yields_exactly_this_code(code: Code) -> None:
    if not code.bad:
        pytest.skip("cannot be shown in one file")
    found = _codes(code.bad)
    assert [text[:5] for text in found] == [code.id], found


@pytest.mark.parametrize("code", OWN.values(), ids=OWN)
def test_the_good_example_yields_nothing(code: Code) -> None:
    if code.good:
        assert _codes(code.good) == []


@pytest.mark.parametrize("code", OWN.values(), ids=OWN)
def test_a_code_says_why(code: Code) -> None:
    assert code.title
    assert not code.title.endswith(".")
    assert code.why.endswith(".")
    assert bool(code.bad) == bool(code.good)
