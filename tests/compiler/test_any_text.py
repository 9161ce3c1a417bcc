"""Whatever a file says, checking it gives mistakes or a plan, never an exception."""

from __future__ import annotations

import re
from pathlib import Path

from fixed_kinds import check_text, delays
from hypothesis import given
from hypothesis import strategies as st
from rflow.compiler.codes import all_codes

CORPUS = Path(__file__).parent.parent / "corpus"
TEXTS = [code.bad for code in all_codes().values() if code.bad and code.id[2] != "1"] + [
    part.split("###")[0]
    for path in sorted(CORPUS.rglob("*.rflow"))
    if path.parent.name != "syntax"
    for part in re.split(r"(?m)^---\n", re.sub(r"###.*", "", path.read_text(encoding="utf-8")))
]
WORDS = sorted({word for text in TEXTS for word in re.findall(r"[A-Za-z_.]+|[^\sA-Za-z_.]", text)})


@given(st.data())
def test_a_changed_text_is_checked_all_the_same(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    parts = re.findall(r"[A-Za-z_.]+|\s+|[^\sA-Za-z_.]", text)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(parts) - 1))
        change = data.draw(st.sampled_from(["drop", "double", "other", "swap"]))
        if change == "drop":
            parts[at] = ""
        elif change == "double":
            parts[at] *= 2
        elif change == "other":
            parts[at] = data.draw(st.sampled_from(WORDS))
        else:
            other = data.draw(st.integers(0, len(parts) - 1))
            parts[at], parts[other] = parts[other], parts[at]

    checked = check_text("".join(parts))

    for diagnostic in checked.diagnostics:
        if diagnostic.code.id[2] != "1":
            assert "\n" not in diagnostic.message, diagnostic.message
        for label in (diagnostic.primary, *diagnostic.labels):
            assert 0 <= label.span[0] <= label.span[1] <= len(label.source.text)
    if checked.ok:
        for flow in checked.flows:
            checked.plan(flow, delays)
            checked.coverage(flow)
