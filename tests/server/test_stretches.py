"""Large graphs are put into stretches: nothing is lost, arrows go one way, and no place is too much
to look at."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from rflow.compiler.drawing import Arrow, Drawing, Frame, Shape, Sort
from rflow.compiler.placing import Placed, frame_key
from rflow.server.pages.stretches import MARK, PARTS_MAX, WIDE, stretched

Edges = dict[int, list[int]]


def drawing(count: int, after: Edges, gates: frozenset[int] = frozenset()) -> Drawing:
    """Nodes that come after others of lower numbers."""

    def sort(number: int) -> Sort:
        return "gate" if number in gates else "plain"

    shapes = tuple(Shape(f"n{n}", f"n{n}", "sh", sort(n), "", None, "main") for n in range(count))
    arrows = tuple(Arrow(f"n{a}", f"n{b}", ()) for b, of in after.items() for a in of)
    return Drawing("flow", shapes, arrows, ())


def parts(of: Drawing) -> Counter[str | None]:
    """How many parts stand in each place."""
    return Counter([shape.group for shape in of.shapes] + [frame.parent for frame in of.frames])


def labels(of: Drawing, place: str | None) -> list[str]:
    """What stands in a place: names of nodes and stretches."""
    first = {shape.id: at for at, shape in enumerate(of.shapes)}
    found = [(first[shape.id], shape.name) for shape in of.shapes if shape.group == place]
    found += [(first[f.label.split(" ")[0]], f.label) for f in of.frames if f.parent == place]
    return [label for _, label in sorted(found)]


@given(
    st.integers(0, 260).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.lists(
                st.tuples(st.integers(0, max(count - 1, 0)), st.integers(0, max(count - 1, 0))),
                max_size=300,
            ),
            st.frozensets(st.integers(0, max(count - 1, 0)), max_size=20),
        )
    )
)
def test_any_graph(found: tuple[int, list[tuple[int, int]], frozenset[int]]) -> None:
    count, pairs, gates = found
    after: Edges = {}
    for a, b in pairs:
        if a != b and count:
            after.setdefault(max(a, b), []).append(min(a, b))
    before = drawing(count, after, gates)
    now = stretched(before)

    assert [shape.id for shape in now.shapes] == [shape.id for shape in before.shapes]
    assert now.arrows == before.arrows
    assert max(parts(now).values(), default=0) <= PARTS_MAX
    assert (now is before) == (count <= PARTS_MAX)
    order = Placed(now, {}, lambda shape: (0.0, 0.0))
    for arrow in now.arrows:
        _, source, target = order.level(arrow)
        assert order.order[source] < order.order[target]


def test_a_long_chain_is_cut_evenly_and_again_within() -> None:
    found = stretched(drawing(1000, {n: [n - 1] for n in range(1, 1000)}))

    assert labels(found, None) == [f"n{n} … n{n + 99}" for n in range(0, 1000, 100)]
    assert labels(found, f"{MARK}3")[:2] == ["n200 … n209", "n210 … n219"]
    assert labels(found, f"{MARK}3.2") == [f"n{n}" for n in range(210, 220)]


def test_a_wide_flow_shows_its_course() -> None:
    """Build, 200 tests, approve, 100 deploys, the end."""
    after: Edges = {n: [0] for n in range(1, 201)}
    after[201] = [*range(1, 201)]
    after |= {n: [201] for n in range(202, 302)} | {302: [*range(202, 302)]}
    found = stretched(drawing(303, after, frozenset({201})))

    assert labels(found, None) == ["n0", "n1 … n200", "n201", "n202 … n301", "n302"]
    assert max(parts(found).values()) <= 2 * WIDE


def test_a_large_group_is_put_into_stretches_of_its_own() -> None:
    whole = drawing(200, {n: [n - 1] for n in range(1, 200)})
    shapes = tuple(
        Shape(s.id, s.name, s.kind, s.sort, "", "team" if n >= 50 else None, "main")
        for n, s in enumerate(whole.shapes)
    )
    found = stretched(
        Drawing("flow", shapes, whole.arrows, (Frame("team", "sequence team", None),))
    )

    assert [frame.parent for frame in found.frames if frame.id == "team"] == [None]
    assert {shape.group for shape in found.shapes[:50]} == {None}
    chains = Placed(found, {}, lambda shape: (0.0, 0.0)).chains
    assert all(chains[shape.id][0] == frame_key("team") for shape in found.shapes[50:])
    assert all(frame.id.startswith(f"team{MARK}") for frame in found.frames[1:])
