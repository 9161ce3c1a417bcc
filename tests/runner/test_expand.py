"""A plan's loops expanded into the graph of a run."""

from __future__ import annotations

import pytest
from rflow.compiler.expr import Literal
from rflow.compiler.plan import Loop, Node, Place, Plan, SourceFile
from rflow.plugins.types import Json
from rflow.runner.expand import LoopError, RunGraph, elements, expand, instance_id

PLACE = Place(0, 0, 0)


def node(id: str, *after: str, loops: tuple[str, ...] = ()) -> Node:
    return Node(id, "sh", "main", after, PLACE, loops=loops)


def loop(id: str, over: list[Json], parent: str | None = None) -> Loop:
    return Loop(id, "x", Literal(over), None, parent, PLACE)


def graph(loops: list[Loop], *nodes: Node) -> RunGraph:
    source = (SourceFile("a.rflow", ""),)
    plan = Plan(
        "f", "", None, "allow", None, (), (), (), {}, tuple(loops), (), nodes, (), False, {}, source
    )
    return expand(plan, elements(plan, lambda expr, turns: expr.value))  # type: ignore[union-attr]


def before(graph: RunGraph, id: str) -> set[str]:
    found: set[str] = set()
    for number in graph.instances[graph.by_id[id]].before:
        instance = graph.instances[number]
        found |= before(graph, instance.id) if instance.hidden else {instance.id}
    return found


def test_ids() -> None:
    assert instance_id("web", ()) == "web"
    assert instance_id("web", (("web", "eu"),)) == "web[eu]"
    assert instance_id("check.ping", (("check", "eu"),)) == "check[eu].ping"
    assert instance_id("a", (("outer", "eu"), ("a", 1))) == "a[eu,1]"
    assert instance_id("check.a", (("check", "eu"), ("check.a", True))) == "check[eu].a[true]"


def test_a_node_after_a_loop_comes_after_all_its_turns() -> None:
    made = graph([loop("web", ["eu", "us"])], node("web", loops=("web",)), node("end", "web"))
    assert before(made, "end") == {"web[eu]", "web[us]"}


def test_turns_of_a_shared_loop_keep_to_themselves() -> None:
    made = graph(
        [loop("g", ["eu", "us"])],
        node("a", loops=("g",)),
        node("b", "a", loops=("g",)),
    )
    assert before(made, "b[eu]") == {"a[eu]"}


def test_a_turn_waits_for_all_inner_turns_of_the_same_turn_only() -> None:
    made = graph(
        [loop("g", ["eu", "us"]), loop("a", [1, 2], "g")],
        node("a", loops=("g", "a")),
        node("b", "a", loops=("g",)),
    )
    assert before(made, "b[us]") == {"a[us,1]", "a[us,2]"}


def test_an_empty_loop_holds_up_nothing() -> None:
    made = graph([loop("web", [])], node("web", loops=("web",)), node("end", "web"))
    assert before(made, "end") == set()
    assert "web[eu]" not in made.by_id


def test_edges_grow_with_the_turns_not_with_their_square() -> None:
    many: list[Json] = [*range(200)]
    made = graph(
        [loop("a", many), loop("b", many)],
        node("a", loops=("a",)),
        node("b", "a", loops=("b",)),
    )
    assert sum(len(instance.after) for instance in made.instances) == 400


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("eu", "ranges over a list"),
        (["eu", ["us"]], "strings, numbers or bools"),
        (["eu", None], "strings, numbers or bools"),
        (["1", 1], "twice"),
    ],
)
def test_what_is_no_list_of_scalars_that_differ_is_refused(over: Json, message: str) -> None:
    source = (SourceFile("a.rflow", ""),)
    loops = (Loop("web", "x", Literal(over), None, None, PLACE),)
    plan = Plan("f", "", None, "allow", None, (), (), (), {}, loops, (), (), (), False, {}, source)
    with pytest.raises(LoopError, match=message):
        elements(plan, lambda expr, turns: over)
