"""Each code of syntax: its bad example yields it and nothing else, its good one yields nothing.

The rendered diagnostics are kept, source and output in one file. After a change that is meant, run
with `RFLOW_UPDATE_SNAPSHOTS=1` and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rflow.dsl.codes import all_codes
from rflow.dsl.diagnostics import Code, Source
from rflow.dsl.parse import parse
from rflow.dsl.render import render_text

SNAPSHOTS = Path(__file__).parent / "snapshots"
SHOWN = {id_: code for id_, code in all_codes().items() if code.bad}
UPDATE = os.environ.get("RFLOW_UPDATE_SNAPSHOTS") == "1"


@pytest.mark.parametrize("code", SHOWN.values(), ids=SHOWN)
def test_examples(code: Code) -> None:
    _, bad = parse(Source("bad.rflow", code.bad))
    _, good = parse(Source("good.rflow", code.good))
    assert [d.code.id for d in bad] == [code.id]
    assert good == []


@pytest.mark.parametrize("code", SHOWN.values(), ids=SHOWN)
def test_snapshots(code: Code) -> None:
    source = Source("release.rflow", code.bad)
    shown = render_text(parse(source)[1], color=False, width=80)
    text = f"{code.bad.rstrip()}\n\n{'-' * 80}\n\n{shown}"
    path = SNAPSHOTS / f"{code.id}.txt"
    if UPDATE:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("RF*.txt")} == set(SHOWN)


@pytest.mark.parametrize("code", all_codes().values(), ids=all_codes())
def test_texts(code: Code) -> None:
    assert code.id.startswith("RF1")
    assert code.title
    assert not code.title.endswith(".")
    assert code.why.endswith(".")
    assert "\n" not in code.title


def test_only_the_limits_have_no_example() -> None:
    assert [code.id for code in all_codes().values() if not code.bad] == ["RF137", "RF152"]


def test_the_hundredth_mistake_is_the_last() -> None:
    lines = "\n".join(f"  let a{n} = eu" for n in range(500))
    _, found = parse(Source("a.rflow", f"rflow 1\nflow a {{\n{lines}\n}}\n"))
    assert len(found) == 101
    assert found[-1].code.id == "RF137"
