"""Events as JSON, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rflow.plugins.types import Json
from rflow.runner import events as ev
from rflow.runner.events import decode, decode_all, encode

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)


@given(st.dictionaries(texts, values), texts)
def test_an_event_comes_back_as_it_was(outputs: dict[str, Json], node: str) -> None:
    event = ev.AttemptSucceeded(node, 1, outputs, reason=ev.Reason("approved", outputs))
    assert decode("AttemptSucceeded", encode(event)) == event


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "a\\u0000b", '"\\u0000'])
def test_what_only_looks_like_a_nul_is_none(text: str) -> None:
    event = ev.NodeSkipped(text, ev.Reason("x", {text: text}))
    assert decode("NodeSkipped", encode(event)) == event


@pytest.mark.parametrize("value", ["a\0b", "\\\0", float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_hold_is_refused(value: Json) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(ev.AttemptSucceeded("n", 1, {"x": value}))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="not known to this version"):
        decode("Exploded", "{}")


@given(st.lists(st.tuples(texts, st.dictionaries(texts, values)), max_size=5))
def test_many_at_once_are_as_one_by_one(found: list[tuple[str, dict[str, Json]]]) -> None:
    written = [ev.AttemptSucceeded(node, 1, outputs) for node, outputs in found]
    kinds = ["AttemptSucceeded"] * len(written)
    assert decode_all(kinds, [encode(event) for event in written]) == written


@pytest.mark.parametrize(
    "bodies", [("{}, {}", "{}"), ("{}], [{}", "{}"), ("", "{}"), ("{", "}"), ("1", "{}")]
)
def test_a_body_that_is_not_one_value_is_refused(bodies: tuple[str, str]) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_all(["RunStarted", "RunStarted"], bodies)
