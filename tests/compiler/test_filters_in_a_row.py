"""A chain of filters is bounded, since what is evaluated is nested as deep as it is long."""

from __future__ import annotations

import pytest
from rflow.compiler.lower import FILTERS_MAX
from rflow.compiler.program import check
from rflow.dsl.diagnostics import Source
from rflow.plugins.host import Host


@pytest.mark.parametrize(("count", "codes"), [(FILTERS_MAX, []), (FILTERS_MAX + 1, ["RF129"])])
def test_filters_in_a_row(count: int, codes: list[str]) -> None:
    chain = " | upper" * count
    node = f'node a: sh {{ script = "echo $<args.x{chain}>"  pure }}'
    text = f"rflow 1\nflow f {{ arg x: string  {node} }}"
    found = check(Source("f.rflow", text), Host.of().specs(), lambda source, path: source)
    assert [diagnostic.code.id for diagnostic in found.diagnostics] == codes
